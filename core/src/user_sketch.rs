//! How many different users: a HyperLogLog++ sketch.
//!
//! While it is sparse, users are added to a sketch of the crate `hyperloglogplus` over [`hash64`], with a hasher that passes
//! the hash through. The crate merges sketches of different hashers without a word, keeps its hasher in its serialized
//! form, may panic on foreign bytes, and hides its registers; so a dense sketch is plain registers of ours, sketches are
//! joined and estimated by their codes and registers, and what is stored are these, in a frame, checked on the way back.

mod codes;
mod estimate;
mod growing;
mod registers;
mod settled;
mod stored;
mod varint;

use std::borrow::Cow;
use std::fmt;

use crate::frame::{self, FrameError, Kind};
use crate::hash::hash64;
use growing::Growing;
use settled::Settled;

/// The version of the stored form that this build writes.
pub const VERSION: u8 = 2;

/// Smallest precision of a sketch.
pub const MIN_PRECISION: u8 = 4;

/// Largest precision of a sketch.
pub const MAX_PRECISION: u8 = 18;

/// Users, each counted as often as it was added, after which it is worth looking whether a sketch has become dense.
const FEWEST_INSERTED: usize = 1_024;

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
    precision: u8,
    content: Content,
}

#[derive(Clone)]
enum Content {
    /// Few users, to which some are being added.
    Growing(Growing),
    Settled(Settled),
}

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
        Ok(Self { precision, content: Content::Settled(Settled::empty()) })
    }

    /// Adds a user.
    pub fn insert(&mut self, user_id: &str) {
        self.insert_hash(hash64(user_id.as_bytes()));
    }

    /// Adds a user by [`hash64`] of the id.
    pub fn insert_hash(&mut self, hash: u64) {
        match &mut self.content {
            Content::Settled(Settled::Dense(registers)) => registers.insert_hash(hash),
            Content::Growing(growing) => {
                growing.insert_hash(hash);
                if growing.inserted() > codes::most_codes(self.precision).max(FEWEST_INSERTED) {
                    self.settle_if_dense();
                }
            }
            Content::Settled(Settled::Sparse(codes)) => {
                let mut growing = Growing::of(codes, self.precision);
                growing.insert_hash(hash);
                self.content = Content::Growing(growing);
            }
        }
    }

    /// Looks whether what grew is dense by now, where a user costs a fraction.
    fn settle_if_dense(&mut self) {
        let Content::Growing(growing) = &mut self.content else { return };
        let settled = Settled::of_grown(growing, self.precision);
        if matches!(settled, Settled::Dense(_)) {
            self.content = Content::Settled(settled);
        }
    }

    /// The union of these; none of none.
    pub fn union<'a>(sketches: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut sketches = sketches.into_iter();
        let mut union = sketches.next()?.clone();
        sketches.for_each(|sketch| union.merge(sketch));
        Some(union)
    }

    /// Becomes the union of both. Where their precisions differ, the union has the lower one.
    pub fn merge(&mut self, other: &Self) {
        let precision = self.precision.min(other.precision);
        let others = match &other.content {
            Content::Settled(settled) => Cow::Borrowed(settled),
            Content::Growing(growing) => Cow::Owned(Settled::of_grown(&mut growing.clone(), other.precision)),
        };
        let others = if other.precision > precision { Cow::Owned(others.fold_to(precision)) } else { others };
        let from = std::mem::replace(&mut self.precision, precision);
        let settled = self.settle_at(from);
        if from > precision {
            *settled = settled.fold_to(precision);
        }
        settled.merge(&others, precision);
    }

    /// Its content when what was added last is sorted.
    fn settle_at(&mut self, precision: u8) -> &mut Settled {
        if let Content::Growing(growing) = &mut self.content {
            self.content = Content::Settled(Settled::of_grown(growing, precision));
        }
        match &mut self.content {
            Content::Settled(settled) => settled,
            Content::Growing(_) => unreachable!("it was settled"),
        }
    }

    /// The logarithm to base 2 of the number of registers.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// The number of different users, never negative. It needs `&mut` because what was added last is sorted first.
    pub fn estimate(&mut self) -> f64 {
        self.settle_at(self.precision).estimate()
    }

    /// The standard error of [`Self::estimate`], as a share of it, once the sketch is dense: 1.04 / sqrt(2^precision)
    /// (Flajolet et al., HyperLogLog, 2007). Sparse ones are nearly exact.
    pub fn relative_standard_error(&self) -> f64 {
        1.04 / f64::from(1u32 << self.precision).sqrt()
    }

    /// The stored form. Equal sets of users have equal bytes.
    pub fn encode(&mut self) -> Vec<u8> {
        let payload = match &mut self.content {
            Content::Settled(settled) => stored::write(self.precision, settled),
            Content::Growing(growing) => {
                let settled = Settled::of_grown(growing, self.precision);
                let payload = stored::write(self.precision, &settled);
                // What grows is likely to go on: only what has become dense is settled for good.
                if matches!(settled, Settled::Dense(_)) {
                    self.content = Content::Settled(settled);
                }
                payload
            }
        };
        frame::encode(Kind::Users, VERSION, &payload)
    }

    /// The sketch that was stored, by this version or an older one.
    ///
    /// # Errors
    ///
    /// [`SketchError`], where the bytes are not exactly what [`Self::encode`] of their version makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchError> {
        let (version, payload) = frame::decode(Kind::Users, VERSION, bytes)?;
        let (precision, settled) = stored::read(version, payload)?;
        Ok(Self { precision, content: Content::Settled(settled) })
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

#[cfg(test)]
mod tests;
