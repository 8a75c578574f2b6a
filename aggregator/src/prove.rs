//! Proofs of days: computed from the log, compared with the partials, stored beside the log and in the table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::calendar::{days_before, hour_of};
use headcount_core::counters::Difference;
use headcount_core::exact::{Proof, ProvenFigures, ProvenSource};
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::Source;
use headcount_follow::days::expiry_s;
use headcount_log::Append;
use headcount_proof::ids_at_once;
use headcount_runtime::retry::retry;
use headcount_runtime::telemetry;
use headcount_store::rows::{MadeOf, ProvenSourceRow};
use headcount_store::traits::{AggregatorStore, MAX_BATCH_WRITES};
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{Ends, MAX_DATES, Scope, is_over, today};
use crate::count::{Computed, compute, events_of};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, follow};
use crate::history::{First, check_complete, first_entry};
use crate::roll_up::{RollUp, follow_later, roll_up_in};
use crate::run::Run;
use crate::slices::{Sliced, compute_in_slices};

pub use crate::slices::Unfinished;

/// Times that a proof is stored again because another one took its number.
const MAX_ROUNDS: u32 = 5;

/// Which days are proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// These, whatever is stored of them.
    Dates(Vec<NaiveDate>),
    /// Those of these dates where something was counted since their proof, and that have no more events than
    /// [`crate::Settings::proof_budget`]. All of them are rolled up; [`crate::roll_up::follow_up`] brings the days after them up to date.
    Changed(Vec<NaiveDate>),
    /// Today and yesterday, where something was counted since their proof, as long as they have no more events together than
    /// [`crate::Settings::proof_budget`].
    WithinBudget,
    /// Every day where something was counted since its proof.
    AllOpen,
    /// As [`Self::WithinBudget`], but a day again only once its events have grown by a tenth since its proof: each proof reads the
    /// whole day, and S3 charges for each read. While the proof of a large day is under way, as [`Self::Nightly`].
    Hourly,
    /// As [`Self::AllOpen`], but of days before yesterday those with more events than the budget only once they take no more: until
    /// then, what comes late is added to their proof.
    Nightly,
}

/// The hour of the reporting zone's clock in which all open days are proven. No zone's clock skips it, as many skip the second or third
/// hour when summer time begins.
const NIGHTLY_HOUR: usize = 4;

/// Milliseconds after which a proof in slices was begun by an earlier night: 20 hours.
const NIGHT_MS: i64 = 20 * 60 * 60 * 1_000;

/// The part of a day's events by which it must have grown for another hourly proof.
pub const GROWN: u64 = 10;

impl Asked {
    /// What a schedule that comes every hour asks for.
    pub fn scheduled<S>(deps: &Deps<S>) -> Self {
        let zone = deps.settings.zone.unwrap_or(chrono_tz::UTC);
        if hour_of(zone, deps.clock.now_ms()) == NIGHTLY_HOUR { Self::Nightly } else { Self::Hourly }
    }

    async fn dates<S: AggregatorStore>(&self, run: &Run<'_, S>) -> Result<BTreeSet<NaiveDate>, AggregateError> {
        Ok(match self {
            Self::Dates(dates) | Self::Changed(dates) => dates.iter().copied().collect(),
            Self::WithinBudget | Self::Hourly => {
                let today = today(run.zone(), run.now_ms);
                BTreeSet::from([days_before(today, 1), today])
            }
            Self::AllOpen | Self::Nightly => {
                let recent = Scope::new(None, run.zone(), &run.deps.settings, run.now_ms).all;
                let tomorrow = recent.last().copied().unwrap_or_default();
                // What was imported or redriven may be of any day.
                run.totals(tomorrow).await?.into_keys().chain(recent).collect()
            }
        })
    }

    /// Whether a day that changed since its proof waits for a later run.
    fn is_put_off<S: AggregatorStore>(&self, run: &Run<'_, S>, day: &Unsettled) -> bool {
        let settings = &run.deps.settings;
        match self {
            Self::Dates(_) | Self::WithinBudget | Self::AllOpen => false,
            Self::Changed(_) => day.events > settings.proof_budget,
            Self::Hourly => day.proven.is_some_and(|proven| day.events < proven.saturating_add(proven.div_ceil(GROWN))),
            Self::Nightly => {
                let is_recent = day.date >= days_before(today(run.zone(), run.now_ms), 1);
                let is_over = is_over(run.zone(), day.date, settings, run.now_ms);
                !is_recent && !is_over && day.events > settings.proof_budget
            }
        }
    }
}

