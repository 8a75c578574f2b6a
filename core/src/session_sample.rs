//! How many sessions, and how long: a bottom-k sample.
//!
//! It keeps the [`SESSION_SAMPLE_SIZE`] sessions whose ids have the smallest hashes, each with its first and last time.
//! Which sessions these are depends on the ids alone, so samples join without error, and **a session that is in the
//! sample has been in it since its first event**: its duration is exact. Of the hash's 64 bits the first 48 are kept: the
//! chance that any of the kept sessions shares its hash with another is one in half a million on a day of a
//! million sessions.

mod stored;

use crate::frame::{self, FrameError, Kind};
use crate::hash::hash64;
use crate::limits::SESSION_SAMPLE_SIZE;

/// The version of the stored form that this build writes.
pub const VERSION: u8 = 2;

/// Bits of a session's hash.
const HASH_BITS: u32 = 48;

/// A sample of a day's sessions.
///
/// ```
/// use headcount_core::session_sample::SessionSample;
/// let mut sample = SessionSample::default();
/// sample.insert("a", 1_000);
/// sample.insert("a", 61_000);
/// sample.insert("b", 5_000);
/// assert_eq!(sample.sessions(), 2.0);
/// assert_eq!(sample.average_duration_ms(), 30_000.0);
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
    /// Its last.
    last: i64,
}

impl Span {
    fn extend(&mut self, other: Self) {
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
    }
}

impl SessionSample {
    /// Adds an event of the session of this id.
    pub fn insert(&mut self, session_id: &str, at_ms: i64) {
        self.insert_key(hash64(session_id.as_bytes()), at_ms);
    }

    /// Adds an event of the session with this key: see [`crate::event::Event::session_key`].
    pub fn insert_key(&mut self, key: u64, at_ms: i64) {
        let hash = key >> (u64::BITS - HASH_BITS);
        self.add(Span { hash, first: at_ms, last: at_ms });
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

    /// Becomes the sample of both. The same session keeps its earliest and its latest time.
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

    /// The number of sessions: exact where [`Self::is_exact`], else estimated from the largest hash kept, h, as
    /// (k - 1) / h, h as a share of all hashes (Bar-Yossef et al., Counting Distinct Elements in a Data Stream, 2002).
    pub fn sessions(&self) -> f64 {
        match self.spans.last() {
            Some(Span { hash: largest, .. }) if self.is_full => {
                let estimate = (self.spans.len() - 1) as f64 / ((*largest as f64 + 1.0) / 2f64.powi(HASH_BITS as i32));
                // So many there were at least: those kept, and one that was not.
                estimate.max((self.spans.len() + 1) as f64)
            }
            _ => self.spans.len() as f64,
        }
    }

    /// The standard error of [`Self::sessions`], as a share of it: 0 where exact, else 1 / sqrt(k - 2), 3.1 %.
    pub fn relative_error_of_sessions(&self) -> f64 {
        if self.is_full { 1.0 / (SESSION_SAMPLE_SIZE as f64 - 2.0).sqrt() } else { 0.0 }
    }

    /// Whether every session is in the sample.
    pub fn is_exact(&self) -> bool {
        !self.is_full
    }

    /// The mean time from a session's first event to its last, milliseconds; 0 where there is none.
    pub fn average_duration_ms(&self) -> f64 {
        if self.spans.is_empty() {
            return 0.0;
        }
        let sum: f64 = self.durations().map(|duration| duration as f64).sum();
        sum / self.spans.len() as f64
    }

    /// The shortest duration, milliseconds, that at least the share `q` of the sessions does not exceed (nearest rank);
    /// 0 where there is none.
    pub fn percentile_ms(&self, q: f64) -> u64 {
        let mut durations: Vec<u64> = self.durations().collect();
        durations.sort_unstable();
        let rank = (q.clamp(0.0, 1.0) * durations.len() as f64).ceil() as usize;
        durations.get(rank.max(1) - 1).copied().unwrap_or(0)
    }

    fn durations(&self) -> impl Iterator<Item = u64> + '_ {
        self.spans.iter().map(|span| span.last.abs_diff(span.first))
    }

    /// The stored form. Equal samples have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(Kind::Sessions, VERSION, &stored::version2::write(self))
    }

    /// The sample that was stored, by this version or an older one.
    ///
    /// # Errors
    ///
    /// [`SampleError`], where the bytes are not exactly what [`Self::encode`] of their version makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SampleError> {
        match frame::decode(Kind::Sessions, VERSION, bytes)? {
            (1, payload) => stored::version1::read(payload),
            (_, payload) => stored::version2::read(payload),
        }
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
