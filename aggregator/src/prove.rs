//! Proofs of days: computed from the log, compared with the partials, stored beside the log and in the table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::calendar::{days_before, hour_of};
use headcount_core::counters::{Compare, Counters, Difference};
use headcount_core::exact::{Proof, ProvenDay, ProvenFigures, ProvenSource};
use headcount_core::keys::Follower;
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_follow::days::expiry_s;
use headcount_log::Append;
use headcount_proof::{Position, Proven, Proving, ids_at_once, prove};
use headcount_runtime::retry::retry;
use headcount_runtime::telemetry;
use headcount_store::rows::ProvenSourceRow;
use headcount_store::traits::{AggregatorStore, MAX_BATCH_WRITES};
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{MAX_DATES, Scope, is_final, late_ms, today};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, follow};
use crate::history::check_complete;
use crate::roll_up::{RollUp, roll_up_in};
use crate::run::Run;
use crate::survey::Survey;

/// Times that a proof is stored again because another one took its number.
const MAX_ROUNDS: u32 = 5;

/// Which days are proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// These, whatever is stored of them.
    Dates(Vec<NaiveDate>),
    /// Today and yesterday, where something was counted since their proof, as long as they have no more events together than
    /// [`crate::Settings::proof_budget`].
    WithinBudget,
    /// Every day that may take events where something was counted since its proof.
    AllOpen,
    /// As [`Self::WithinBudget`], but a day again only once its events have grown by a tenth since its proof: each proof reads the
    /// whole day, and S3 charges for each read.
    Hourly,
    /// As [`Self::AllOpen`], but of days before yesterday those with more events than the budget only once they take no more: until
    /// then, what comes late is added to their proof.
    Nightly,
}

/// The hour of the reporting zone's clock in which all open days are proven. No zone's clock skips it, as many skip the second or third
/// hour when summer time begins.
const NIGHTLY_HOUR: usize = 4;

/// The part of a day's events by which it must have grown for another hourly proof.
pub const GROWN: u64 = 10;

/// Passes over the log that a scheduled proof of one day may take: more may not end within the 15 minutes of a Lambda function.
pub const MAX_SCHEDULED_PASSES: u64 = 2;

impl Asked {
    /// What a schedule that comes every hour asks for.
    pub fn scheduled<S>(deps: &Deps<S>) -> Self {
        let zone = deps.settings.zone.unwrap_or(chrono_tz::UTC);
        if hour_of(zone, deps.clock.now_ms()) == NIGHTLY_HOUR { Self::Nightly } else { Self::Hourly }
    }

    fn dates<S: AggregatorStore>(&self, run: &Run<'_, S>) -> BTreeSet<NaiveDate> {
        match self {
            Self::Dates(dates) => dates.iter().copied().collect(),
            Self::WithinBudget | Self::Hourly => {
                let today = today(run.zone(), run.now_ms);
                BTreeSet::from([days_before(today, 1), today])
            }
            Self::AllOpen | Self::Nightly => Scope::new(None, run.zone(), &run.deps.settings, run.now_ms).all,
        }
    }

    /// Whether a day that changed since its proof waits for a later run.
    fn is_put_off<S: AggregatorStore>(
        &self,
        run: &Run<'_, S>,
        date: NaiveDate,
        events: u64,
        proof: Option<&ProvenDay>,
    ) -> bool {
        let settings = &run.deps.settings;
        match self {
            Self::Dates(_) | Self::WithinBudget | Self::AllOpen => false,
            Self::Hourly => {
                let proven = proof.map(|proof| proof.proven.figures.counters.events);
                proven.is_some_and(|proven| events < proven.saturating_add(proven.div_ceil(GROWN)))
            }
            Self::Nightly => {
                let is_recent = date >= days_before(today(run.zone(), run.now_ms), 1);
                !is_recent && events > settings.proof_budget && !is_final(run.zone(), date, settings, run.now_ms)
            }
        }
    }
}

/// What became of a run of proofs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofRun {
    /// The days that were looked at, in order.
    pub days: Vec<ProvenDate>,
    /// The aggregation of the days that were proven, and of those that follow them.
    pub roll_up: Option<RollUp>,
}

