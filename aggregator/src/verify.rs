//! Proof of a day's counters: each source's partial against its entries of the log.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasherDefault;

use chrono::NaiveDate;
use headcount_core::counters::{Compare, Counters, Difference};
use headcount_core::event::Event;
use headcount_core::hash::{PassedThrough, hash128};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_follow::figures::fold_day;
use headcount_log::error::EntryError;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, DamagedEntry};
use crate::history::check_complete;
use crate::rebuild::replay;
use crate::replay::Replayed;
use crate::run::Run;
use crate::survey::Survey;

/// Different events of a day that are told apart (about 30 bytes each: 600 MB).
pub const MAX_TOLD_APART: usize = 20_000_000;

/// What a comparison of a day with the log found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The date.
    pub date: NaiveDate,
    /// Every source that has a partial or entries of the day, or damaged entries that may be of it.
    pub sources: Vec<SourceVerification>,
    /// Events that are in the log more than once, by id and timestamp, and therefore more than once in the figures: a
    /// producer sent them again, and the memory of the consumer missed them. `None` where the day has more than
    /// [`MAX_TOLD_APART`] different events.
    pub repeated: Option<u64>,
}

/// What a comparison of one source with its log found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceVerification {
    /// The source.
    pub source: String,
    /// The last entry whose events are in the figures.
    pub as_of: u64,
    /// Events of the day in the entries up to that one.
    pub events: u64,
    /// Events of the day in entries that are not followed yet: they will be counted.
    pub in_flight: u64,
    /// Which part of the partial is damaged, if one is.
    pub damaged: Option<String>,
    /// Entries that are missing or cannot be read, and may have events of the day.
    pub damaged_entries: Vec<DamagedEntry>,
    /// Every counter, and `users` and `sessions`, that is not what the log says.
    pub differences: Vec<Difference>,
}

impl Verification {
    /// Whether every partial is what the log says, and all of the log can be read.
    pub fn passed(&self) -> bool {
        self.sources.iter().all(SourceVerification::passed)
    }

    /// Events in entries that are followed.
    pub fn events(&self) -> u64 {
        self.sources.iter().map(|source| source.events).sum()
    }

    /// Events in entries that are not followed yet.
    pub fn in_flight(&self) -> u64 {
        self.sources.iter().map(|source| source.in_flight).sum()
    }
}

impl SourceVerification {
    /// Whether the partial is what the log says, and all of the log can be read.
    pub fn passed(&self) -> bool {
        self.damaged.is_none() && self.damaged_entries.is_empty() && self.differences.is_empty()
    }

    fn is_of_the_day(&self) -> bool {
        self.events > 0 || self.in_flight > 0 || !self.passed()
    }
}

/// Replays the log for `date` and compares what it says with each source's partial, at the entry that the partial was folded
/// up to. Consumers and followers may go on meanwhile.
///
/// # Errors
///
/// [`AggregateError`] where log or table cannot be read in time, or where entries of the day may have expired.
pub async fn verify<S: AggregatorStore>(
    deps: &Deps<S>,
    date: NaiveDate,
    deadline: Instant,
) -> Result<Verification, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    check_complete(&run, date).await?;
    // Checkpoints before partials: a follower writes them the other way round, so a partial has all up to its checkpoint.
    let survey = Survey::take(&run, Care::Full).await?;
    let mut records: BTreeMap<Source, PartialRecord> =
        run.partials(date).await?.into_iter().map(|record| (record.source.clone(), record)).collect();
    let (mut sources, mut once) = (Vec::new(), Once::default());
    // In order, so that of equal events the one of the smallest source counts.
    let mut looked: Vec<_> = survey.sources().collect();
    looked.sort_by(|a, b| a.source.cmp(&b.source));
    for looked in looked {
        let record = records.remove(&looked.source);
        let followed = looked.seen(Follower::Figures).entry.max(record.as_ref().map_or(0, |record| record.as_of));
        let found = verify_source(&run, date, &looked.source, looked.newest, followed, record, &mut once).await?;
        sources.extend(Some(found).filter(SourceVerification::is_of_the_day));
    }
    // The log has nothing of these sources at all.
    for (source, record) in records {
        let followed = record.as_of;
        sources.push(verify_source(&run, date, &source, 0, followed, Some(record), &mut once).await?);
    }
    sources.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(Verification { date, sources, repeated: once.repeated() })
}

async fn verify_source<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    source: &Source,
    newest: u64,
    followed: u64,
    record: Option<PartialRecord>,
    once: &mut Once,
) -> Result<SourceVerification, AggregateError> {
    let new = || Partial::new(date, source.clone(), run.deployment().precision).map_err(AggregateError::Precision);
    let (mut partial, dates, zone) = (new()?, BTreeSet::from([date]), run.zone());
    let (mut in_flight, mut damaged_entries) = (0, Vec::new());
    let mut add = |read: Replayed| -> Result<(), EntryError> {
        let is_followed = read.entry <= followed;
        for lines in &read.days? {
            if !is_followed {
                in_flight += lines.events();
                continue;
            }
            let day = lines.day()?;
            day.events.iter().for_each(|(_, event)| once.add(event));
            fold_day(&mut partial, read.entry, &day, zone);
        }
        Ok(())
    };
    if let Some(replay) = replay(run, source, newest, &dates) {
        let visit = |read: Replayed| {
            let entry = read.entry;
            if let Err(damage) = add(read) {
                damaged_entries.push(DamagedEntry::new(entry, &damage));
            }
        };
        replay.walk(followed, visit).await?;
    }
    let events = partial.counters.events;
    let (damaged, differences) = match record {
        Some(record) => match Partial::decode(&record) {
            Ok(stored) => (None, differences(stored, partial)),
            Err(damage) => (Some(damage.to_string()), Vec::new()),
        },
        None => (None, differences(new()?, partial)),
    };
    let source = source.to_string();
    Ok(SourceVerification { source, as_of: followed, events, in_flight, damaged, damaged_entries, differences })
}

/// What differs between a stored partial and the one that the log tells.
fn differences(mut stored: Partial, mut told: Partial) -> Vec<Difference> {
    let compare = Compare { duplicates: true, rejected: true };
    let mut differences = Counters::difference(&stored.counters, &told.counters, compare);
    let mut add = |counter: &str, is_same: bool, stored: f64, recounted: f64| {
        if !is_same {
            let (stored, recounted) = (stored.round() as u64, recounted.round() as u64);
            differences.push(Difference { counter: counter.to_owned(), stored, recounted });
        }
    };
    let is_same = stored.users.encode() == told.users.encode();
    add("users", is_same, stored.users.estimate(), told.users.estimate());
    let is_same = stored.sessions.encode() == told.sessions.encode();
    add("sessions", is_same, stored.sessions.sessions(), told.sessions.sessions());
    differences
}

/// Tells events that come more than once.
#[derive(Debug, Default)]
struct Once {
    seen: HashSet<u128, BuildHasherDefault<PassedThrough>>,
    repeated: u64,
    is_full: bool,
}

impl Once {
    /// Events are equal by id and timestamp, of which 128 bits of the hash are kept: no two are alike by chance.
    fn add(&mut self, event: &Event<'_>) {
        let mut identity = event.timestamp_ms.to_le_bytes().to_vec();
        identity.extend_from_slice(event.id.as_bytes());
        if self.seen.len() >= MAX_TOLD_APART {
            self.is_full = true;
        } else if !self.seen.insert(hash128(&identity)) {
            self.repeated += 1;
        }
    }

    fn repeated(&self) -> Option<u64> {
        (!self.is_full).then_some(self.repeated)
    }
}
