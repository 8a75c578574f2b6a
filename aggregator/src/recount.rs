//! A source of a day counted again from its events: what repairs whatever the fence could not know.
//!
//! Events are folded as they are read, so a recount takes memory for its sources, however many their events. Their order
//! decides only which names a map keeps that has too many.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::counters::Counters;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_core::user_sketch::UserSketch;
use headcount_store::error::StoreError;
use headcount_store::retry::retry;
use headcount_store::rows::{EventRow, Put};
use headcount_store::traits::AggregatorStore;
use serde::Serialize;

use crate::calendar_window::{expired_since, rejected_expired};
use crate::compute;
use crate::day::Run;
use crate::error::AggregateError;
use crate::reading::{Fences, is_folded};

/// Times that a recount begins again because its source went on meanwhile. A source busier than that is left as it is: it
/// stays marked, and a later run finds it quieter.
const MAX_RECOUNT_ROUNDS: u32 = 8;

/// A source that was recounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecountedSource {
    /// The source.
    pub source: String,
    /// What the events cannot tell and the damaged partial no longer could: counted from zero again.
    pub lost: Vec<&'static str>,
}

/// What became of the sources that were to be recounted.
#[derive(Debug, Default)]
pub(crate) struct Recount {
    pub(crate) recounted: Vec<RecountedSource>,
    /// Sources that kept going on while they were recounted, or whose events expire.
    pub(crate) waiting: Vec<String>,
}

/// Recounts these sources of the day, all from one reading of its events, and writes each on condition that it is still
/// what was read. `is_due` says of a source read again whether it still needs it.
pub(crate) async fn recount<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    mut sources: Vec<PartialRecord>,
    is_due: impl Fn(&PartialRecord) -> bool + Send,
) -> Result<Recount, AggregateError> {
    let mut outcome = Recount::default();
    if !sources.is_empty() && expired_since(run.zone(), date, run.now_ms).is_some() {
        outcome.waiting = sources.iter().map(|record| record.source.to_string()).collect();
        return Ok(outcome);
    }
    for round in 0..MAX_RECOUNT_ROUNDS {
        if sources.is_empty() {
            return Ok(outcome);
        }
        if round > 0 && !run.deps.jitter.pause_until(round, run.deadline).await {
            break;
        }
        let counted = count_again(run, date, sources).await?;
        sources = Vec::new();
        for source in counted {
            match write(run, date, source).await? {
                Written::Done(recounted) => outcome.recounted.push(recounted),
                Written::Conflict(found) if is_due(&found) => sources.push(*found),
                Written::Conflict(_) => {}
            }
        }
    }
    outcome.waiting = sources.iter().map(|record| record.source.to_string()).collect();
    Ok(outcome)
}

/// A source's partial as its events tell it, ready to be written over version `expected`.
struct Counted {
    record: PartialRecord,
    expected: u64,
    lost: Vec<&'static str>,
}

async fn count_again<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    sources: Vec<PartialRecord>,
) -> Result<Vec<Counted>, AggregateError> {
    let fences: Fences = sources.iter().map(|record| (record.source.clone(), record.last_sequence.clone())).collect();
    let precision = run.deployment.precision;
    let begin = |old: PartialRecord| Ok((old.source.clone(), Counting::begin(old, precision)?));
    let counting: BTreeMap<Source, Counting> = sources.into_iter().map(begin).collect::<Result<_, AggregateError>>()?;
    let zone = run.zone();
    let fold = |counting: &mut BTreeMap<Source, Counting>, row: EventRow<'static>| {
        if is_folded(&fences, &row.origin.source, &row.origin.sequence)
            && let Some(source) = counting.get_mut(&row.origin.source)
        {
            source.partial.fold(&row.event, zone);
        }
    };
    let counting = run.fold_events(date, counting, fold).await?;
    let rejected =
        if rejected_expired(run.zone(), date, run.now_ms) { None } else { Some(run.rejected(date, &fences).await?) };
    let work = move || {
        let end = |(source, counting): (Source, Counting)| {
            counting.end(rejected.as_ref().map(|sums| sums.get(&source).copied().unwrap_or(0)))
        };
        counting.into_iter().map(end).collect()
    };
    compute::run(run.deps.settings.compute, work).await
}

/// A source that is being counted.
struct Counting {
    old: PartialRecord,
    /// What the events say that were read so far.
    partial: Partial,
}

impl Counting {
    fn begin(old: PartialRecord, precision: u8) -> Result<Self, AggregateError> {
        // A day keeps the precision that it began with, as long as anybody can tell.
        let precision = UserSketch::decode(&old.users).map_or(precision, |users| users.precision());
        let partial = Partial::new(old.date, old.source.clone(), precision)
            .map_err(|error| AggregateError::Merge { detail: format!("no user sketch can begin: {error}") })?;
        Ok(Self { old, partial })
    }

    /// `rejected` is none where its items may have expired: then what was counted stays, like the duplicates.
    fn end(self, rejected: Option<u64>) -> Counted {
        let Self { old, mut partial, .. } = self;
        let (duplicates, was_rejected, mut lost) = match Counters::decode(&old.counters) {
            Ok(counters) => (counters.duplicates, counters.rejected, Vec::new()),
            Err(_) => (0, 0, vec!["duplicates"]),
        };
        if rejected.is_none() && !lost.is_empty() {
            lost.push("rejected");
        }
        partial.counters.add_duplicates(duplicates);
        partial.counters.add_rejected(rejected.unwrap_or(was_rejected));
        partial.version = old.version + 1;
        partial.last_sequence = old.last_sequence;
        Counted { record: partial.encode(), expected: old.version, lost }
    }
}

enum Written {
    Done(RecountedSource),
    /// Somebody else wrote meanwhile: this is what is there now.
    Conflict(Box<PartialRecord>),
}

async fn write<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    source: Counted,
) -> Result<Written, AggregateError> {
    let Counted { record, expected, lost } = source;
    let (store, jitter, shards) = (&run.deps.store, &run.deps.jitter, run.shards(date));
    let stamp = run.partial_stamp(date);
    let done = |lost| Written::Done(RecountedSource { source: record.source.to_string(), lost });
    let request = || store.write_partial(&record, shards, expected, stamp);
    if retry(jitter, run.deadline, request).await? == Put::Written {
        return Ok(done(lost));
    }
    let request = || store.read_partial(date, shards, &record.source);
    match retry(jitter, run.deadline, request).await? {
        // An earlier attempt whose outcome was unknown had taken effect.
        Some(found) if found == record => Ok(done(lost)),
        Some(found) => Ok(Written::Conflict(Box::new(found))),
        None => Err(AggregateError::Store(StoreError::Malformed {
            pk: format!("SKETCH#{date}"),
            sk: format!("SOURCE#{}", record.source),
            detail: "it vanished while it was recounted, though no partial is ever deleted".to_owned(),
        })),
    }
}
