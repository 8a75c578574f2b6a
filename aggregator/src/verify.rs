//! Proof of a day's counters: each source's counters against its events at or before the fence.

mod tally;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::counters::{Compare, Difference};
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{expired_since, rejected_expired};
use crate::day::Run;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::reading::Fences;
pub(crate) use crate::verify::tally::DayTally;
use crate::verify::tally::SourceTally;

/// Times that a day is read again because a source that differs was written meanwhile.
const MAX_VERIFY_ROUNDS: u32 = 3;

/// What a comparison of a day with its events found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The date.
    pub date: NaiveDate,
    /// Every source that has a partial or events.
    pub sources: Vec<SourceVerification>,
    /// Counters that events cannot tell, and that were therefore not compared.
    pub excluded: Vec<&'static str>,
}

/// What a comparison of one source with its events found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceVerification {
    /// The source.
    pub source: String,
    /// The last record that was folded; none where no partial is there yet.
    pub fence: Option<String>,
    /// Stored events at or before the fence.
    pub events: u64,
    /// Stored events after the fence: they will be counted when their records are folded.
    pub in_flight: u64,
    /// Whether events were stored behind the fence, so that a recount is due: until then the source may differ.
    pub dirty: bool,
    /// Which part of the partial is damaged, if one is.
    pub damaged: Option<String>,
    /// Every counter that is not what the events say.
    pub differences: Vec<Difference>,
}

impl Verification {
    /// Whether every counter of every source is what the events say.
    pub fn passed(&self) -> bool {
        self.sources.iter().all(SourceVerification::passed)
    }

    /// Stored events at or before their source's fence.
    pub fn events(&self) -> u64 {
        self.sources.iter().map(|source| source.events).sum()
    }

    /// Stored events that are not folded yet.
    pub fn in_flight(&self) -> u64 {
        self.sources.iter().map(|source| source.in_flight).sum()
    }

    /// Whether a source waits to be recounted, which the next roll-up does.
    pub fn is_recount_due(&self) -> bool {
        self.sources.iter().any(|source| source.dirty)
    }
}

impl SourceVerification {
    /// Whether every counter of the source is what the events say.
    pub fn passed(&self) -> bool {
        self.damaged.is_none() && self.differences.is_empty()
    }
}

/// Compares each source's counters of `date` with its stored events at or before its fence.
///
/// `duplicates` are no events, and are excluded; so is `rejected` once its items may have expired. A source that waits to
/// be recounted is compared as it is: roll up first.
///
/// # Errors
///
/// [`AggregateError`] where the table cannot be read in time, or where the day's events may have expired.
pub async fn verify<S: AggregatorStore>(
    deps: &Deps<S>,
    date: NaiveDate,
    deadline: Instant,
) -> Result<Verification, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    Ok(Box::pin(verify_day(&run, date)).await?.0)
}

/// The same within a run, with what else one reading of the events tells.
pub(crate) async fn verify_day<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
) -> Result<(Verification, DayTally), AggregateError> {
    if let Some(expiry) = expired_since(run.zone(), date, run.now_ms) {
        return Err(AggregateError::Expired { date, expiry });
    }
    let mut records = run.partials(date).await?;
    let mut round = 1;
    loop {
        let (verification, tally) = compare(run, date, &records).await?;
        if verification.passed() || round == MAX_VERIFY_ROUNDS {
            return Ok((verification, tally));
        }
        // A recount, or a redelivery behind the fence, may have come between the two readings.
        let now = run.partials(date).await?;
        if !differs_in_a_changed_source(&verification, &records, &now) {
            return Ok((verification, tally));
        }
        (records, round) = (now, round + 1);
    }
}

fn differs_in_a_changed_source(found: &Verification, before: &[PartialRecord], now: &[PartialRecord]) -> bool {
    let version = |records: &[PartialRecord], source: &str| {
        records.iter().find(|record| record.source.as_str() == source).map(|record| record.version)
    };
    let mut differing = found.sources.iter().filter(|source| !source.passed());
    differing.any(|source| version(before, &source.source) != version(now, &source.source))
}

async fn compare<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    records: &[PartialRecord],
) -> Result<(Verification, DayTally), AggregateError> {
    let fences: Fences = records.iter().map(|record| (record.source.clone(), record.last_sequence.clone())).collect();
    let zone = run.zone();
    let mut tally = run.fold_events(date, DayTally::default(), |tally, row| tally.add(&row, &fences, zone)).await?;

    let compare = Compare { duplicates: false, rejected: !rejected_expired(zone, date, run.now_ms) };
    if compare.rejected {
        for (source, count) in run.rejected(date, &fences).await? {
            tally.sources.entry(source).or_default().counters.add_rejected(count);
        }
    }
    let mut sources: BTreeMap<Source, SourceVerification> = BTreeMap::new();
    for record in records {
        let counted = tally.sources.get(&record.source).cloned().unwrap_or_default();
        sources.insert(record.source.clone(), compare_source(record, &counted, compare));
    }
    for (source, counted) in &tally.sources {
        sources.entry(source.clone()).or_insert_with(|| without_partial(source, counted));
    }
    let excluded = [("duplicates", true), ("rejected", !compare.rejected)];
    let excluded = excluded.into_iter().filter_map(|(name, out)| out.then_some(name)).collect();
    Ok((Verification { date, sources: sources.into_values().collect(), excluded }, tally))
}

fn compare_source(record: &PartialRecord, counted: &SourceTally, compare: Compare) -> SourceVerification {
    let mut source = without_partial(&record.source, counted);
    source.fence = record.last_sequence.as_ref().map(ToString::to_string);
    source.dirty = record.dirty;
    match Partial::decode(record) {
        Ok(partial) => source.differences = partial.counters.difference(&counted.counters, compare),
        Err(damaged) => source.damaged = Some(damaged.to_string()),
    }
    source
}

fn without_partial(source: &Source, counted: &SourceTally) -> SourceVerification {
    SourceVerification {
        source: source.to_string(),
        fence: None,
        events: counted.events,
        in_flight: counted.in_flight,
        dirty: false,
        damaged: None,
        differences: Vec::new(),
    }
}
