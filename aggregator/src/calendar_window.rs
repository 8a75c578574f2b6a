//! Which dates a run looks at, and when a day takes no more events.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days, days_after, days_before, end_of, start_of};
use headcount_core::deployment::Deployment;
use headcount_core::limits::DAY_MS;

use crate::deps::Settings;

/// Days whose users a weekly figure unites: the day itself and those before it.
pub(crate) const WEEK_DAYS: u64 = 7;

/// Days whose users a monthly figure unites: the day itself and those before it.
pub(crate) const MONTH_DAYS: u64 = 30;

/// Dates that one run may be asked for.
pub const MAX_DATES: usize = 400;

/// Days before the window of late events that a run still closes, should the aggregator have stood still that long.
pub(crate) const CLOSING_LOOKBACK_DAYS: u64 = 30;

/// Days before its first entry expires from which on a day takes no redriven and no imported events: ten nights to prove what
/// came before.
const FROZEN_DAYS: i64 = 10;

/// Days before its first entry expires from which on a day is not counted from the log any more.
const UNPROVABLE_DAYS: i64 = 1;

/// Days before its first entry expires from which on somebody is told of a day whose proof lacks entries.
const WARNING_DAYS: i64 = 7;

/// How long before a day begins its first entry is appended at the earliest: no way in takes events dated more than a day ahead of
/// their arrival, and clocks differ.
const EARLIEST_MS: i64 = 2 * DAY_MS;

/// The dates of one run, in order; whether each was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Dates to aggregate whatever the table says.
    pub(crate) named: BTreeSet<NaiveDate>,
    /// Dates to look at, the named ones among them.
    pub(crate) all: BTreeSet<NaiveDate>,
}

impl Scope {
    /// The days that may be open or wait to be closed, or the named dates with those that follow them, whose weekly
    /// and monthly figures they change.
    pub(crate) fn new(dates: Option<&[NaiveDate]>, zone: Tz, settings: &Settings, now_ms: i64) -> Self {
        let today = today(zone, now_ms);
        let tomorrow = days_after(today, 1);
        let Some(dates) = dates else {
            let back = late_ms(settings).div_euclid(DAY_MS).unsigned_abs() + 1 + CLOSING_LOOKBACK_DAYS;
            return Self { named: BTreeSet::new(), all: days(days_before(today, back), tomorrow).collect() };
        };
        let named: BTreeSet<_> = dates.iter().copied().collect();
        let following = named.iter().flat_map(|date| days(*date, days_after(*date, MONTH_DAYS - 1).min(tomorrow)));
        let all = following.chain(named.iter().copied()).collect();
        Self { named, all }
    }
}

/// The day that it is.
pub(crate) fn today(zone: Tz, now_ms: i64) -> NaiveDate {
    day_of(zone, now_ms).unwrap_or_default()
}

/// Milliseconds after its end that a day may still take events of a stream: lateness is measured at arrival, a record waits
/// in the stream for as long as that keeps it, and a day more is for its consumer.
pub(crate) fn late_ms(settings: &Settings) -> i64 {
    settings.lateness_ms + settings.retention_ms + DAY_MS
}

/// Whether the day takes no more events of a stream, and all that it took is in the figures: everything appended before
/// `followed_ms` is.
pub(crate) fn is_over(zone: Tz, date: NaiveDate, settings: &Settings, followed_ms: i64) -> bool {
    followed_ms >= end_of(zone, date).saturating_add(late_ms(settings))
}

/// What may still happen to a day, which the append of its first entry decides: entries expire by their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    first_ms: i64,
    retention_ms: i64,
}

impl Ends {
    /// Of a day whose first entry was appended at this time, milliseconds since the epoch.
    pub(crate) fn new(deployment: &Deployment, first_ms: i64) -> Self {
        Self { first_ms, retention_ms: i64::from(deployment.log_retention_days) * DAY_MS }
    }

    /// The earliest ones that are possible for a day.
    pub(crate) fn earliest(deployment: &Deployment, date: NaiveDate) -> Self {
        Self::new(deployment, start_of(deployment.zone, date).saturating_sub(EARLIEST_MS))
    }

