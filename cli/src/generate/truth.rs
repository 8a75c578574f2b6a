//! What the figures must be: every user, session and event kept by its id, counted the naive way.
//!
//! Memory grows with users and sessions. That is the point: nothing here is estimated, merged or folded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days, days_before, hour_of};

use super::{Action, Fact, Flaw, Kind, Line};

/// Days of a week and of a month, as the weekly and monthly figures mean them.
const WEEK_DAYS: u64 = 7;
const MONTH_DAYS: u64 = 30;

/// Everything that was generated.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    zone: Tz,
    days: BTreeMap<NaiveDate, Day>,
    /// The first day of each user, by the events' own time.
    first_days: BTreeMap<Arc<str>, NaiveDate>,
    flaws: BTreeMap<Flaw, u64>,
}

/// What happened on one day.
#[derive(Clone, Debug, Default)]
struct Day {
    users: BTreeSet<Arc<str>>,
    /// The first and the last event of each session on this day.
    sessions: BTreeMap<Arc<str>, (i64, i64)>,
    counts: Counts,
}

/// The counters of a day: plain sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Valid events, each once.
    pub(crate) events: u64,
    /// Duplicates of events of this day.
    pub(crate) duplicates: u64,
    /// Events by type.
    pub(crate) by_type: BTreeMap<&'static str, u64>,
    /// Events by hour of the zone's clock.
    pub(crate) by_hour: [u64; 24],
    /// Events by platform.
    pub(crate) platforms: BTreeMap<&'static str, u64>,
    /// Uses by feature.
    pub(crate) features: BTreeMap<&'static str, u64>,
    /// Things made, by content type.
    pub(crate) content: BTreeMap<&'static str, u64>,
    /// Requests to all models.
    pub(crate) ai: AiCounts,
    /// Requests by model.
    pub(crate) models: BTreeMap<&'static str, AiCounts>,
    /// How often a request to a model took so many milliseconds.
    pub(crate) latencies: BTreeMap<&'static str, BTreeMap<u64, u64>>,
    /// Errors by type.
    pub(crate) errors: BTreeMap<&'static str, u64>,
}

/// Requests to language models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AiCounts {
    /// Requests.
    pub(crate) requests: u64,
    /// Tokens of all kinds.
    pub(crate) tokens: u64,
    /// Nano-dollars.
    pub(crate) cost_nanos: u64,
}

/// The sessions of a day. A session that crosses midnight has on each day the time it had on that day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SessionFigures {
    /// Sessions.
    pub(crate) count: u64,
    /// Their average duration in milliseconds.
    pub(crate) average_ms: f64,
    /// The median (nearest rank) in milliseconds.
    pub(crate) p50_ms: i64,
    /// The 95th percentile (nearest rank) in milliseconds.
    pub(crate) p95_ms: i64,
    /// The standard deviation of the durations (of all of them, not of a sample) in milliseconds.
    pub(crate) deviation_ms: f64,
}

/// Everything that is true of one day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DayTruth {
    /// The day.
    pub(crate) date: NaiveDate,
    /// Users with an event on this day.
    pub(crate) active_users: u64,
    /// Users with an event in the 7 days that end with this one.
    pub(crate) weekly_users: u64,
    /// Users with an event in the 30 days that end with this one.
    pub(crate) monthly_users: u64,
    /// Users whose first event is of this day.
    pub(crate) new_users: u64,
    /// Users whose first event is of this day or an earlier one.
    pub(crate) total_users: u64,
    /// The counters.
    pub(crate) counts: Counts,
    /// The sessions.
    pub(crate) sessions: SessionFigures,
}

