//! What an entry holds, in memory: what the consumer appends, and what a follower reads back.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::origin::Origin;
use headcount_core::rejection::Rejection;

/// The content of one entry, by date of the reporting zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content<'a> {
    /// What each date gets.
    pub days: BTreeMap<NaiveDate, Day<'a>>,
    /// What was rejected, in the order of the records.
    pub rejections: Vec<LoggedRejection>,
}

/// What one entry gives to one date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day<'a> {
    /// The events of the date, each with its index in the entry: unique in it, in the order of the records.
    pub events: Vec<(u32, Event<'a>)>,
    /// Occurrences that were dropped because their event had been appended before.
    pub duplicates: u64,
    /// Occurrences that were rejected, on the date of their arrival.
    pub rejected: u64,
}

/// A rejected occurrence as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRejection {
    /// Reasons, payload, count.
    pub rejection: Rejection,
    /// The record it came from, and its place in it.
    pub origin: Origin,
    /// When the record arrived, milliseconds since the epoch.
    pub arrived_ms: i64,
}

impl Content<'_> {
    /// Events of all dates.
    pub fn events(&self) -> usize {
        self.days.values().map(|day| day.events.len()).sum()
    }
}
