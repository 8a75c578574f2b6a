//! How many different users: a HyperLogLog++ sketch.
//!
//! In memory it is the crate `hyperloglogplus` over [`hash64`], with a hasher that passes the hash through. The crate
//! merges sketches of different hashers without a word, keeps its hasher in its serialized form, and may panic on foreign
//! bytes; so what is stored is its parts in a frame of ours, checked before it becomes a sketch again.

mod parts;

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use hyperloglogplus::{HyperLogLog as _, HyperLogLogPlus};
use serde::{Deserialize, Serialize};

use crate::frame::{self, FrameError, Kind};
use crate::hash::hash64;
use parts::Parts;

/// The version of the stored form that this build writes.
pub const VERSION: u8 = 1;

/// Smallest precision of a sketch.
pub const MIN_PRECISION: u8 = 4;

/// Largest precision of a sketch.
pub const MAX_PRECISION: u8 = 18;

/// A set of users that can be joined with others and tells about how many there are.
///
/// ```
/// use headcount_core::user_sketch::UserSketch;
/// let mut monday = UserSketch::new(14).unwrap();
/// let mut tuesday = UserSketch::new(14).unwrap();
/// monday.insert("ada");
/// monday.insert("bob");
/// tuesday.insert("bob");
/// monday.merge(&tuesday);
/// assert_eq!(monday.estimate().round(), 2.0);
/// ```
#[derive(Clone)]
pub struct UserSketch {
    registers: Registers,
    precision: u8,
}

type Registers = HyperLogLogPlus<u64, PassThrough>;

impl UserSketch {
    /// An empty sketch of 2^`precision` registers.
    ///
    /// # Errors
    ///
    /// [`SketchError::Precision`], where it is not [`MIN_PRECISION`] to [`MAX_PRECISION`].
    pub fn new(precision: u8) -> Result<Self, SketchError> {
        if !(MIN_PRECISION..=MAX_PRECISION).contains(&precision) {
            return Err(SketchError::Precision(precision));
        }
        let registers = HyperLogLogPlus::new(precision, PassThrough).map_err(|_| SketchError::Precision(precision))?;
        Ok(Self { registers, precision })
    }

    /// Adds a user.
    pub fn insert(&mut self, user_id: &str) {
        self.insert_hash(hash64(user_id.as_bytes()));
    }

    /// Adds a user by [`hash64`] of the id.
    pub fn insert_hash(&mut self, hash: u64) {
        self.registers.insert(&hash);
    }

    /// Becomes the union of both. Where their precisions differ, the union has the lower one.
    pub fn merge(&mut self, other: &Self) {
        if self.precision == other.precision && self.registers.merge(&other.registers).is_ok() {
            return;
        }
        let precision = self.precision.min(other.precision);
        let mut folded = other.clone();
        for sketch in [&mut *self, &mut folded] {
            if sketch.precision > precision {
                *sketch = Parts::of(sketch).fold_to(precision).into_sketch();
            }
        }
        // Both have the same precision now, the only thing that the crate asks for.
        let merged = self.registers.merge(&folded.registers);
        debug_assert!(merged.is_ok(), "sketches of one precision merge");
    }

    /// The logarithm to base 2 of the number of registers.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// The number of different users, never negative. It needs `&mut` because the crate sorts what was inserted last.
    pub fn estimate(&mut self) -> f64 {
        self.registers.count().max(0.0)
    }

    /// The standard error of [`Self::estimate`], as a share of it, once the sketch is dense: 1.04 / sqrt(2^precision)
    /// (Flajolet et al., HyperLogLog, 2007). Sparse ones are nearly exact.
    pub fn relative_standard_error(&self) -> f64 {
        1.04 / f64::from(1u32 << self.precision).sqrt()
    }

    /// The stored form. Equal sets of users have equal bytes.
    pub fn encode(&mut self) -> Vec<u8> {
        frame::encode(Kind::Users, VERSION, &Parts::of(self).to_bytes())
    }

    /// The sketch that was stored.
    ///
    /// # Errors
    ///
    /// [`SketchError`], where the bytes are not exactly what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchError> {
        let (_, payload) = frame::decode(Kind::Users, VERSION, bytes)?;
        Ok(Parts::from_bytes(payload)?.into_sketch())
    }
}

/// The number of users and no more: registers are many, and codes are parts of hashes of ids.
impl fmt::Debug for UserSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.clone().estimate().round();
        f.debug_struct("UserSketch").field("precision", &self.precision).field("users", &users).finish_non_exhaustive()
    }
}

/// Why a sketch cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// No such precision.
    #[error("a sketch's precision is {MIN_PRECISION} to {MAX_PRECISION}, not {0}")]
    Precision(u8),
    /// The frame is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is whole, but what is in it is no sketch.
    #[error("it holds no sketch: {0}")]
    Malformed(&'static str),
}

/// Hands a 64-bit hash through. Serialized it is nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct PassThrough;

impl BuildHasher for PassThrough {
    type Hasher = PassedThrough;

    fn build_hasher(&self) -> PassedThrough {
        PassedThrough(0)
    }
}

struct PassedThrough(u64);

impl Hasher for PassedThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;