/// What became of the proof of one day.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenDate {
    /// The date.
    pub date: NaiveDate,
    /// The number of the proof that is stored now; none where nothing is.
    pub number: Option<u64>,
    /// Exact events.
    pub events: u64,
    /// Occurrences that counted as duplicates.
    pub duplicates: u64,
    /// What differs between partials and log, by source.
    pub differences: BTreeMap<Source, Vec<Difference>>,
    /// Entries that could not be read: the proof has not the whole day, and its figures stay live.
    pub damaged: usize,
    /// Why the day was not proven.
    pub error: Option<String>,
}

impl ProofRun {
    /// Whether every day was proven, nothing differs and all of the log could be read.
    pub fn is_clean(&self) -> bool {
        let is_clean = |day: &ProvenDate| day.error.is_none() && day.differences.is_empty() && day.damaged == 0;
        self.days.iter().all(is_clean) && self.roll_up.iter().all(|roll_up| roll_up.failed().next().is_none())
    }
}

/// Follows what is behind, proves the days, stores the proofs and rolls the proven days up. Running it twice, or twice at once, is
/// harmless: a proof of larger positions is never replaced by one of smaller ones.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin or the log cannot be read. What fails of one day is in its own report.
pub async fn prove_days<S: AggregatorStore>(
    deps: &Deps<S>,
    asked: &Asked,
    deadline: Instant,
) -> Result<ProofRun, AggregateError> {
    let run = match Box::pin(Run::begin(deps, deadline)).await {
        Err(AggregateError::NoDeployment) if !matches!(asked, Asked::Dates(_)) => {
            return Ok(ProofRun { days: Vec::new(), roll_up: None });
        }
        begun => begun?,
    };
    if *asked == Asked::Nightly {
        metrics::counter!(telemetry::NIGHTLY_PROOFS).increment(1);
    }
    let now = Instant::now();
    let following = Box::pin(follow(&run, Care::Full, now + deadline.saturating_duration_since(now) / 2)).await?;
    let mut days = Vec::new();
    for batch in Box::pin(choose(&run, asked)).await? {
        days.extend(Box::pin(prove_batch(&run, batch)).await?);
    }
    let proven: Vec<_> = days.iter().filter(|day| day.number.is_some()).map(|day| day.date).collect();
    for day in &days {
        day.log();
    }
    let roll_up =
        if proven.is_empty() { None } else { Some(Box::pin(roll_up_in(&run, following, Some(&proven))).await?) };
    Ok(ProofRun { days, roll_up })
}

/// A day that is to be proven.
struct Chosen {
    date: NaiveDate,
    /// Its events, about.
    events: u64,
}

/// The days to prove, in batches that are read from the log together.
async fn choose<S: AggregatorStore>(run: &Run<'_, S>, asked: &Asked) -> Result<Vec<Vec<Chosen>>, AggregateError> {
    let (dates, is_named) = (asked.dates(run), matches!(asked, Asked::Dates(_)));
    let is_scheduled = matches!(asked, Asked::Hourly | Asked::Nightly);
    let most_events = ids_at_once(run.deps.settings.proof_memory).saturating_mul(MAX_SCHEDULED_PASSES);
    if dates.len() > MAX_DATES {
        return Err(AggregateError::TooManyDates { count: dates.len() });
    }
    let mut batches: Vec<Vec<Chosen>> = vec![Vec::new()];
    let (mut budget, mut in_batch) = (run.deps.settings.proof_budget, 0);
    // The newest first: they change most.
    for date in dates.into_iter().rev() {
        let proof = if is_named { None } else { run.proof(date).await? };
        let records = run.partials(date).await?;
        let is_counted_since =
            |proof: &ProvenDay| records.iter().any(|record| record.as_of > proof.position(&record.source));
        let is_settled = proof.as_ref().map_or(records.is_empty(), |proof| !is_counted_since(proof));
        if !is_named && is_settled {
            continue;
        }
        let events = events_of(&records);
        if asked.is_put_off(run, date, events, proof.as_ref()) {
            continue;
        }
        if is_scheduled && events > most_events {
            tracing::warn!(%date, events, most_events, "a day is too large for a scheduled proof: headcount prove --date {date}");
            continue;
        }
        if matches!(asked, Asked::WithinBudget | Asked::Hourly) {
            if events > budget {
                continue;
            }
            budget -= events;
        }
        // A batch as large as the hourly budget: its ids fit into memory together.
        if in_batch + events > run.deps.settings.proof_budget && in_batch > 0 {
            batches.push(Vec::new());
            in_batch = 0;
        }
        in_batch += events;
        batches.last_mut().expect("there is one from the beginning").push(Chosen { date, events });
    }
    batches.retain(|batch| !batch.is_empty());
    Ok(batches)
}

