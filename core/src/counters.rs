//! Counters (provisional).
use crate::event::Event;
use chrono_tz::Tz;

/// Beyond the cap.
pub const OTHER: &str = "(other)";

/// Counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Valid events.
    pub events: u64,
    /// Rejected occurrences.
    pub rejected: u64,
    /// Duplicate occurrences.
    pub duplicates: u64,
}

impl Counters {
    /// Counts one event.
    pub fn add(&mut self, _event: &Event, _zone: Tz) {
        self.events += 1;
    }
    /// Sums.
    pub fn merge(&mut self, other: &Self) {
        self.events += other.events;
        self.rejected += other.rejected;
        self.duplicates += other.duplicates;
    }
    /// Bytes.
    pub fn encode(&self) -> Vec<u8> {
        [self.events, self.rejected, self.duplicates].iter().flat_map(|n| n.to_le_bytes()).collect()
    }
    /// Back.
    pub fn decode(bytes: &[u8]) -> Result<Self, CountersError> {
        let mut n = bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
        let mut next = || n.next().ok_or(CountersError::Malformed);
        Ok(Self { events: next()?, rejected: next()?, duplicates: next()? })
    }
}

/// Bad bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// Bad.
    #[error("malformed")]
    Malformed,
}
