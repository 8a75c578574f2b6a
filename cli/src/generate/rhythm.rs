//! When people are awake: how sessions spread over the hours of the days.

use chrono::{DateTime, Datelike as _, Weekday};
use chrono_tz::Tz;
use headcount_core::calendar::hour_of;

const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// How busy each hour of a working day is, against the others.
const HOURS: [u64; 24] = [8, 5, 3, 2, 2, 4, 10, 22, 40, 58, 66, 64, 52, 56, 64, 62, 56, 48, 42, 44, 46, 40, 28, 15];

/// How busy a working day and a day of a weekend are, against each other.
const WORKING_DAY: u64 = 10;
const WEEKEND: u64 = 6;

/// The window cut at quarters of an hour (every zone's hours begin at one), each with the weight up to its end.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    start_ms: i64,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start_ms: i64,
    /// Weight of one millisecond.
    weight: u64,
    /// Weight of all spans before this one.
    before: u64,
}

impl Rhythm {
    /// The rhythm from `start_ms` to `end_ms`, both included.
    pub(super) fn new(zone: Tz, start_ms: i64, end_ms: i64) -> Self {
        let mut spans: Vec<Span> = Vec::new();
        let (mut at, mut before) = (start_ms, 0);
        while at <= end_ms {
            let until = (at.div_euclid(QUARTER_MS) + 1) * QUARTER_MS;
            let weight = weight_at(zone, at);
            spans.push(Span { start_ms: at, weight, before });
            before += weight * until.min(end_ms + 1).abs_diff(at);
            at = until;
        }
        spans.push(Span { start_ms: end_ms + 1, weight: 1, before });
        Self { start_ms, spans }
    }

    /// The instant before which `part` of `whole` of the weight lies; `part` is less than `whole`.
    pub(super) fn at(&self, part: u64, whole: u64) -> i64 {
        let all = self.spans.last().map_or(0, |last| last.before);
        let target = (u128::from(all) * u128::from(part) / u128::from(whole.max(1))) as u64;
        let next = self.spans.partition_point(|span| span.before <= target);
        let Some(span) = next.checked_sub(1).and_then(|index| self.spans.get(index)) else { return self.start_ms };
        span.start_ms + ((target - span.before) / span.weight) as i64
    }
}

fn weight_at(zone: Tz, ms: i64) -> u64 {
    let day = DateTime::from_timestamp_millis(ms).map(|at| at.with_timezone(&zone).weekday());
    let factor = if matches!(day, Some(Weekday::Sat | Weekday::Sun)) { WEEKEND } else { WORKING_DAY };
    HOURS[hour_of(zone, ms) % HOURS.len()] * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn positions_are_monotone_and_stay_inside() {
        let start = 1_772_323_200_000; // 2026-03-01T00:00:00Z
        for zone in [chrono_tz::UTC, chrono_tz::Asia::Kathmandu, chrono_tz::America::New_York] {
            let (from, to) = (start + 12_345, start + 9 * DAY_MS + 67);
            let rhythm = Rhythm::new(zone, from, to);
            let at: Vec<i64> = (0..10_000).map(|part| rhythm.at(part, 10_000)).collect();
            assert!(at.is_sorted(), "{zone}");
            assert!(at.iter().all(|at| (from..=to).contains(at)), "{zone}");
            assert_eq!(at[0], from, "{zone}");
        }
    }

    #[test]
    fn mornings_are_busier_than_nights_on_the_clocks_of_the_zone() {
        let start = 1_772_409_600_000; // Monday, 2026-03-02T00:00:00Z
        for zone in [chrono_tz::UTC, chrono_tz::Asia::Tokyo] {
            let rhythm = Rhythm::new(zone, start, start + 5 * DAY_MS - 1);
            let mut hours = [0_u32; 24];
            for part in 0..24_000 {
                hours[hour_of(zone, rhythm.at(part, 24_000))] += 1;
            }
            assert!(hours[10] > 10 * hours[3], "{zone}: {hours:?}");
        }
    }
}