async fn prove_batch<S: AggregatorStore>(
    run: &Run<'_, S>,
    batch: Vec<Chosen>,
) -> Result<Vec<ProvenDate>, AggregateError> {
    let (mut days, mut dates, mut expected) = (Vec::new(), BTreeSet::new(), 0);
    for Chosen { date, events } in batch {
        match check_complete(run, date).await {
            Ok(()) => {
                dates.insert(date);
                expected += events;
            }
            Err(error @ AggregateError::Expired { .. }) => days.push(ProvenDate::failed(date, &error)),
            Err(error) => return Err(error),
        }
    }
    for computed in compute(run, &dates, expected).await? {
        let date = computed.date;
        days.push(store(run, computed).await.unwrap_or_else(|error| ProvenDate::failed(date, &error)));
    }
    days.sort_by_key(|day| day.date);
    Ok(days)
}

/// Events in these partials, as far as they can be read.
pub(crate) fn events_of(records: &[PartialRecord]) -> u64 {
    let counters = records.iter().filter_map(|record| Counters::decode(&record.counters).ok());
    counters.map(|counters| counters.events).sum()
}

/// A day counted from the log, beside what the table has of it.
pub(crate) struct Computed {
    pub(crate) date: NaiveDate,
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
    let sources: Vec<_> = sources.into_values().collect();
    let settings = &run.deps.settings;
    let proving = Proving {
        log: &run.deps.log,
        zone: run.zone(),
        precision: run.deployment().precision,
        sources: &sources,
        dates,
        late_ms: late_ms(settings),
        expected,
        memory: settings.proof_memory,
        at_once: settings.at_once(),
        compute: settings.compute,
        deadline: run.deadline,
    };
    let proved = Box::pin(prove(proving)).await?;
    let positions: BTreeMap<_, _> = sources.into_iter().map(|position| (position.source, position.entry)).collect();
    let computed = |(date, proven)| {
        let records = records.remove(&date).unwrap_or_default();
        let records = records.into_iter().map(|record| (record.source.clone(), record)).collect();
        Computed { date, proven, positions: positions.clone(), records, checkpoints: checkpoints.clone() }
    };
    Ok(proved.into_iter().map(computed).collect())
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
        Ok(differences)
    }

    /// The sources that have a partial, events or damage of the day.
    pub(crate) fn sources(&self) -> BTreeSet<Source> {
        let Proven { partials, behind, damaged, .. } = &self.proven;
        let damaged = damaged.iter().map(|damaged| &damaged.source);
        partials.keys().chain(behind.keys()).chain(damaged).chain(self.records.keys()).cloned().collect()
    }
}

