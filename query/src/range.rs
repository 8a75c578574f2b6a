//! A range of days, checked.

use chrono::NaiveDate;
use headcount_core::calendar::{days, days_before};

use crate::error::QueryError;

/// Days of one range.
pub const MAX_RANGE_DAYS: u64 = 400;

/// Days from one to another, both included, at most [`MAX_RANGE_DAYS`].
///
/// ```
/// use headcount_query::range::Range;
/// let week = Range::new("2026-03-02".parse().unwrap(), "2026-03-08".parse().unwrap()).unwrap();
/// assert_eq!(week.days(), 7);
/// assert_eq!(week.previous().to.to_string(), "2026-03-01");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

impl Range {
    /// The range of these days.
    ///
    /// # Errors
    ///
    /// [`QueryError::Backwards`] or [`QueryError::TooLong`].
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Self, QueryError> {
        if from > to {
            return Err(QueryError::Backwards { from, to });
        }
        let range = Self { from, to };
        if range.days() > MAX_RANGE_DAYS {
            return Err(QueryError::TooLong { from, to, days: range.days() });
        }
        Ok(range)
    }

    /// The `count` days that end with `to`.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooLong`].
    pub fn ending(to: NaiveDate, count: u64) -> Result<Self, QueryError> {
        Self::new(days_before(to, count.max(1) - 1), to)
    }

    /// How many days it has.
    pub fn days(self) -> u64 {
        (self.to - self.from).num_days().unsigned_abs() + 1
    }

    /// As many days, directly before it.
    #[must_use]
    pub fn previous(self) -> Self {
        Self { from: days_before(self.from, self.days()), to: days_before(self.from, 1) }
    }

    /// Its days, in order.
    pub fn dates(self) -> impl Iterator<Item = NaiveDate> {
        days(self.from, self.to)
    }

    /// Whether the day is one of it.
    pub fn contains(self, date: NaiveDate) -> bool {
        (self.from..=self.to).contains(&date)
    }
}
