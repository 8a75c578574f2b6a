//! How far the table is behind the log, source by source.

use chrono::NaiveDate;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_log::error::EntryError;
use headcount_runtime::telemetry;
use serde::{Deserialize, Serialize};

use super::{Done, is_passing};
use crate::survey::{Looked, Seen};

/// How far the table is behind the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// The sources that were looked at, in order.
    pub sources: Vec<SourceFollowing>,
    /// Why nobody knows how far the table is behind.
    pub error: Option<String>,
}

/// How far the table is behind one source's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFollowing {
    /// The source.
    pub source: String,
    /// The number of its newest entry.
    pub newest: u64,
    /// The follower of figures.
    pub figures: Position,
    /// The follower of items.
    pub items: Position,
    /// Entries that could not be read and are in no figure, as far as this run met them.
    pub damaged: Vec<DamagedEntry>,
    /// Dates whose damaged partials were folded anew from the log.
    pub refolded: Vec<NaiveDate>,
    /// Why a follower stopped.
    pub error: Option<String>,
    /// When the oldest entry that is in no figure was appended, milliseconds since the epoch.
    #[serde(skip)]
    pub(crate) oldest_ms: Option<i64>,
}

/// How far one follower is, at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The last entry that is followed; 0 before the first.
    pub entry: u64,
    /// Entries behind it.
    pub entries_behind: u64,
    /// How long ago the oldest of them was appended, milliseconds.
    pub millis_behind: u64,
}

/// An entry that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedEntry {
    /// Its number.
    pub entry: u64,
    /// What is wrong with it.
    pub detail: String,
}

impl DamagedEntry {
    pub(crate) fn new(entry: u64, damage: &EntryError) -> Self {
        Self { entry, detail: damage.to_string() }
    }
}

impl Position {
    fn of(seen: Seen, now_ms: i64) -> Self {
        let behind_ms = seen.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
        Self { entry: seen.entry, entries_behind: seen.entries, millis_behind: u64::try_from(behind_ms).unwrap_or(0) }
    }
}

impl SourceFollowing {
    pub(super) fn of(looked: &Looked, now_ms: i64) -> Self {
        let figures = looked.seen(Follower::Figures);
        Self {
            source: looked.source.to_string(),
            newest: looked.newest,
            figures: Position::of(figures, now_ms),
            items: Position::of(looked.seen(Follower::Items), now_ms),
            damaged: Vec::new(),
            refolded: Vec::new(),
            error: None,
            oldest_ms: figures.oldest_ms,
        }
    }

    /// Whether entries wait to be in the figures.
    pub fn is_behind(&self) -> bool {
        self.figures.entries_behind > 0
    }
}

impl Following {
    /// The sources with entries that are in no figure yet.
    pub fn behind(&self) -> impl Iterator<Item = &SourceFollowing> {
        self.sources.iter().filter(|source| source.is_behind())
    }

    /// Whether every source was followed to its end, as far as it can be read.
    pub(crate) fn is_complete(&self) -> bool {
        let is_complete = |source: &SourceFollowing| source.error.is_none() && !source.is_behind();
        self.error.is_none() && self.sources.iter().all(is_complete)
    }

    /// Everything appended before this time, milliseconds since the epoch, is in the figures.
    pub(crate) fn figures_are_as_of(&self, now_ms: i64) -> i64 {
        let followed_ms = self.sources.iter().filter_map(|source| source.oldest_ms).fold(now_ms, i64::min);
        if self.error.is_none() { followed_ms } else { i64::MIN }
    }

    pub(super) fn add(&mut self, done: Done) {
        let name = done.source.as_str();
        let Some(source) = self.sources.iter_mut().find(|source| source.source == name) else { return };
        source.refolded.extend(done.refolded);
        match done.followed {
            Ok(followed) => {
                for (entry, damage) in &followed.damaged {
                    let damaged = DamagedEntry::new(*entry, damage);
                    if !source.damaged.contains(&damaged) {
                        source.damaged.push(damaged);
                    }
                }
            }
            Err(error) => {
                metrics::counter!(telemetry::FAILED_FOLLOWS).increment(1);
                if is_passing(&error) {
                    tracing::warn!(source = name, %error, "a follower stopped; the next run goes on from where it was");
                } else {
                    tracing::error!(source = name, %error, "a follower stopped");
                }
                source.error.get_or_insert(error.to_string());
            }
        }
    }

    pub(super) fn fail(&mut self, source: &Source, error: &dyn std::fmt::Display) {
        let found = self.sources.iter_mut().find(|found| found.source == source.as_str());
        if let Some(found) = found {
            found.error.get_or_insert(error.to_string());
        }
    }

    pub(super) fn log(&self) {
        for source in self.sources.iter().filter(|source| source.is_behind() || source.items.entries_behind > 0) {
            let SourceFollowing { source: name, newest, figures, items, .. } = source;
            tracing::warn!(
                source = name,
                newest,
                figures = figures.entry,
                figures_millis_behind = figures.millis_behind,
                items = items.entry,
                items_millis_behind = items.millis_behind,
                "entries of the log are not followed yet"
            );
        }
    }

    pub(super) fn measure(&self) {
        let largest = |of: fn(&SourceFollowing) -> u64| self.sources.iter().map(of).max().unwrap_or(0) as f64;
        metrics::histogram!(telemetry::FIGURES_LAG).record(largest(|source| source.figures.millis_behind));
        metrics::histogram!(telemetry::ITEMS_LAG).record(largest(|source| source.items.millis_behind));
    }
}
