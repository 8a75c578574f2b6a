//! A lane of a day counted again from its events: what repairs whatever the fence could not know.
//!
//! The events of the lanes are held in memory while they are put in order, so a recount takes memory in proportion to
//! these lanes' day.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::counters::Counters;
use headcount_core::event::Event;
use headcount_core::origin::{Lane, Origin};
use headcount_core::partial::{Partial, PartialRecord};
use headcount_core::user_sketch::UserSketch;
use headcount_store::error::StoreError;
use headcount_store::retry::retry;
use headcount_store::rows::Put;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;

use crate::calendar_window::{expired_since, rejected_expired};
use crate::compute;
use crate::day::Run;
use crate::error::AggregateError;
use crate::reading::{Fences, is_folded};

/// Times that a recount begins again because its lane went on meanwhile. A lane busier than that is left as it is: it
/// stays marked, and a later run finds it quieter.
const MAX_RECOUNT_ROUNDS: u32 = 8;

/// A lane that was recounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecountedLane {
    /// The lane.
    pub lane: String,
    /// What the events cannot tell and the damaged partial no longer could: counted from zero again.
    pub lost: Vec<&'static str>,
}

/// What became of the lanes that were to be recounted.
#[derive(Debug, Default)]
pub(crate) struct Recount {
    pub(crate) recounted: Vec<RecountedLane>,
    /// Lanes that kept going on while they were recounted, or whose events expire.
    pub(crate) waiting: Vec<String>,
}

/// Recounts these lanes of the day, all from one reading of its events, and writes each on condition that it is still
/// what was read. `is_due` says of a lane read again whether it still needs it.
pub(crate) async fn recount<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    mut lanes: Vec<PartialRecord>,
    is_due: impl Fn(&PartialRecord) -> bool + Send,
) -> Result<Recount, AggregateError> {
    let mut outcome = Recount::default();
    if !lanes.is_empty() && expired_since(run.zone(), date, run.now_ms).is_some() {
        outcome.waiting = lanes.iter().map(|record| record.lane.to_string()).collect();
        return Ok(outcome);
    }
    for round in 0..MAX_RECOUNT_ROUNDS {
        if lanes.is_empty() {
            return Ok(outcome);
        }
        if round > 0 && !run.deps.jitter.pause_until(round, run.deadline).await {
            break;
        }
        let counted = count_again(run, date, lanes).await?;
        lanes = Vec::new();
        for lane in counted {
            match write(run, date, lane).await? {
                Written::Done(recounted) => outcome.recounted.push(recounted),
                Written::Conflict(found) if is_due(&found) => lanes.push(*found),
                Written::Conflict(_) => {}
            }
        }
    }
    outcome.waiting = lanes.iter().map(|record| record.lane.to_string()).collect();
    Ok(outcome)
}

/// A lane's partial as its events tell it, ready to be written over version `expected`.
struct Counted {
    record: PartialRecord,
    expected: u64,
    lost: Vec<&'static str>,
}

async fn count_again<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    lanes: Vec<PartialRecord>,
) -> Result<Vec<Counted>, AggregateError> {
    let fences = lanes.iter().map(|record| (record.lane.clone(), record.last_sequence.clone())).collect();
    let mut events = events_of(run, date, &fences).await?;
    let rejected =
        if rejected_expired(run.zone(), date, run.now_ms) { None } else { Some(run.rejected(date, &fences).await?) };
    let (zone, precision) = (run.zone(), run.deployment.precision);
    let work = move || {
        let count = |old: PartialRecord| {
            let events = events.remove(&old.lane).unwrap_or_default();
            let rejected = rejected.as_ref().map(|sums| sums.get(&old.lane).copied().unwrap_or(0));
            count_lane(&old, events, rejected, zone, precision)
        };
        lanes.into_iter().map(count).collect::<Result<Vec<_>, _>>()
    };
    compute::run(run.deps.settings.compute, work).await?
}