impl Truth {
    /// Nothing yet. Days are those of `zone`.
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, days: BTreeMap::new(), first_days: BTreeMap::new(), flaws: BTreeMap::new() }
    }

    /// Takes note of a line that was handed out.
    pub(crate) fn observe(&mut self, line: &Line) {
        match &line.kind {
            Kind::Fresh(fact) => self.count(fact, line.timestamp_ms),
            Kind::Duplicate => {
                if let Some(date) = day_of(self.zone, line.timestamp_ms) {
                    self.days.entry(date).or_default().counts.duplicates += 1;
                }
            }
            Kind::Invalid(flaw) => *self.flaws.entry(*flaw).or_default() += 1,
        }
    }

    fn count(&mut self, fact: &Fact, at_ms: i64) {
        let Some(date) = day_of(self.zone, at_ms) else { return };
        let first = self.first_days.entry(fact.user_id.clone()).or_insert(date);
        *first = date.min(*first);
        let day = self.days.entry(date).or_default();
        day.users.insert(fact.user_id.clone());
        let span = day.sessions.entry(fact.session_id.clone()).or_insert((at_ms, at_ms));
        *span = (span.0.min(at_ms), span.1.max(at_ms));
        day.counts.add(fact, hour_of(self.zone, at_ms));
    }

    /// The days with at least one valid event, in order.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> {
        self.days.keys().copied()
    }

    /// Invalid lines in all. They count by arrival day, which only the sender knows.
    pub(crate) fn rejected(&self) -> u64 {
        self.flaws.values().sum()
    }

    /// Invalid lines by what is wrong with them.
    #[cfg(test)]
    pub(crate) fn rejected_by_flaw(&self) -> &BTreeMap<Flaw, u64> {
        &self.flaws
    }

    /// Valid events of all days, each once.
    pub(crate) fn events(&self) -> u64 {
        self.days.values().map(|day| day.counts.events).sum()
    }

    /// Duplicates of all days.
    pub(crate) fn duplicates(&self) -> u64 {
        self.days.values().map(|day| day.counts.duplicates).sum()
    }

    /// What is true of one day, zeros where nothing happened.
    pub(crate) fn day(&self, date: NaiveDate) -> DayTruth {
        let day = self.days.get(&date).cloned().unwrap_or_default();
        DayTruth {
            date,
            active_users: self.active_users(date, date),
            weekly_users: self.active_users(days_before(date, WEEK_DAYS - 1), date),
            monthly_users: self.active_users(days_before(date, MONTH_DAYS - 1), date),
            new_users: self.first_days.values().filter(|first| **first == date).count() as u64,
            total_users: self.first_days.values().filter(|first| **first <= date).count() as u64,
            sessions: SessionFigures::of(&day.sessions),
            counts: day.counts,
        }
    }

    /// Users with an event on one of the days from `from` to `to`, both included.
    pub(crate) fn active_users(&self, from: NaiveDate, to: NaiveDate) -> u64 {
        let of_days = days(from, to).filter_map(|date| self.days.get(&date));
        of_days.flat_map(|day| &day.users).collect::<BTreeSet<_>>().len() as u64
    }
}

impl Counts {
    fn add(&mut self, fact: &Fact, hour: usize) {
        self.events += 1;
        *self.by_type.entry(fact.action.event_type()).or_default() += 1;
        self.by_hour[hour] += 1;
        *self.platforms.entry(fact.platform).or_default() += 1;
        match fact.action {
            Action::PageView => {}
            Action::FeatureUse(feature) => *self.features.entry(feature).or_default() += 1,
            Action::ContentCreate(content) => *self.content.entry(content).or_default() += 1,
            Action::AiRequest { model, tokens, cost_nanos, duration_ms } => {
                *self.latencies.entry(model).or_default().entry(duration_ms.into()).or_default() += 1;
                for counts in [&mut self.ai, self.models.entry(model).or_default()] {
                    counts.requests += 1;
                    counts.tokens += tokens;
                    counts.cost_nanos += cost_nanos;
                }
            }
            Action::Error(error) => *self.errors.entry(error).or_default() += 1,
        }
    }
}

impl SessionFigures {
    fn of(sessions: &BTreeMap<Arc<str>, (i64, i64)>) -> Self {
        let mut durations: Vec<i64> = sessions.values().map(|(first, last)| last - first).collect();
        durations.sort_unstable();
        if durations.is_empty() {
            return Self::default();
        }
        let count = durations.len() as f64;
        let average_ms = durations.iter().sum::<i64>() as f64 / count;
        let variance = durations.iter().map(|ms| (*ms as f64 - average_ms).powi(2)).sum::<f64>() / count;
        Self {
            count: durations.len() as u64,
            average_ms,
            p50_ms: nearest_rank(&durations, 50),
            p95_ms: nearest_rank(&durations, 95),
            deviation_ms: variance.sqrt(),
        }
    }
}

