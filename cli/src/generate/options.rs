//! What can be asked of the generator, and its bounds.

use std::fmt;

use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days_before, start_of};

/// Days that a window spans at most.
pub(crate) const MAX_DAYS: u32 = 400;

/// Users that are drawn from at most.
pub(crate) const MAX_USERS: u32 = 100_000_000;

/// The shortest window, milliseconds: an hour, even just after midnight.
const MIN_WINDOW_MS: i64 = 60 * 60 * 1_000;

/// The ends that make sense: 2010 to 2249, so that "too old" and "too far ahead" have their place on either side.
const END_RANGE_MS: std::ops::Range<i64> = 1_262_304_000_000..8_835_984_000_000;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GeneratorOptions {
    /// Lines in all, invalid ones and duplicates included.
    pub(crate) events: u64,
    /// Users to draw from, 1 to [`MAX_USERS`]; the rarest need many events to be seen at all.
    pub(crate) users: u32,
    /// Days of `zone`, 1 to [`MAX_DAYS`]; the last is the one that `end_ms` falls on, up to that instant.
    pub(crate) days: u32,
    /// Where all randomness comes from.
    pub(crate) seed: u64,
    /// The latest timestamp, milliseconds since the epoch.
    pub(crate) end_ms: i64,
    /// The zone of the days and of their rhythm.
    pub(crate) zone: Tz,
    /// The share of lines that are invalid, from 0.
    pub(crate) invalid_rate: f64,
    /// The share of lines that are duplicates, from 0. Twice this and `invalid_rate` are together at most 1.
    pub(crate) duplicate_rate: f64,
}

impl GeneratorOptions {
    /// 20,000 events of up to 2,000 users over 3 days, 1 % invalid, 1 % duplicates, the last at `end_ms`.
    pub(crate) fn new(end_ms: i64) -> Self {
        Self {
            events: 20_000,
            users: 2_000,
            days: 3,
            seed: 1,
            end_ms,
            zone: Tz::UTC,
            invalid_rate: 0.01,
            duplicate_rate: 0.01,
        }
    }

    /// The earliest timestamp: where the first day begins, or an hour before the end if that is earlier.
    pub(crate) fn start_ms(&self) -> i64 {
        let earliest = self.end_ms - MIN_WINDOW_MS;
        let Some(last) = day_of(self.zone, self.end_ms) else { return earliest };
        start_of(self.zone, days_before(last, u64::from(self.days.saturating_sub(1)))).min(earliest)
    }

    pub(super) fn check(&self) -> Result<(), GeneratorError> {
        let rule = |holds: bool, option, rule| if holds { Ok(()) } else { Err(GeneratorError { option, rule }) };
        rule((1..=MAX_USERS).contains(&self.users), "users", "must be 1 to 100,000,000")?;
        rule((1..=MAX_DAYS).contains(&self.days), "days", "must be 1 to 400")?;
        rule(END_RANGE_MS.contains(&self.end_ms), "end", "must lie in the years 2010 to 2249")?;
        rule((0.0..=1.0).contains(&self.invalid_rate), "invalid rate", "must be a share from 0 to 1")?;
        rule((0.0..=0.5).contains(&self.duplicate_rate), "duplicate rate", "must be a share from 0 to 0.5")?;
        rule(
            self.duplicate_rate.mul_add(2.0, self.invalid_rate) <= 1.0,
            "duplicate rate",
            "must leave each duplicate a valid event to repeat: twice it and the invalid rate are at most 1 together",
        )
    }
}

/// An option that is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GeneratorError {
    /// Which option, in words.
    pub(crate) option: &'static str,
    /// The rule that it broke.
    pub(crate) rule: &'static str,
}

impl fmt::Display for GeneratorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.option, self.rule)
    }
}

impl std::error::Error for GeneratorError {}
