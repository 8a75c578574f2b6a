//! How many sessions, and how long: a bottom-k sample.
//!
//! It keeps the [`SESSION_SAMPLE_SIZE`] sessions whose ids have the smallest hashes, each with its first and last time.
//! Which sessions these are depends on the ids alone, so samples join without error, and **a session that is in the
//! sample has been in it since its first event**: its duration is exact. Hashes have 64 bits; among a million sessions
//! two collide with a chance of one in 37 million.

use std::collections::BTreeMap;

use crate::frame::{self, FrameError, Kind};
use crate::hash::hash64;
use crate::limits::SESSION_SAMPLE_SIZE;

/// The version of the stored form that this build writes.
pub const VERSION: u8 = 1;

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
    /// First and last millisecond, by the hash of the session's id.
    spans: BTreeMap<u64, (i64, i64)>,
    /// Whether there were more sessions than the sample keeps.
    is_full: bool,
}

impl SessionSample {
    /// Adds an event of a session.
    pub fn insert(&mut self, session_id: &str, at_ms: i64) {
        self.add(hash64(session_id.as_bytes()), (at_ms, at_ms));
    }

    fn add(&mut self, hash: u64, (first, last): (i64, i64)) {
        if let Some(span) = self.spans.get_mut(&hash) {
            *span = (span.0.min(first), span.1.max(last));
            return;
        }
        if self.spans.len() >= SESSION_SAMPLE_SIZE {
            self.is_full = true;
            if self.spans.last_key_value().is_some_and(|(largest, _)| *largest < hash) {
                return;
            }
            self.spans.pop_last();
        }
        self.spans.insert(hash, (first, last));
    }

    /// Becomes the sample of both. The same session keeps its earliest and its latest time.
    pub fn merge(&mut self, other: &Self) {
        self.is_full |= other.is_full;
        for (hash, span) in &other.spans {
            self.add(*hash, *span);
        }
    }

    /// The number of sessions: exact where [`Self::is_exact`], else estimated from the largest hash kept, h, as
    /// (k - 1) / h, h as a share of all hashes (Bar-Yossef et al., Counting Distinct Elements in a Data Stream, 2002).
    pub fn sessions(&self) -> f64 {
        match self.spans.last_key_value() {
            Some((largest, _)) if self.is_full => {
                let estimate = (self.spans.len() - 1) as f64 / ((*largest as f64 + 1.0) / 2f64.powi(64));
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
        self.spans.values().map(|(first, last)| last.abs_diff(*first))
    }

    /// The stored form. Equal samples have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(Kind::Sessions, VERSION, &self.payload())
    }

    fn payload(&self) -> Vec<u8> {
        let earliest = self.spans.values().map(|span| span.0).min().unwrap_or(0);
        let mut last_hash = 0;
        let spans: Vec<(u64, u64, u64)> = self
            .spans
            .iter()
            .map(|(hash, (first, last))| {
                let step = hash - std::mem::replace(&mut last_hash, *hash);
                (step, first.abs_diff(earliest), last.abs_diff(*first))
            })
            .collect();
        postcard::to_allocvec(&(self.is_full, earliest, spans)).expect("memory takes all")
    }

    /// The sample that was stored.
    ///
    /// # Errors
    ///
    /// [`SampleError`], where the bytes are not exactly what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SampleError> {
        let (_, payload) = frame::decode(Kind::Sessions, VERSION, bytes)?;
        let ((is_full, earliest, stored), rest): (Stored, _) =
            postcard::take_from_bytes(payload).map_err(|_| SampleError::Malformed("its fields are cut"))?;
        if !rest.is_empty() {
            return Err(SampleError::Malformed("bytes follow its sessions"));
        }
        if stored.len() > SESSION_SAMPLE_SIZE || (is_full && stored.len() < SESSION_SAMPLE_SIZE) {
            return Err(SampleError::Malformed("the number of its sessions is impossible"));
        }
        let mut spans = BTreeMap::new();
        let mut hash = 0u64;
        for (n, (step, after_earliest, duration)) in stored.into_iter().enumerate() {
            let ascends = n == 0 || step > 0;
            hash =
                hash.checked_add(step).filter(|_| ascends).ok_or(SampleError::Malformed("its hashes do not ascend"))?;
            let first = earliest.checked_add_unsigned(after_earliest);
            let span = first.and_then(|first| Some((first, first.checked_add_unsigned(duration)?)));
            spans.insert(hash, span.ok_or(SampleError::Malformed("a session's time is out of range"))?);
        }
        if spans.values().map(|(first, _)| *first).min().unwrap_or(0) != earliest {
            return Err(SampleError::Malformed("its earliest time is not a session's"));
        }
        let sample = Self { spans, is_full };
        // A sample is written in one way only: padded numbers show here.
        if sample.payload() == payload {
            Ok(sample)
        } else {
            Err(SampleError::Malformed("its fields are not as they are written"))
        }
    }
}

/// Whether there were more sessions than are kept; the earliest time of all; and of each session, by ascending hash, the
/// difference of its hash to the one before, of its first time to the earliest, and of its last time to its first.
type Stored = (bool, i64, Vec<(u64, u64, u64)>);

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
