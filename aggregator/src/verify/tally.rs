//! What one reading of a day's events tells, in whatever order they come: sums, and the sessions themselves.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use headcount_core::counters::Counters;
use headcount_core::hash::hash128;
use headcount_core::origin::Source;
use headcount_store::rows::EventRow;

use crate::reading::{Fences, is_folded};

/// Sessions of a day that are held in memory at once (about 100 bytes each). A day with more keeps its sample.
pub(crate) const MAX_EXACT_SESSIONS: usize = 1_000_000;

/// What a day's events tell.
#[derive(Debug, Default)]
pub(crate) struct DayTally {
    pub(crate) sources: BTreeMap<Source, SourceTally>,
    pub(crate) sessions: ExactSessions,
}

/// What one source's events tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceTally {
    /// Of the events at or before the fence.
    pub(crate) counters: Counters,
    /// Events at or before the fence.
    pub(crate) events: u64,
    /// Events after it.
    pub(crate) in_flight: u64,
}

impl DayTally {
    pub(crate) fn add(&mut self, row: &EventRow<'_>, fences: &Fences, zone: Tz) {
        let origin = &row.origin;
        if !self.sources.contains_key(&origin.source) {
            self.sources.insert(origin.source.clone(), SourceTally::default());
        }
        let Some(source) = self.sources.get_mut(&origin.source) else { return };
        if is_folded(fences, &origin.source, &origin.sequence) {
            source.events += 1;
            source.counters.add(&row.event, zone);
            let session = format!("{}\u{1f}{}", row.event.session_id, row.event.user_id);
            self.sessions.add(&session, row.event.counted_ms);
        } else {
            source.in_flight += 1;
        }
    }
}

/// Every session of a day with its first and last time, as long as they are not too many.
#[derive(Debug)]
pub(crate) struct ExactSessions {
    /// By the hash of the session's id, of which no two of a day are alike but for one in 10^26 days.
    spans: Option<BTreeMap<u128, (i64, i64)>>,
    limit: usize,
}

impl Default for ExactSessions {
    fn default() -> Self {
        Self::with_limit(MAX_EXACT_SESSIONS)
    }
}

impl ExactSessions {
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { spans: Some(BTreeMap::new()), limit }
    }

    pub(crate) fn add(&mut self, session_id: &str, at_ms: i64) {
        let Some(spans) = &mut self.spans else { return };
        let span = spans.entry(hash128(session_id.as_bytes())).or_insert((at_ms, at_ms));
        *span = (span.0.min(at_ms), span.1.max(at_ms));
        if spans.len() > self.limit {
            self.spans = None;
        }
    }

    /// The durations in milliseconds, in ascending order; none where the sessions were too many to hold.
    pub(crate) fn durations(&self) -> Option<Vec<u64>> {
        let spans = self.spans.as_ref()?;
        let mut durations: Vec<_> = spans.values().map(|(first, last)| last.abs_diff(*first)).collect();
        durations.sort_unstable();
        Some(durations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_whole_and_bounded() {
        let mut sessions = ExactSessions::with_limit(2);
        sessions.add("a", 61_000);
        sessions.add("b", 5_000);
        sessions.add("a", 1_000);
        assert_eq!(sessions.durations(), Some(vec![0, 60_000]));
        sessions.add("c", 1);
        assert_eq!(sessions.durations(), None, "one more than the limit");
        sessions.add("a", 1);
        assert_eq!(sessions.durations(), None);
    }
}
