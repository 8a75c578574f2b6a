//! What followers work with, and what they tell of their work.

use headcount_core::deployment::{Deployment, TableId};
use headcount_log::Log;
use headcount_log::error::EntryError;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;

/// The log, the table, and what they belong to.
#[derive(Debug)]
pub struct Setup<'a, S> {
    /// The log.
    pub log: &'a Log,
    /// The table.
    pub store: &'a S,
    /// What table and log belong to.
    pub table: &'a Table,
    /// The wall clock.
    pub clock: &'a Clock,
    /// Pauses between attempts.
    pub jitter: &'a Jitter,
}

impl<S> Clone for Setup<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Setup<'_, S> {}

/// The deployment, and the number of the table that follows its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The deployment.
    pub deployment: Deployment,
    /// The table's number.
    pub id: TableId,
}

/// What one run of a follower did to one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The last entry that was followed, by this run or before; 0 before the first.
    pub entry: u64,
    /// Entries that this run followed.
    pub entries: u64,
    /// Partials, or batches of items, that were written.
    pub writes: u64,
    /// Whether entries wait behind the last one.
    pub is_behind: bool,
    /// Entries that could not be read, and were passed over.
    pub damaged: Vec<(u64, EntryError)>,
    /// Items that the table refuses whatever is tried; each is kept as a rejected item.
    pub refused: u64,
}
