//! The days that a chunk's events belong to: a zone's calendar is asked once for each, not for every event.

use chrono::NaiveDate;
use headcount_core::calendar::{day_of, end_of, start_of};
use headcount_core::deployment::Deployment;
use headcount_core::keys::WriteShards;
use headcount_core::limits::DAY_MS;

use crate::deps::Feed;

/// A day of the reporting zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    /// Its date.
    pub(crate) date: NaiveDate,
    /// Its write shards.
    pub(crate) shards: WriteShards,
    start_ms: i64,
    end_ms: i64,
}

/// Days that were asked for.
#[derive(Debug)]
pub(crate) struct Days<'a> {
    deployment: &'a Deployment,
    feed: Feed,
    now_ms: i64,
    /// Days of 24 hours: all that lies between their ends is theirs. Where clocks are changed, an hour may be another
    /// day's.
    plain: Vec<Day>,
}

impl<'a> Days<'a> {
    /// No day yet, at `now_ms`.
    pub(crate) fn new(deployment: &'a Deployment, feed: Feed, now_ms: i64) -> Self {
        Self { deployment, feed, now_ms, plain: Vec::new() }
    }

    /// The day that the instant falls on.
    pub(crate) fn at(&mut self, ms: i64) -> Day {
        if let Some(known) = self.plain.iter().find(|day| (day.start_ms..day.end_ms).contains(&ms)) {
            return *known;
        }
        let zone = self.deployment.zone;
        // Arrival times are the stream's own and event times lie near them: both are inside chrono's range.
        let date = day_of(zone, ms).unwrap_or(NaiveDate::MIN);
        let (start_ms, end_ms) = (start_of(zone, date), end_of(zone, date));
        let day = Day { date, shards: self.deployment.write_shards.on(date), start_ms, end_ms };
        if end_ms.checked_sub(start_ms) == Some(DAY_MS) {
            self.plain.push(day);
        }
        day
    }

    /// `TTL` of what lives so many days after its day ended, seconds since the epoch.
    pub(crate) fn expiry_s(&self, day: Day, days: i64) -> i64 {
        self.feed.expiry_s(day.end_ms, self.now_ms, days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instant_is_of_the_day_that_the_calendar_says() {
        // Newfoundland put its clocks back a minute after midnight: an hour of the day before came again.
        for (zone, from) in [(chrono_tz::America::St_Johns, "2010-11-05"), (chrono_tz::Europe::Berlin, "2026-03-27")] {
            let deployment = Deployment::new(zone, "p");
            let first_ms = start_of(zone, from.parse().unwrap());
            let mut days = Days::new(&deployment, Feed::Mapping, first_ms);
            for minute in 0..5 * 24 * 60 {
                let ms = first_ms + minute * 60_000;
                let day = days.at(ms);
                assert_eq!(Some(day.date), day_of(zone, ms), "{zone} {ms}");
                assert_eq!(days.expiry_s(day, 2), (end_of(zone, day.date) + 2 * DAY_MS) / 1_000, "{zone} {ms}");
            }
        }
    }
}
