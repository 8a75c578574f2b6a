//! Chunks into exact counts of each day, on all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::origin::Source;
use headcount_core::user_sketch::UserSketch;
use headcount_core::validate::Rules;
use headcount_proof::seen::{FirstDays, SeenEvents};
use headcount_proof::tally::Tally;
use parking_lot::Mutex;

use super::chunks::Chunk;
use super::counting::Counting;
use super::input::{Input, Stopped};
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// What is asked of the files.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) rules: Rules,
    pub(crate) zone: Tz,
    /// When all lines arrived.
    pub(crate) arrived_ms: i64,
    pub(crate) threads: usize,
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) days: BTreeMap<NaiveDate, CountedDay>,
    pub(crate) new_users: BTreeMap<NaiveDate, u64>,
    /// Lines with something on them.
    pub(crate) lines: u64,
    pub(crate) events: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicates: u64,
    /// Events that tell no time: they count when they arrived.
    pub(crate) without_time: u64,
    /// Some names of fields of theirs that nobody knows: one of them may be the time.
    pub(crate) unknown_names: BTreeSet<String>,
    /// Events whose `userId` names nobody.
    pub(crate) placeholders: u64,
    /// Properties that were mended or dropped.
    pub(crate) mended: u64,
    /// Ids that came with more than one timestamp.
    pub(crate) ids_with_several_times: u64,
    /// The first rejected lines with their reasons.
    pub(crate) examples: Vec<Example>,
}

/// What was counted of a day.
#[derive(Debug)]
pub(crate) struct CountedDay {
    pub(crate) tally: Tally,
    /// For weeks and months.
    pub(crate) users: UserSketch,
    /// For weeks and months.
    pub(crate) accounts: UserSketch,
}

impl CountedDay {
    fn join(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.users.merge(&other.users);
        self.accounts.merge(&other.accounts);
    }
}

/// A rejected line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Example {
    pub(crate) line: u64,
    /// What a line is.
    pub(crate) unit: &'static str,
    pub(crate) reasons: String,
}

/// Names of unknown fields that are shown.
pub(super) const MAX_UNKNOWN_NAMES: usize = 5;

/// Rejected lines that are shown.
pub(super) const MAX_EXAMPLES: usize = 10;

/// Bytes of an event, about.
const EVENT_BYTES: u64 = 400;

/// What all threads share.
pub(super) struct Shared {
    pub(super) seen: SeenEvents,
    pub(super) first_days: FirstDays,
    pub(super) rules: Rules,
    pub(super) zone: Tz,
    pub(super) arrived_ms: i64,
    pub(super) arrival_date: NaiveDate,
    pub(super) source: Source,
}

/// Reads the files; `None` where it was interrupted.
///
/// Each thread reads a chunk and counts it, again and again: one of them reads while the others count, and what was read is
/// still in the cache of whoever counts it.
pub(crate) fn fold(reading: &Reading, interrupt: &Interrupt) -> Result<Option<Folded>, Failure> {
    let source = Input::new(&reading.files, interrupt)?;
    let shared = Shared {
        seen: SeenEvents::with_room(usize::try_from(source.bytes() / EVENT_BYTES).unwrap_or(usize::MAX)),
        first_days: FirstDays::new(),
        rules: reading.rules.clone(),
        zone: reading.zone,
        arrived_ms: reading.arrived_ms,
        arrival_date: day_of(reading.zone, reading.arrived_ms).unwrap_or_default(),
        source: Source::import(0),
    };
    let source = Mutex::new(source);
    let parts = std::thread::scope(|scope| {
        let (shared, source) = (&shared, &source);
        let work = |thread| scope.spawn(move || work(shared, source, thread));
        let workers: Vec<_> = (0..reading.threads.max(1)).map(work).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    let parts = parts.map_err(|_| Failure::new("a thread that counts has failed", "report this"))?;
    match source.into_inner().stopped() {
        Some(Stopped::Failed(failure)) => return Err(failure),
        Some(Stopped::Interrupted) => return Ok(None),
        None => {}
    }
    let mut folded = parts.into_iter().fold(Folded::default(), join);
    folded.examples.sort();
    folded.examples.truncate(MAX_EXAMPLES);
    folded.new_users = shared.first_days.counts();
    folded.ids_with_several_times = shared.seen.ids_with_several_times();
    Ok(Some(folded))
}

/// Counts chunks until there are no more.
fn work(shared: &Shared, source: &Mutex<Input>, thread: usize) -> Folded {
    let mut counting = Counting::new(shared, thread);
    let mut chunk = Chunk::default();
    loop {
        let is_filled = source.lock().next(&mut chunk);
        if !is_filled {
            return counting.finish();
        }
        counting.count(&chunk);
    }
}

fn join(mut all: Folded, part: Folded) -> Folded {
    for (date, counted) in part.days {
        match all.days.get_mut(&date) {
            Some(there) => there.join(counted),
            None => drop(all.days.insert(date, counted)),
        }
    }
    all.lines += part.lines;
    all.events += part.events;
    all.rejected += part.rejected;
    all.duplicates += part.duplicates;
    all.without_time += part.without_time;
    all.placeholders += part.placeholders;
    all.mended += part.mended;
    all.unknown_names.extend(part.unknown_names);
    all.examples.extend(part.examples);
    all
}

#[cfg(test)]
mod tests;
