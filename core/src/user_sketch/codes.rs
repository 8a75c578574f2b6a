//! The sparse form: one code for each user of a small set.
//!
//! A code is the first [`SPARSE_PRECISION`] bits of the user's hash and, where a register could not be told from these, the
//! number of zeros that follow (Heule et al., HyperLogLog in Practice, 2013, section 5.3):
//!
//! - `index << 1`, where the bits of the index below the sketch's precision are not all zero;
//! - `index << 7 | zeros << 1 | 1`, where they are; zeros counts up to the first one of the hash after the index.

use super::registers::Registers;

/// Bits of the hash that a code keeps as its index.
pub(super) const SPARSE_PRECISION: u8 = 25;

/// The most zeros that a code can have: all that is left of the hash, and one.
pub(super) const MAX_ZEROS: u32 = 64 - SPARSE_PRECISION as u32 + 1;

/// Codes of a set, ascending, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Codes(Vec<u32>);

/// The most codes of a sparse sketch; with more it is dense. Fifteen in a hundred registers: few enough that the crate,
/// which turns dense when codes take more than 0.8 bytes a register, never does so first (a code takes 5 bytes at most),
/// and that their stored form is smaller than that of the registers.
pub(super) fn most_codes(precision: u8) -> usize {
    (3 << precision) / 20
}

impl Codes {
    /// Codes that ascend already.
    pub(super) fn from_ascending(codes: Vec<u32>) -> Self {
        debug_assert!(codes.is_sorted_by(|one, next| one < next), "codes ascend");
        Self(codes)
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        &self.0
    }

    pub(super) fn are_too_many(&self, precision: u8) -> bool {
        self.0.len() > most_codes(precision)
    }

    /// The codes of both.
    #[expect(clippy::stable_sort_primitive, reason = "of two runs that ascend, the stable sort is one merge")]
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut codes = [self.as_slice(), other.as_slice()].concat();
        codes.sort();
        codes.dedup();
        Self(codes)
    }

    /// The codes that the same users have at a lower precision.
    pub(super) fn fold_to(&self, precision: u8) -> Self {
        let mut codes: Vec<u32> = self.0.iter().map(|code| fold(*code, precision)).collect();
        codes.sort_unstable();
        codes.dedup();
        Self(codes)
    }

    /// The registers of the same users.
    pub(super) fn to_registers(&self, precision: u8) -> Registers {
        let mut registers = Registers::empty(precision);
        self.raise(&mut registers, precision);
        registers
    }

    /// Adds the users to registers.
    pub(super) fn raise(&self, registers: &mut Registers, precision: u8) {
        for code in &self.0 {
            let (index, rank) = register(*code, precision);
            registers.raise(index, rank);
        }
    }

    /// The number of users: linear counting over 2^25 cells, n = m ln(m / (m - c)) for c codes
    /// (Whang et al., A Linear-Time Probabilistic Counting Algorithm, 1990). Its own error is one user in 100,000 at most.
    pub(super) fn estimate(&self) -> f64 {
        let cells = f64::from(1u32 << SPARSE_PRECISION);
        -cells * (-(self.0.len() as f64) / cells).ln_1p()
    }
}

/// Whether a code is one that this precision writes.
pub(super) fn is_code(code: u32, precision: u8) -> bool {
    let below = (1u32 << (SPARSE_PRECISION - precision)) - 1;
    if code & 1 == 0 {
        let index = code >> 1;
        index < 1 << SPARSE_PRECISION && index & below != 0
    } else {
        let zeros = (code >> 1) & 0x3f;
        (code >> 7) & below == 0 && (1..=MAX_ZEROS).contains(&zeros)
    }
}

/// The register of a code's users, and what it must be at least.
fn register(code: u32, precision: u8) -> (usize, u8) {
    let below = SPARSE_PRECISION - precision;
    if code & 1 == 0 {
        let index = code >> 1;
        let rest = index & ((1 << below) - 1);
        ((index >> below) as usize, below - (u32::BITS - rest.leading_zeros()) as u8 + 1)
    } else {
        ((code >> 7 >> below) as usize, below + ((code >> 1) & 0x3f) as u8)
    }
}

/// The code at a lower precision: more bits follow the index, and where one of them is set the zeros need not be kept.
fn fold(code: u32, precision: u8) -> u32 {
    let index = if code & 1 == 1 { code >> 7 } else { return code };
    let below = (1u32 << (SPARSE_PRECISION - precision)) - 1;
    if index & below == 0 { code } else { index << 1 }
}