/// What became of a run of proofs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofRun {
    /// Whether all of the log was followed before.
    pub followed: bool,
    /// The days that were looked at, in order.
    pub days: Vec<ProvenDate>,
    /// Days with entries that no proof counts and that expire within a week.
    pub overdue: Vec<NaiveDate>,
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
    /// How far the proof of a large day is; the next run goes on from there.
    pub unfinished: Option<Unfinished>,
    /// Why the day was not proven.
    pub error: Option<String>,
}

impl ProofRun {
    /// Whether all of the log was followed and every day was counted.
    pub fn is_complete(&self) -> bool {
        self.followed && self.days.iter().all(ProvenDate::is_done)
    }

    /// Whether every day was proven, nothing differs and all of the log could be read.
    pub fn is_clean(&self) -> bool {
        let is_clean = |day: &ProvenDate| day.is_done() && day.differences.is_empty() && day.damaged == 0;
        self.days.iter().all(is_clean) && self.roll_up.iter().all(|roll_up| roll_up.failed().next().is_none())
    }
}

impl ProvenDate {
    /// Whether all of the day was counted, as far as it can be read.
    fn is_done(&self) -> bool {
        self.error.is_none() && self.unfinished.is_none()
    }
}

/// Follows what is behind, proves the days, stores the proofs and rolls the proven days up. Running it twice, or twice at once, is
/// harmless: a proof of larger positions is never replaced by one of smaller ones. A day that takes several passes over the log may be
/// left unfinished when the time is used up; the next run goes on.
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
            return Ok(ProofRun { followed: true, days: Vec::new(), overdue: Vec::new(), roll_up: None });
        }
        begun => begun?,
    };
    let under_way = match asked {
        Asked::Hourly | Asked::Nightly => deps.log.sliced_dates(deadline).await?,
        _ => BTreeSet::new(),
    };
    let asked = if under_way.is_empty() || *asked != Asked::Hourly { asked } else { &Asked::Nightly };
    let now = Instant::now();
    let following = Box::pin(follow(&run, Care::Full, now + deadline.saturating_duration_since(now) / 2)).await?;
    let followed = following.is_complete();
    let choice = Box::pin(choose(&run, asked)).await?;
    // Of days that were proven otherwise since, or that the log no longer tells.
    let is_chosen = |date: &NaiveDate| choice.large.iter().any(|day| day.date == *date);
    for date in under_way.iter().filter(|date| !is_chosen(date)) {
        deps.log.delete_slices(*date, u64::MAX, deadline).await?;
    }
    let mut days = Vec::new();
    for batch in choice.batches {
        days.extend(Box::pin(prove_batch(&run, batch)).await?);
    }
    for day in choice.large {
        days.push(Box::pin(prove_large(&run, day)).await?);
    }
    days.sort_by_key(|day| day.date);
    for day in &days {
        day.log();
    }
    let proven: BTreeSet<_> = days.iter().filter(|day| day.number.is_some()).map(|day| day.date).collect();
    let overdue: Vec<_> = choice.urgent.difference(&proven).copied().collect();
    for date in &overdue {
        metrics::counter!(telemetry::OVERDUE_PROOFS).increment(1);
        tracing::error!(%date, "entries of a day that no proof counts expire within a week: headcount prove --date {date}");
    }
    let mut rolled_up: Vec<_> = proven.union(&choice.rolled_up).copied().collect();
    if let Asked::Changed(dates) = asked {
        rolled_up.extend(dates);
    }
    let mut roll_up =
        if rolled_up.is_empty() { None } else { Some(Box::pin(roll_up_in(&run, following, Some(&rolled_up))).await?) };
    // Commands that add days do so for many at once, and follow up in the end.
    if let Some(roll_up) = roll_up.as_mut().filter(|_| !matches!(asked, Asked::Changed(_))) {
        roll_up.days.extend(Box::pin(follow_later(&run, &rolled_up)).await?);
    }
    let proved = ProofRun { followed, days, overdue, roll_up };
    if *asked == Asked::Nightly && proved.is_complete() {
        metrics::counter!(telemetry::NIGHTLY_PROOFS).increment(1);
    }
    Ok(proved)
}

