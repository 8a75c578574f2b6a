//! How many sessions there are and how long they last: a bottom-k sample.
//!
//! A sample keeps the [`SESSION_SAMPLE_SIZE`] sessions whose ids have the smallest hashes, each with its first time, its
//! last time and the number of its events. Which sessions these are depends on the ids alone, so samples merge without
//! error, and **a session in the sample has been in it since its first event**: its duration and its count are exact.
//! `estimate.rs` describes how the figures of all sessions follow from those in the sample.
//!
//! Of a hash's 64 bits the first 40 are kept. Two sessions with equal bits count as one. The chance that this happens to
//! any of n sessions that all fit into the sample is n² / 2^41: one in 131,000 for a full sample. In the sample of a day
//! of a million sessions the chance is one in 500, and the result is one session of 4,096 that is longer than it was.

mod estimate;
mod stored;

use crate::frame::{self, FrameError, Kind};
use crate::hash::hash64;
use crate::limits::SESSION_SAMPLE_SIZE;

pub use estimate::{Interval, SessionEstimates, SessionIntervals};

/// The version of the stored form.
pub const VERSION: u8 = 1;

/// Bits of a session's hash.
const HASH_BITS: u32 = 40;

/// A sample of the sessions of a day or of a range of days.
///
/// ```
/// use headcount_core::session_sample::SessionSample;
/// let mut sample = SessionSample::default();
/// sample.insert("a", 1_000);
/// sample.insert("a", 61_000);
/// sample.insert("b", 5_000);
/// let figures = sample.figures(3);
/// assert_eq!((figures.count, figures.average_ms), (2.0, 30_000.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSample {
    /// By ascending hash, each once.
    spans: Vec<Span>,
    /// Whether there were more sessions than the sample keeps.
    is_full: bool,
}

/// A session in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// The first [`HASH_BITS`] bits of the hash of its id.
    hash: u64,
    /// Its first millisecond.
    first: i64,
    /// Its last millisecond.
    last: i64,
    /// Its events, at least one.
    events: u32,
}

impl Span {
    fn extend(&mut self, other: Self) {
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        self.events = self.events.saturating_add(other.events);
    }

    fn duration(&self) -> u64 {
        self.last.abs_diff(self.first)
    }
}

impl SessionSample {
    /// Adds an event of the session with this id.
    pub fn insert(&mut self, session_id: &str, at_ms: i64) {
        self.insert_key(hash64(session_id.as_bytes()), at_ms);
    }

    /// Adds an event of the session with this key: see [`crate::event::Event::session_key`].
    pub fn insert_key(&mut self, key: u64, at_ms: i64) {
        let hash = key >> (u64::BITS - HASH_BITS);
        self.add(Span { hash, first: at_ms, last: at_ms, events: 1 });
    }

    fn add(&mut self, span: Span) {
        let has_room = self.spans.len() < SESSION_SAMPLE_SIZE;
        if !has_room && self.spans.last().is_some_and(|largest| largest.hash < span.hash) {
            self.is_full = true;
            return;
        }
        match self.spans.binary_search_by_key(&span.hash, |span| span.hash) {
            Ok(known) => self.spans[known].extend(span),
            Err(place) => {
                if !has_room {
                    self.is_full = true;
                    self.spans.pop();
                }
                self.spans.insert(place, span);
            }
        }
    }

    /// Becomes the sample of both. A session of both keeps its earliest and its latest time and the sum of its events, so
    /// no event may be in both.
    pub fn merge(&mut self, other: &Self) {
        self.is_full |= other.is_full;
        let mut ours = std::mem::take(&mut self.spans).into_iter().peekable();
        let mut others = other.spans.iter().copied().peekable();
        let mut spans = Vec::with_capacity(SESSION_SAMPLE_SIZE.min(ours.len() + others.len()));
        while spans.len() < SESSION_SAMPLE_SIZE {
            let next = match (ours.peek(), others.peek()) {
                (Some(one), Some(other)) if one.hash <= other.hash => ours.next(),
                (_, Some(_)) => others.next(),
                (_, None) => ours.next(),
            };
            let Some(mut span) = next else { break };
            if let Some(same) = others.next_if(|other| other.hash == span.hash) {
                span.extend(same);
            }
            spans.push(span);
        }
        self.is_full |= ours.next().is_some() || others.next().is_some();
        self.spans = spans;
    }

    /// The number of sessions by the hashes alone: exact where [`Self::is_exact`], otherwise estimated.
    pub fn sessions(&self) -> f64 {
        if self.is_full { estimate::sessions(&self.spans) } else { self.spans.len() as f64 }
    }

    /// Whether every session is in the sample.
    pub fn is_exact(&self) -> bool {
        !self.is_full
    }

    /// The figures of all sessions, which have `events` events together.
    pub fn figures(&self, events: u64) -> SessionEstimates {
        if self.is_full { estimate::sampled(&self.spans, events) } else { estimate::exact(&self.spans) }
    }

    /// The stored form. Equal samples have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(Kind::Sessions, VERSION, &stored::write(self))
    }

    /// The sample that was stored.
    ///
    /// # Errors
    ///
    /// [`SampleError`], where the bytes are not exactly what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SampleError> {
        let (_, payload) = frame::decode(Kind::Sessions, VERSION, bytes)?;
        stored::read(payload)
    }
}

/// Why bytes are no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The frame is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is whole, but what is in it is no sample.
    #[error("it holds no sample: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;