/// The smallest of the sorted values that at least `percent` of them do not exceed.
fn nearest_rank(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 60 * 60 * 1_000;
    /// 2026-03-01T00:00:00Z.
    const MARCH_1_MS: i64 = 1_772_323_200_000;

    fn line(user: &str, session: &str, at_ms: i64, action: Action) -> Line {
        let kind = Kind::Fresh(Fact { user_id: user.into(), session_id: session.into(), platform: "web", action });
        Line { json: String::new(), partition_key: user.into(), timestamp_ms: at_ms, kind }
    }

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    /// Ann asks a model and crosses midnight; Bob comes eight days later and makes an error; Cid only sends nonsense.
    #[test]
    fn a_small_case_by_hand() {
        let ai = |tokens, cost_nanos| Action::AiRequest { model: "m", tokens, cost_nanos, duration_ms: 9 };
        let late = MARCH_1_MS + 23 * HOUR_MS;
        let mut lines = vec![
            line("ann", "s1", late, Action::PageView),
            line("ann", "s1", late + 1_000, ai(10, 7)),
            line("ann", "s1", late + 61_000, ai(5, 3)),
            line("ann", "s2", late + 5_000, Action::FeatureUse("search")),
            line("ann", "s1", late + HOUR_MS, Action::ContentCreate("note")),
            line("bob", "s3", MARCH_1_MS + 8 * 24 * HOUR_MS, Action::Error("network")),
        ];
        lines.push(Line { kind: Kind::Duplicate, ..lines[0].clone() });
        lines.push(Line { kind: Kind::Invalid(Flaw::NoUser), ..lines[0].clone() });
        lines.push(Line { kind: Kind::Invalid(Flaw::NotJson), ..lines[0].clone() });
        let mut truth = Truth::new(Tz::UTC);
        for line in &lines {
            truth.observe(line);
        }

        assert_eq!(truth.days().collect::<Vec<_>>(), [date(1), date(2), date(9)]);
        assert_eq!((truth.events(), truth.duplicates(), truth.rejected()), (6, 1, 2));
        assert_eq!(truth.rejected_by_flaw()[&Flaw::NoUser], 1);

        let first = truth.day(date(1));
        let figures =
            |day: &DayTruth| [day.active_users, day.weekly_users, day.monthly_users, day.new_users, day.total_users];
        assert_eq!(figures(&first), [1, 1, 1, 1, 1]);
        assert_eq!((first.counts.events, first.counts.duplicates, first.counts.by_hour[23]), (4, 1, 4));
        assert_eq!(first.counts.ai, AiCounts { requests: 2, tokens: 15, cost_nanos: 10 });
        assert_eq!(first.counts.models["m"], first.counts.ai);
        assert_eq!(first.counts.latencies["m"], [(9, 2)].into());
        assert_eq!(first.counts.features["search"], 1);
        assert_eq!(first.counts.platforms["web"], 4);
        let sessions =
            SessionFigures { count: 2, average_ms: 30_500.0, p50_ms: 0, p95_ms: 61_000, deviation_ms: 30_500.0 };
        assert_eq!(first.sessions, sessions);

        let second = truth.day(date(2));
        assert_eq!(figures(&second), [1, 1, 1, 0, 1]);
        assert_eq!((second.sessions.count, second.sessions.p95_ms), (1, 0));
        assert_eq!(second.counts.content["note"], 1);

        let quiet = truth.day(date(7));
        assert_eq!((figures(&quiet), quiet.counts), ([0, 1, 1, 0, 1], Counts::default()));
        assert_eq!(figures(&truth.day(date(9))), [1, 1, 2, 1, 2]);
        assert_eq!(truth.active_users(date(1), date(9)), 2);
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let mut truth = Truth::new(chrono_tz::Asia::Kathmandu);
        truth.observe(&line("ann", "s1", MARCH_1_MS + 19 * HOUR_MS, Action::PageView));
        assert_eq!(truth.day(date(2)).counts.by_hour[0], 1);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred: Vec<i64> = (1..=100).collect();
        for (values, percent, expected) in
            [(&hundred[..], 50, 50), (&hundred, 95, 95), (&hundred[..1], 95, 1), (&hundred[..3], 50, 2), (&[], 50, 0)]
        {
            assert_eq!(nearest_rank(values, percent), expected, "{percent} of {}", values.len());
        }
    }
}
