//! Days counted from the log, beside what the table has of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::counters::{Compare, Counters, Difference};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_proof::{Position, Proven, Proving, prove};
use headcount_store::traits::AggregatorStore;
use serde::{Deserialize, Serialize};

use crate::calendar_window::late_ms;
use crate::error::AggregateError;
use crate::follow::Care;
use crate::run::Run;
use crate::survey::Survey;

/// Events in these partials, as far as they can be read.
pub(crate) fn events_of(records: &[PartialRecord]) -> u64 {
    let counters = records.iter().filter_map(|record| Counters::decode(&record.counters).ok());
    counters.map(|counters| counters.events).sum()
}

/// A day counted from the log, beside what the table has of it.
pub(crate) struct Computed {
    pub(crate) date: NaiveDate,
    /// When the positions were taken, milliseconds since the epoch.
    pub(crate) taken_ms: i64,
    pub(crate) proven: Proven,
    /// Up to which entry of each source.
    pub(crate) positions: BTreeMap<Source, u64>,
    pub(crate) records: BTreeMap<Source, PartialRecord>,
    checkpoints: BTreeMap<Source, u64>,
}

/// Counts these dates from the log, up to what is followed.
pub(crate) async fn compute<S: AggregatorStore>(
    run: &Run<'_, S>,
    dates: &BTreeSet<NaiveDate>,
    expected: u64,
) -> Result<Vec<Computed>, AggregateError> {
    let inputs = Inputs::take(run, dates).await?;
    let proved = Box::pin(prove(inputs.proving(run, dates, expected))).await?;
    Ok(inputs.computed(proved))
}

/// What a proof compares, and up to where it counts: as the table was when it began.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// When that was, milliseconds since the epoch.
    taken_ms: i64,
    sources: Vec<Position>,
    records: BTreeMap<NaiveDate, Vec<PartialRecord>>,
    checkpoints: BTreeMap<Source, u64>,
}

impl Inputs {
    pub(crate) async fn take<S: AggregatorStore>(
        run: &Run<'_, S>,
        dates: &BTreeSet<NaiveDate>,
    ) -> Result<Self, AggregateError> {
        let taken_ms = run.deps.clock.now_ms();
        // Checkpoints before partials: a follower writes them the other way round, so a partial has all up to its checkpoint.
        let survey = Survey::take(run, Care::Full).await?;
        let (mut sources, mut checkpoints) = (BTreeMap::new(), BTreeMap::new());
        for looked in survey.sources() {
            let (source, newest) = (looked.source.clone(), looked.newest);
            let entry = looked.seen(Follower::Figures).entry;
            checkpoints.insert(source.clone(), entry);
            sources.insert(source.clone(), Position { source, entry, newest });
        }
        let mut records = BTreeMap::new();
        for date in dates {
            let of_date = run.partials(*date).await?;
            for record in &of_date {
                let source = &record.source;
                let unknown = || Position { source: source.clone(), entry: 0, newest: 0 };
                let position: &mut Position = sources.entry(source.clone()).or_insert_with(unknown);
                position.entry = position.entry.max(record.as_of);
            }
            records.insert(*date, of_date);
        }
        Ok(Self { taken_ms, sources: sources.into_values().collect(), records, checkpoints })
    }

    pub(crate) fn proving<'a, S: AggregatorStore>(
        &'a self,
        run: &'a Run<'_, S>,
        dates: &'a BTreeSet<NaiveDate>,
        expected: u64,
    ) -> Proving<'a> {
        let settings = &run.deps.settings;
        Proving {
            log: &run.deps.log,
            zone: run.zone(),
            precision: run.deployment().precision,
            sources: &self.sources,
            dates,
            late_ms: late_ms(settings),
            expected,
            memory: settings.proof_memory,
            at_once: settings.at_once(),
            compute: settings.compute,
            deadline: run.deadline,
        }
    }

    pub(crate) fn computed(mut self, proved: BTreeMap<NaiveDate, Proven>) -> Vec<Computed> {
        let positions: BTreeMap<_, _> =
            self.sources.into_iter().map(|position| (position.source, position.entry)).collect();
        let computed = |(date, proven)| {
            let records = self.records.remove(&date).unwrap_or_default();
            let records = records.into_iter().map(|record| (record.source.clone(), record)).collect();
            Computed {
                date,
                taken_ms: self.taken_ms,
                proven,
                positions: positions.clone(),
                records,
                checkpoints: self.checkpoints.clone(),
            }
        };
        proved.into_iter().map(computed).collect()
    }
}

impl Computed {
    /// What differs between a source's partial and what the log tells. A damaged partial has no counters to compare; one that is still
    /// being written, which its checkpoint tells, is not compared.
    pub(crate) fn differences<S: AggregatorStore>(
        &self,
        run: &Run<'_, S>,
        source: &Source,
    ) -> Result<Vec<Difference>, AggregateError> {
        let new =
            || Partial::new(self.date, source.clone(), run.deployment().precision).map_err(AggregateError::Precision);
        let mut stored = match self.records.get(source).map(Partial::decode) {
            Some(Ok(stored)) => stored,
            Some(Err(_)) => return Ok(Vec::new()),
            None => new()?,
        };
        let mut told = self.proven.partials.get(source).cloned().map_or_else(new, Ok)?;
        if told.as_of > stored.as_of && told.as_of > self.checkpoints.get(source).copied().unwrap_or(0) {
            return Ok(Vec::new());
        }
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
        let is_same = stored.accounts.encode() == told.accounts.encode();
        add("accounts", is_same, stored.accounts.estimate(), told.accounts.estimate());
        Ok(differences)
    }

    /// The sources that have a partial, events or damage of the day.
    pub(crate) fn sources(&self) -> BTreeSet<Source> {
        let Proven { partials, behind, damaged, .. } = &self.proven;
        let damaged = damaged.iter().map(|damaged| &damaged.source);
        partials.keys().chain(behind.keys()).chain(damaged).chain(self.records.keys()).cloned().collect()
    }
}