    /// Whether the day takes no redriven and no imported events any more.
    pub(crate) fn is_frozen(self, now_ms: i64) -> bool {
        self.is_within(FROZEN_DAYS, now_ms)
    }

    /// Whether the day is not counted from the log any more.
    pub(crate) fn is_unprovable(self, now_ms: i64) -> bool {
        self.is_within(UNPROVABLE_DAYS, now_ms)
    }

    /// Whether somebody should be told of entries that the day's proof lacks.
    pub(crate) fn is_urgent(self, now_ms: i64) -> bool {
        self.is_within(WARNING_DAYS, now_ms)
    }

    fn is_within(self, days: i64, now_ms: i64) -> bool {
        now_ms >= self.first_ms.saturating_add(self.retention_ms).saturating_sub(days * DAY_MS)
    }
}

/// Whether an entry that was appended at this time expires within a week.
pub(crate) fn expires_soon(deployment: &Deployment, appended_ms: i64, now_ms: i64) -> bool {
    Ends::new(deployment, appended_ms).is_urgent(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// 2026-03-20T12:00:00Z.
    const NOON: i64 = 1_774_008_000_000;

    #[test]
    fn a_run_looks_from_the_days_that_wait_to_be_closed_to_tomorrow() {
        let scope = Scope::new(None, Tz::UTC, &Settings::default(), NOON);
        // 7 days of lateness, 1 of retention, 1 more, 1 for the day that closes today, 30 that were missed.
        assert_eq!(scope.all.first(), Some(&date("2026-02-08")));
        assert_eq!(scope.all.last(), Some(&date("2026-03-21")));
        assert!(scope.named.is_empty());
    }

    #[test]
    fn named_dates_bring_those_that_follow_them() {
        let named = [date("2026-03-18"), date("2026-01-01")];
        let scope = Scope::new(Some(&named), Tz::UTC, &Settings::default(), NOON);
        assert_eq!(scope.named.len(), 2);
        assert_eq!(scope.all.len(), 30 + 4);
        assert_eq!(scope.all.last(), Some(&date("2026-03-21")));
        assert!(scope.all.contains(&date("2026-01-30")) && !scope.all.contains(&date("2026-01-31")));
        let ahead = [date("2027-01-01")];
        assert_eq!(Scope::new(Some(&ahead), Tz::UTC, &Settings::default(), NOON).all.len(), 1);
    }

    #[test]
    fn a_day_is_over_after_lateness_retention_and_a_day() {
        let settings = Settings::default();
        for zone in [Tz::UTC, Tz::Europe__Berlin] {
            let day = date("2026-03-10");
            let last = end_of(zone, day) + 9 * DAY_MS;
            assert!(!is_over(zone, day, &settings, last - 1));
            assert!(is_over(zone, day, &settings, last));
        }
    }

    #[test]
    fn a_day_is_frozen_ten_days_before_its_first_entry_expires_and_counted_until_the_last() {
        let deployment = Deployment { log_retention_days: 30, ..Deployment::new("d".to_owned(), Tz::UTC, "test") };
        let ends = Ends::new(&deployment, NOON);
        for (days, frozen, urgent, unprovable) in
            [(20, true, false, false), (23, true, true, false), (29, true, true, true)]
        {
            let at_ms = NOON + days * DAY_MS;
            assert_eq!((ends.is_frozen(at_ms), ends.is_urgent(at_ms)), (frozen, urgent), "{days}");
            assert_eq!(ends.is_unprovable(at_ms), unprovable, "{days}");
        }
        assert!(!ends.is_frozen(NOON + 20 * DAY_MS - 1));
        assert!(!ends.is_unprovable(NOON + 29 * DAY_MS - 1));
        let earliest = Ends::earliest(&deployment, date("2026-03-10"));
        assert!(earliest.is_unprovable(start_of(Tz::UTC, date("2026-04-06"))));
        assert!(!earliest.is_unprovable(start_of(Tz::UTC, date("2026-04-06")) - 1));
    }
}
