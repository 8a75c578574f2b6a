//! Days and hours of the deployment's reporting time zone.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

/// The day of `zone` that the instant falls on; `None` where the instant is outside chrono's range.
///
/// ```
/// use headcount_core::calendar::day_of;
/// let half_past_midnight_in_berlin = 1_767_310_200_000; // 2026-01-01T23:30:00Z
/// assert_eq!(day_of(chrono_tz::UTC, half_past_midnight_in_berlin).unwrap().to_string(), "2026-01-01");
/// assert_eq!(day_of(chrono_tz::Europe::Berlin, half_past_midnight_in_berlin).unwrap().to_string(), "2026-01-02");
/// ```
pub fn day_of(zone: Tz, ms: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp_millis(ms)?.with_timezone(&zone).date_naive())
}

/// The hour of the day, 0 to 23, on the clocks of `zone`; 0 outside chrono's range.
pub fn hour_of(zone: Tz, ms: i64) -> usize {
    DateTime::from_timestamp_millis(ms).map_or(0, |at| at.with_timezone(&zone).hour() as usize)
}

/// Days and hours of a zone, for many instants that lie near each other: what was found for one quarter of an hour is kept
/// for the others of that quarter.
///
/// ```
/// use headcount_core::calendar::Hours;
/// let mut hours = Hours::of(chrono_tz::Europe::Berlin);
/// let (day, hour) = hours.at(1_767_310_200_000).unwrap(); // 2026-01-01T23:30:00Z
/// assert_eq!((day.to_string().as_str(), hour), ("2026-01-02", 0));
/// ```
#[derive(Clone, Debug)]
pub struct Hours {
    zone: Tz,
    kept: Vec<Quarter>,
}

/// The day and the hour of all instants of a quarter of an hour, by its number since the epoch.
#[derive(Clone, Copy, Debug)]
struct Quarter {
    number: i64,
    day: NaiveDate,
    hour: u8,
}

/// Milliseconds of a quarter.
const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// Quarters that are kept: those of ten days.
const KEPT_QUARTERS: usize = 1 << 10;

impl Hours {
    /// Those of this zone.
    pub fn of(zone: Tz) -> Self {
        // A number that no instant has.
        let none = Quarter { number: i64::MAX, day: NaiveDate::MIN, hour: 0 };
        Self { zone, kept: vec![none; KEPT_QUARTERS] }
    }

    /// The day and the hour of the instant, as [`day_of`] and [`hour_of`] tell them.
    pub fn at(&mut self, ms: i64) -> Option<(NaiveDate, usize)> {
        let number = ms.div_euclid(QUARTER_MS);
        let place = number as usize % KEPT_QUARTERS;
        let kept = self.kept[place];
        if kept.number == number {
            return Some((kept.day, usize::from(kept.hour)));
        }
        let (day, hour) = (day_of(self.zone, ms)?, hour_of(self.zone, ms));
        // Clocks are changed at quarters; where they ever were at other times, the quarter's ends differ.
        let is_of_all = |ms| day_of(self.zone, ms) == Some(day) && hour_of(self.zone, ms) == hour;
        if is_of_all(number * QUARTER_MS) && is_of_all(number * QUARTER_MS + QUARTER_MS - 1) {
            self.kept[place] = Quarter { number, day, hour: hour as u8 };
        }
        Some((day, hour))
    }
}

/// The first millisecond of `date` in `zone`, since the epoch.
///
/// Where the clocks skip midnight, the day begins at the first instant that exists.
pub fn start_of(zone: Tz, date: NaiveDate) -> i64 {
    let midnight = date.and_time(NaiveTime::MIN);
    // No zone of the database ever skipped more than a whole day; quarters of an hour find each gap's end.
    (0..=96)
        .filter_map(|quarters| midnight.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| midnight.and_utc().timestamp_millis(), |at| at.timestamp_millis())
}

/// The first millisecond after `date` in `zone`, since the epoch.
pub fn end_of(zone: Tz, date: NaiveDate) -> i64 {
    date.checked_add_days(Days::new(1)).map_or(i64::MAX, |next| start_of(zone, next))
}

/// The days from `from` to `to`, both included; none where `to` is earlier.
pub fn days(from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    from.iter_days().take_while(move |date| *date <= to)
}

/// The day `n` days before `date`, or the earliest that exists.
pub fn days_before(date: NaiveDate, n: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(n)).unwrap_or(NaiveDate::MIN)
}

/// The day `n` days after `date`, or the latest that exists.
pub fn days_after(date: NaiveDate, n: u64) -> NaiveDate {
    date.checked_add_days(Days::new(n)).unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_a_zone_ends_where_the_next_begins() {
        for zone in
            [chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::America::Sao_Paulo, chrono_tz::Asia::Kathmandu]
        {
            let from = NaiveDate::from_ymd_opt(2017, 1, 1).unwrap();
            for date in from.iter_days().take(800) {
                let (start, end) = (start_of(zone, date), end_of(zone, date));
                assert_eq!(day_of(zone, start), Some(date), "{zone} {date}");
                assert_eq!(day_of(zone, end - 1), Some(date), "{zone} {date}");
                assert_eq!(day_of(zone, start - 1), date.pred_opt(), "{zone} {date}");
            }
        }
    }

    #[test]
    fn days_and_hours_of_many_instants_are_those_of_each() {
        for zone in chrono_tz::TZ_VARIANTS {
            let mut hours = Hours::of(zone);
            // Most quarters of a day more than once: of 1970 and 1972, where zones had odd offsets, and of now.
            for from in [0, 63_590_400_000, 1_772_323_200_000] {
                for ms in (from..from + 86_400_000).step_by(611_001) {
                    let expected = day_of(zone, ms).map(|day| (day, hour_of(zone, ms)));
                    assert_eq!(hours.at(ms), expected, "{zone} {ms}");
                }
            }
            assert_eq!(hours.at(i64::MAX), None);
            assert_eq!(hours.at(i64::MIN), None);
        }
    }

    #[test]
    fn a_day_that_the_clocks_skipped_is_empty() {
        let zone = chrono_tz::Pacific::Apia;
        let skipped = NaiveDate::from_ymd_opt(2011, 12, 30).unwrap();
        let next = days_after(skipped, 1);
        assert_eq!(start_of(zone, skipped), end_of(zone, skipped));
        assert_eq!(end_of(zone, days_before(skipped, 1)), start_of(zone, next));
        assert_eq!(day_of(zone, start_of(zone, next)), Some(next));
    }
}
