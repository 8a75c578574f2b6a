//! Every session's duration, for judging estimated percentiles: the truth keeps only two of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;

use crate::generate::{Kind, Line};

/// The first and last event of each session, by day.
#[derive(Debug)]
pub(super) struct Spans {
    zone: Tz,
    days: BTreeMap<NaiveDate, HashMap<Arc<str>, (i64, i64)>>,
}

impl Spans {
    /// Nothing yet. Days are those of `zone`.
    pub(super) fn new(zone: Tz) -> Self {
        Self { zone, days: BTreeMap::new() }
    }

    /// Takes note of a line that was handed out.
    pub(super) fn observe(&mut self, line: &Line) {
        let (Kind::Fresh(fact), Some(date)) = (&line.kind, day_of(self.zone, line.timestamp_ms)) else { return };
        let at = line.timestamp_ms;
        let sessions = self.days.entry(date).or_default();
        let span = sessions.entry(Arc::clone(&fact.session_id)).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }

    /// The durations of a day's sessions in milliseconds, sorted.
    pub(super) fn durations(&self, date: NaiveDate) -> Vec<u64> {
        let spans = self.days.get(&date).into_iter().flat_map(HashMap::values);
        let mut durations: Vec<u64> = spans.map(|(first, last)| last.abs_diff(*first)).collect();
        durations.sort_unstable();
        durations
    }
}
