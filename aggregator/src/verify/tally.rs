//! What one reading of a day's events tells, in whatever order they come: sums, and the sessions themselves.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use headcount_core::counters::Counters;
use headcount_core::hash::hash128;
use headcount_core::origin::Lane;
use headcount_store::rows::EventRow;

use crate::reading::{Fences, is_folded};

/// Sessions of a day that are held in memory at once (about 100 bytes each). A day with more keeps its sample.
pub(crate) const MAX_EXACT_SESSIONS: usize = 1_000_000;

/// What the events of a part of a day tell.
#[derive(Debug, Default)]
pub(crate) struct DayTally {
    pub(crate) lanes: BTreeMap<Lane, LaneTally>,
    pub(crate) sessions: ExactSessions,
}

/// What one lane's events tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaneTally {
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
        if !self.lanes.contains_key(&origin.lane) {
            self.lanes.insert(origin.lane.clone(), LaneTally::default());
        }
        let Some(lane) = self.lanes.get_mut(&origin.lane) else { return };
        if is_folded(fences, &origin.lane, &origin.sequence) {
            lane.events += 1;
            lane.counters.add(&row.event, zone);
            self.sessions.add(&row.event.session_id, row.event.timestamp_ms);
        } else {
            lane.in_flight += 1;
        }
    }

    /// The parts together.
    pub(crate) fn merge(parts: Vec<Self>) -> Self {
        let mut whole = Self::default();
        for part in parts {
            for (lane, tally) in part.lanes {
                let sum = whole.lanes.entry(lane).or_default();
                sum.counters.merge(&tally.counters);
                sum.events += tally.events;
                sum.in_flight += tally.in_flight;
            }
            whole.sessions.merge(part.sessions);
        }
        whole
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
        self.extend(hash128(session_id.as_bytes()), (at_ms, at_ms));
    }

    fn extend(&mut self, session: u128, (first, last): (i64, i64)) {
        let Some(spans) = &mut self.spans else { return };
        let span = spans.entry(session).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
        if spans.len() > self.limit {
            self.spans = None;
        }
    }

    fn merge(&mut self, other: Self) {
        match other.spans {
            Some(spans) => spans.into_iter().for_each(|(session, span)| self.extend(session, span)),
            None => self.spans = None,
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
    fn sessions_are_whole_across_parts_and_bounded() {
        let mut morning = ExactSessions::with_limit(2);
        morning.add("a", 1_000);
        morning.add("b", 5_000);
        let mut evening = ExactSessions::with_limit(2);
        evening.add("a", 61_000);
        morning.merge(evening);
        assert_eq!(morning.durations(), Some(vec![0, 60_000]));
        morning.add("c", 1);
        assert_eq!(morning.durations(), None, "one more than the limit");
        morning.add("d", 1);
        assert_eq!(morning.durations(), None);
        let mut begun = ExactSessions::with_limit(2);
        begun.merge(morning);
        assert_eq!(begun.durations(), None, "what one part could not hold, the whole cannot");
    }
}