/// A day that is to be proven.
struct Chosen {
    date: NaiveDate,
    /// Its events, about.
    events: u64,
}

/// Which days a run proves, and what it found of others.
#[derive(Default)]
struct Choice {
    /// Days that are read from the log together.
    batches: Vec<Vec<Chosen>>,
    /// Days that take several passes over the log.
    large: Vec<Chosen>,
    /// Days with entries that no proof counts and that expire within a week.
    urgent: BTreeSet<NaiveDate>,
    /// Days that are only rolled up: their figures are older than their partials or their proof.
    rolled_up: BTreeSet<NaiveDate>,
}

/// A day where something was counted since its proof, or whose figures are not made of all that there is.
struct Unsettled {
    date: NaiveDate,
    /// Whether its proof has everything.
    is_proven: bool,
    /// Its events, about.
    events: u64,
    /// Those that its proof has.
    proven: Option<u64>,
    is_urgent: bool,
    is_unprovable: bool,
}

async fn choose<S: AggregatorStore>(run: &Run<'_, S>, asked: &Asked) -> Result<Choice, AggregateError> {
    let dates = asked.dates(run).await?;
    let is_named = matches!(asked, Asked::Dates(_));
    if is_named && dates.len() > MAX_DATES {
        return Err(AggregateError::TooManyDates { count: dates.len() });
    }
    // The newest first: they change most.
    let dailies = if is_named { Vec::new() } else { run.dailies(&dates).await? };
    let made_of: BTreeMap<_, _> = dailies.into_iter().map(|row| (row.date, row.made_of)).collect();
    let looks = dates.into_iter().rev().map(|date| look(run, date, made_of.get(&date).copied(), is_named));
    let looks: Vec<_> = looks.collect();
    let mut unsettled = stream::iter(looks).buffered(run.deps.settings.at_once());
    let most_ids = ids_at_once(run.deps.settings.proof_memory);
    let most_together = run.deps.settings.proof_budget.min(most_ids);
    let mut choice = Choice { batches: vec![Vec::new()], ..Choice::default() };
    let (mut budget, mut in_batch) = (run.deps.settings.proof_budget, 0);
    while let Some(day) = unsettled.try_next().await? {
        let Some(day) = day else { continue };
        let Unsettled { date, events, is_proven, is_urgent, is_unprovable, .. } = day;
        if is_unprovable {
            tracing::warn!(%date, "a day has events that cannot be proven any more; they count as the table has them");
        }
        if is_unprovable || is_proven {
            choice.rolled_up.insert(date);
            continue;
        }
        if is_urgent {
            choice.urgent.insert(date);
        }
        if asked.is_put_off(run, &day) {
            continue;
        }
        if matches!(asked, Asked::WithinBudget | Asked::Hourly) {
            if events > budget {
                continue;
            }
            budget -= events;
        }
        if events > most_ids {
            choice.large.push(Chosen { date, events });
            continue;
        }
        // Their ids fit into memory together.
        if in_batch + events > most_together && in_batch > 0 {
            choice.batches.push(Vec::new());
            in_batch = 0;
        }
        in_batch += events;
        choice.batches.last_mut().expect("there is one from the beginning").push(Chosen { date, events });
    }
    choice.batches.retain(|batch| !batch.is_empty());
    Ok(choice)
}

