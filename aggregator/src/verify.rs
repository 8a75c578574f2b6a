//! Verification of a day: each source's partial, and the stored proof, against what the log says now.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_core::counters::Difference;
use headcount_core::exact::Proof;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_proof::Proven;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::count::{Computed, compute, events_of};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::DamagedEntry;
use crate::history::check_complete;
use crate::run::Run;

/// What a comparison of a day with the log found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The date.
    pub date: NaiveDate,
    /// Every source that has a partial or entries of the day, or damaged entries that may be of it.
    pub sources: Vec<SourceVerification>,
    /// Events that are in the log more than once, by id and timestamp: a producer sent them again, and the memory of the consumer
    /// missed them. Live figures count them again, proven ones do not.
    pub repeated: u64,
    /// The proof that is stored.
    pub proof: StoredProof,
}

/// A stored proof, compared with what the log says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StoredProof {
    /// There is none yet.
    None,
    /// Entries with events of the day were appended since, so it cannot be compared.
    Earlier,
    /// The log says the same.
    Same,
    /// The log says something else.
    Differs,
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
    /// Whether every partial, and the stored proof, is what the log says, and all of the log can be read.
    pub fn passed(&self) -> bool {
        self.proof != StoredProof::Differs && self.sources.iter().all(SourceVerification::passed)
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
}

/// Counts `date` anew from the log and compares what it says with each source's partial, at the entry that the partial was folded up
/// to, and with the proof that is stored. Nothing is written. Consumers and followers may go on meanwhile.
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
    let stored = deps.log.proof(date, deadline).await?;
    let expected = events_of(&run.partials(date).await?);
    let computed = Box::pin(compute(&run, &BTreeSet::from([date]), expected)).await?.pop();
    let computed = computed.expect("the date that was asked for is computed");
    let sources: Result<_, _> =
        computed.sources().iter().map(|source| verify_source(&run, &computed, source)).collect();
    let proof = StoredProof::of(stored.as_ref(), &computed);
    Ok(Verification { date, sources: sources?, repeated: computed.proven.repeated, proof })
}

fn verify_source<S: AggregatorStore>(
    run: &Run<'_, S>,
    computed: &Computed,
    source: &Source,
) -> Result<SourceVerification, AggregateError> {
    let Proven { partials, behind, damaged, .. } = &computed.proven;
    let damage = computed.records.get(source).and_then(|record| Partial::decode(record).err());
    let damaged = damaged.iter().filter(|damaged| damaged.source == *source);
    Ok(SourceVerification {
        source: source.to_string(),
        as_of: computed.positions.get(source).copied().unwrap_or(0),
        events: partials.get(source).map_or(0, |told| told.counters.events),
        in_flight: behind.get(source).copied().unwrap_or(0),
        damaged: damage.map(|damage| damage.to_string()),
        damaged_entries: damaged
            .map(|damaged| DamagedEntry { entry: damaged.entry, detail: damaged.detail.clone() })
            .collect(),
        differences: computed.differences(run, source)?,
    })
}

impl StoredProof {
    fn of(stored: Option<&Proof>, computed: &Computed) -> Self {
        let proven = &computed.proven;
        let Some(stored) = stored else { return Self::None };
        // Of sources that have something of the day; others may have gone on since.
        let is_at = |source: &Source| {
            let (then, now) = (stored.sources.get(source), proven.partials.get(source));
            then.and_then(|then| then.raw.as_ref()) == now.map(|now| &now.counters)
        };
        if !computed.positions.keys().chain(stored.sources.keys()).all(is_at) {
            return Self::Earlier;
        }
        let is_same = stored.proven.figures == proven.figures && stored.proven.damaged == proven.damaged;
        if is_same { Self::Same } else { Self::Differs }
    }
}