/// The events of these lanes at or before their fences.
async fn events_of<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    fences: &Fences,
) -> Result<BTreeMap<Lane, Vec<(Origin, Event<'static>)>>, AggregateError> {
    let spans = run
        .fold_events(date, |kept: &mut Vec<(Origin, Event<'static>)>, row| {
            if is_folded(fences, &row.origin.lane, &row.origin.sequence) {
                kept.push((row.origin, row.event));
            }
        })
        .await?;
    let mut lanes: BTreeMap<Lane, Vec<_>> = BTreeMap::new();
    for (origin, event) in spans.into_iter().flatten() {
        lanes.entry(origin.lane.clone()).or_default().push((origin, event));
    }
    Ok(lanes)
}

/// Each lane's counters as its events at or before the fence tell them, in the order of their origins, which decides
/// what of the capped maps goes to the rest.
pub(crate) async fn counters_in_order<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    fences: &Fences,
) -> Result<BTreeMap<Lane, Counters>, AggregateError> {
    let lanes = events_of(run, date, fences).await?;
    let zone = run.zone();
    compute::run(run.deps.settings.compute, move || {
        let count = |(lane, events)| {
            let mut counters = Counters::default();
            for (_, event) in in_order(events) {
                counters.add(&event, zone);
            }
            (lane, counters)
        };
        lanes.into_iter().map(count).collect()
    })
    .await
}

fn in_order(mut events: Vec<(Origin, Event<'static>)>) -> Vec<(Origin, Event<'static>)> {
    events.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    events
}

/// `rejected` is none where its items may have expired: then what was counted stays, like the duplicates.
fn count_lane(
    old: &PartialRecord,
    events: Vec<(Origin, Event<'static>)>,
    rejected: Option<u64>,
    zone: Tz,
    precision: u8,
) -> Result<Counted, AggregateError> {
    let (duplicates, was_rejected, mut lost) = match Counters::decode(&old.counters) {
        Ok(counters) => (counters.duplicates, counters.rejected, Vec::new()),
        Err(_) => (0, 0, vec!["duplicates"]),
    };
    if rejected.is_none() && !lost.is_empty() {
        lost.push("rejected");
    }
    // A day keeps the precision that it began with, as long as anybody can tell.
    let precision = UserSketch::decode(&old.users).map_or(precision, |users| users.precision());
    let bad_precision = |error| AggregateError::Merge { detail: format!("no user sketch can begin: {error}") };
    let mut partial = Partial::new(old.date, old.lane.clone(), precision).map_err(bad_precision)?;
    for (_, event) in in_order(events) {
        partial.fold(&event, zone);
    }
    partial.counters.add_duplicates(duplicates);
    partial.counters.add_rejected(rejected.unwrap_or(was_rejected));
    partial.version = old.version + 1;
    partial.last_sequence.clone_from(&old.last_sequence);
    Ok(Counted { record: partial.encode(), expected: old.version, lost })
}

enum Written {
    Done(RecountedLane),
    /// Somebody else wrote meanwhile: this is what is there now.
    Conflict(Box<PartialRecord>),
}

async fn write<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    lane: Counted,
) -> Result<Written, AggregateError> {
    let Counted { record, expected, lost } = lane;
    let (store, jitter, shards) = (&run.deps.store, &run.deps.jitter, run.shards(date));
    let stamp = run.partial_stamp(date);
    let done = |lost| Written::Done(RecountedLane { lane: record.lane.to_string(), lost });
    let request = || store.write_partial(&record, shards, expected, stamp);
    if retry(jitter, run.deadline, request).await? == Put::Written {
        return Ok(done(lost));
    }
    let request = || store.read_partial(date, shards, &record.lane);
    match retry(jitter, run.deadline, request).await? {
        // An earlier attempt whose outcome was unknown had taken effect.
        Some(found) if found == record => Ok(done(lost)),
        Some(found) => Ok(Written::Conflict(Box::new(found))),
        None => Err(AggregateError::Store(StoreError::Malformed {
            pk: format!("SKETCH#{date}"),
            sk: format!("LANE#{}", record.lane),
            detail: "it vanished while it was recounted, though no partial is ever deleted".to_owned(),
        })),
    }
}