/// What is to be done about a day; `None` where its proof and its figures have everything. A day that is named is proven whatever its
/// proof has.
async fn look<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    made_of: Option<MadeOf>,
    is_named: bool,
) -> Result<Option<Unsettled>, AggregateError> {
    let records = run.partials(date).await?;
    let events = events_of(&records);
    let mut day = Unsettled { date, is_proven: false, events, proven: None, is_urgent: false, is_unprovable: false };
    if is_named {
        return Ok(Some(day));
    }
    if records.is_empty() {
        return Ok(None);
    }
    let proof = run.proof(date).await?;
    let position = |source: &Source| proof.as_ref().map_or(0, |proof| proof.position(source));
    if records.iter().all(|record| record.as_of <= position(&record.source)) {
        day.is_proven = true;
        // A run that stored the proof may have died before it wrote the figures.
        let as_of_sum = records.iter().map(|record| record.as_of).sum();
        let number = proof.map_or(0, |proof| proof.proven.number);
        let is_stale = made_of.is_none_or(|made_of| (made_of.day, made_of.proof) < (as_of_sum, number));
        return Ok(is_stale.then_some(day));
    }
    day.proven = proof.map(|proof| proof.proven.figures.counters.events);
    if Ends::earliest(run.deployment(), date).is_urgent(run.now_ms) {
        match first_entry(run, date, &records).await? {
            First::Gone { .. } => day.is_unprovable = true,
            First::At(first_ms) => {
                let ends = Ends::new(run.deployment(), first_ms);
                (day.is_urgent, day.is_unprovable) = (ends.is_urgent(run.now_ms), ends.is_unprovable(run.now_ms));
            }
            First::Nothing => {}
        }
    }
    Ok(Some(day))
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
    Ok(days)
}

/// Proves a day that takes several passes over the log, as far as the time allows. A proof that an earlier night began lacks what came
/// since, so another one is begun.
async fn prove_large<S: AggregatorStore>(run: &Run<'_, S>, day: Chosen) -> Result<ProvenDate, AggregateError> {
    let Chosen { date, events } = day;
    match check_complete(run, date).await {
        Ok(()) => {}
        Err(error @ AggregateError::Expired { .. }) => return Ok(ProvenDate::failed(date, &error)),
        Err(error) => return Err(error),
    }
    loop {
        let computed = match compute_in_slices(run, date, events).await {
            Ok(Sliced::Whole(computed)) => *computed,
            Ok(Sliced::Unfinished(unfinished)) => {
                return Ok(ProvenDate { unfinished: Some(unfinished), ..ProvenDate::nothing(date) });
            }
            Err(error) => return Ok(ProvenDate::failed(date, &error)),
        };
        let is_of_an_earlier_night = run.now_ms.saturating_sub(computed.taken_ms) > NIGHT_MS;
        let proven = match store(run, computed).await {
            Ok(proven) => proven,
            Err(error) => return Ok(ProvenDate::failed(date, &error)),
        };
        if let Some(number) = proven.number {
            run.deps.log.delete_slices(date, number, run.deadline).await?;
        }
        if !is_of_an_earlier_night {
            return Ok(proven);
        }
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
        unfinished: None,
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
    let (users, sessions, accounts) = (proven.users.encode(), proven.sessions.encode(), proven.accounts.encode());
    for round in 0..MAX_ROUNDS {
        if round > 0 && !run.deps.jitter.pause_until(round, run.deadline).await {
            break;
        }
        let known = run.deps.log.proof(date, run.deadline).await?;
        // A source without anything of the day has no position here once all of its entries have expired.
        let is_beyond = |(source, known): (&Source, &ProvenSource)| {
            known.raw.is_some() && known.entry > positions.get(source).copied().unwrap_or(0)
        };
        if let Some(known) = &known
            && known.sources.iter().any(is_beyond)
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
        let proof = Proof {
            proven: figures,
            sources: sources.clone(),
            users: users.clone(),
            sessions: sessions.clone(),
            accounts: accounts.clone(),
        };
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
    fn nothing(date: NaiveDate) -> Self {
        let differences = BTreeMap::new();
        Self { date, number: None, events: 0, duplicates: 0, differences, damaged: 0, unfinished: None, error: None }
    }

    fn failed(date: NaiveDate, error: &AggregateError) -> Self {
        Self { error: Some(error.to_string()), ..Self::nothing(date) }
    }

    fn log(&self) {
        let Self { date, number, events, duplicates, differences, damaged, unfinished, error } = self;
        if let Some(error) = error {
            metrics::counter!(telemetry::FAILED_PROOFS).increment(1);
            tracing::error!(%date, error, "a day was not proven");
            return;
        }
        if let Some(Unfinished { passes, of }) = unfinished {
            tracing::info!(%date, passes, of, "a large day is proven in part; the next run goes on");
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
