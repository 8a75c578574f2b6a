//! The dense form: 2^precision registers, a byte each.

use super::estimate;

/// Most values that a register can have, 0 included: 64 bits of a hash, less the precision's, and one.
pub(super) const MOST_VALUES: usize = 64;

/// Registers: of all hashes that begin with a register's index, the most zeros that follow it, and one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registers(Vec<u8>);

impl Registers {
    pub(super) fn empty(precision: u8) -> Self {
        Self(vec![0; 1 << precision])
    }

    /// 2^precision values, each at most [`highest`].
    pub(super) fn from_values(values: Vec<u8>) -> Self {
        debug_assert!(values.len().is_power_of_two(), "registers are a power of two");
        Self(values)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn precision(&self) -> u8 {
        self.0.len().trailing_zeros() as u8
    }

    pub(super) fn insert_hash(&mut self, hash: u64) {
        let precision = self.precision();
        // The bit behind the hash's last one bounds the zeros.
        let rest = hash << precision | 1 << (precision - 1);
        self.raise((hash >> (64 - precision)) as usize, rest.leading_zeros() as u8 + 1);
    }

    pub(super) fn raise(&mut self, index: usize, rank: u8) {
        let register = &mut self.0[index];
        *register = rank.max(*register);
    }

    /// Becomes the union of both, which have one precision.
    pub(super) fn merge(&mut self, other: &Self) {
        for (register, rank) in self.0.iter_mut().zip(&other.0) {
            *register = (*rank).max(*register);
        }
    }

    /// The same users at a lower precision: the index loses its last bits, which then count as the first bits of what
    /// zeros are counted in.
    pub(super) fn fold_to(&self, precision: u8) -> Self {
        let lost = self.precision() - precision;
        let mut folded = Self::empty(precision);
        for (index, register) in self.0.iter().enumerate().filter(|(_, register)| **register > 0) {
            let below = index & ((1 << lost) - 1);
            let rank =
                if below == 0 { register + lost } else { lost - (usize::BITS - below.leading_zeros()) as u8 + 1 };
            folded.raise(index >> lost, rank);
        }
        folded
    }

    /// How many registers have each value.
    pub(super) fn histogram(&self) -> [u32; MOST_VALUES] {
        // Neighbours are counted apart: equal ones would wait for each other's sum.
        let mut sources = [[0u32; MOST_VALUES]; 4];
        for four in self.0.chunks(sources.len()) {
            for (source, register) in sources.iter_mut().zip(four) {
                source[usize::from(*register) % MOST_VALUES] += 1;
            }
        }
        std::array::from_fn(|value| sources.iter().map(|source| source[value]).sum())
    }

    pub(super) fn estimate(&self) -> f64 {
        estimate::of_histogram(&self.histogram(), self.precision())
    }
}

/// The highest value of a register.
pub(super) fn highest(precision: u8) -> u8 {
    64 - precision + 1
}