/// Stores a proof under the next number, unless one of larger positions is there. A damaged one is stored, and not applied.
async fn store<S: AggregatorStore>(run: &Run<'_, S>, computed: Computed) -> Result<ProvenDate, AggregateError> {
    let mut differences = BTreeMap::new();
    for source in computed.sources() {
        let found = computed.differences(run, &source)?;
        if !found.is_empty() {
            differences.insert(source, found);
        }
    }
    let Computed { date, mut proven, positions, .. } = computed;
    let mut report = ProvenDate {
        date,
        number: None,
        events: proven.figures.counters.events,
        duplicates: proven.figures.counters.duplicates,
        differences,
        damaged: proven.damaged.len(),
        error: None,
    };
    let raw = |source: &Source| proven.partials.get(source).map(|partial| partial.counters.clone());
    let sources: BTreeMap<Source, ProvenSource> = positions
        .iter()
        .map(|(source, entry)| (source.clone(), ProvenSource { entry: *entry, raw: raw(source) }))
        .collect();
    let Some(first_ms) = proven.first_ms.or_else(|| (!proven.damaged.is_empty()).then_some(run.now_ms)) else {
        // The log has nothing of this day.
        return Ok(report);
    };
    let (users, sessions) = (proven.users.encode(), proven.sessions.encode());
    for round in 0..MAX_ROUNDS {
        if round > 0 && !run.deps.jitter.pause_until(round, run.deadline).await {
            break;
        }
        let known = run.deps.log.proof(date, run.deadline).await?;
        if let Some(known) = &known
            && known.sources.iter().any(|(source, known)| known.entry > positions.get(source).copied().unwrap_or(0))
            && known.proven.is_whole()
        {
            report.number = Some(known.proven.number);
            put(run, &known.proven, &known.sources).await?;
            return Ok(report);
        }
        let figures = ProvenFigures {
            date,
            number: known.as_ref().map_or(0, |known| known.proven.number) + 1,
            positions: positions.values().sum(),
            first_ms: known.as_ref().map_or(first_ms, |known| known.proven.first_ms.min(first_ms)),
            proven_ms: run.deps.clock.now_ms(),
            figures: proven.figures.clone(),
            damaged: proven.damaged.clone(),
        };
        let proof =
            Proof { proven: figures, sources: sources.clone(), users: users.clone(), sessions: sessions.clone() };
        if run.deps.log.put_proof(&proof, run.deadline).await? == Append::Created {
            put(run, &proof.proven, &proof.sources).await?;
            report.number = Some(proof.proven.number);
            return Ok(report);
        }
    }
    Err(AggregateError::Deadline { what: format!("the proof of {date} was stored") })
}

/// Puts a proof into the table: its sources, then its figures.
pub(crate) async fn put<S: AggregatorStore>(
    run: &Run<'_, S>,
    proven: &ProvenFigures,
    sources: &BTreeMap<Source, ProvenSource>,
) -> Result<(), AggregateError> {
    let (date, number) = (proven.date, proven.number);
    let expires_s = expiry_s(run.deployment(), date, run.now_ms, PARTIAL_TTL_DAYS);
    let row = |(source, proven): (&Source, &ProvenSource)| {
        let (source, proven) = (source.clone(), proven.clone());
        ProvenSourceRow { date, number, source, proven, expires_s }
    };
    // A source without anything of the day has nothing to subtract, whatever comes later.
    let mut rows: Vec<_> = sources.iter().filter(|(_, proven)| proven.raw.is_some()).map(row).collect();
    let mut fruitless = 0;
    while !rows.is_empty() {
        let batch: Vec<_> = rows.drain(..rows.len().min(MAX_BATCH_WRITES)).collect();
        let written = retry(&run.deps.jitter, run.deadline, || run.deps.store.put_proven_sources(&batch)).await?;
        let left: Vec<_> = batch.into_iter().zip(written).filter(|(_, written)| !written).map(|(row, _)| row).collect();
        fruitless = if left.is_empty() { 0 } else { fruitless + 1 };
        rows.extend(left);
        if fruitless > 0 && !run.deps.jitter.pause_until(fruitless, run.deadline).await {
            return Err(AggregateError::Deadline { what: format!("the proof of {date} was put into the table") });
        }
    }
    // Refused: it is there, or a later one is.
    retry(&run.deps.jitter, run.deadline, || run.deps.store.put_proof(run.table.id, proven)).await?;
    Ok(())
}

impl ProvenDate {
    fn failed(date: NaiveDate, error: &AggregateError) -> Self {
        let error = Some(error.to_string());
        Self { date, number: None, events: 0, duplicates: 0, differences: BTreeMap::new(), damaged: 0, error }
    }

    fn log(&self) {
        let Self { date, number, events, duplicates, differences, damaged, error } = self;
        if let Some(error) = error {
            metrics::counter!(telemetry::FAILED_PROOFS).increment(1);
            tracing::error!(%date, error, "a day was not proven");
            return;
        }
        tracing::info!(%date, number, events, duplicates, damaged, "a day was proven");
        for (source, differences) in differences {
            metrics::counter!(telemetry::PROOF_DIFFERENCES).increment(1);
            let named: Vec<_> = differences.iter().map(|found| found.counter.as_str()).collect();
            tracing::error!(%date, %source, ?named, "a partial is not what the log says: headcount rebuild --date {date}");
        }
    }
}
