//! One date of a roll-up, from its partials to its metrics.

use std::sync::Arc;

use chrono::NaiveDate;
use headcount_core::exact::ProvenDay;
use headcount_core::latency::ModelLatencies;
use headcount_core::limits::ACCOUNT_SKETCH_PRECISION;
use headcount_core::merged::{Merged, SetAside};
use headcount_core::metrics::DailyMetrics;
use headcount_core::origin::Source;
use headcount_core::user_sketch::UserSketch;
use headcount_runtime::telemetry;
use headcount_store::rows::{DailyRow, MadeOf, Put, SketchesRow, TotalRow};
use headcount_store::traits::AggregatorStore;

use crate::calendar_window::is_over;
use crate::error::AggregateError;
use crate::figures::{Surroundings, of_known, of_merged};
use crate::ledger::{Ledger, Reach};
use crate::merge::MergedDay;
use crate::rebuild::refold;
use crate::roll_up::report::{DayRollUp, Outcome};
use crate::run::Run;

/// Times that a date is done again because somebody else wrote newer figures meanwhile.
const MAX_REFUSALS: u32 = 5;

/// How long after a change of a day's figures its new users are counted anew in each run, milliseconds: the index that tells them may be
/// a moment old. Later nothing of them changes, and counting reads the profile of every one.
const RECOUNTED_FOR_MS: i64 = 2 * 60 * 60 * 1_000;

/// Why a run looks at a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// It was named: aggregate it whatever the table says. All that was appended before `followed_ms` is in its partials.
    Named { followed_ms: i64 },
    /// It may be open: aggregate it if it is, and make it final if it takes no more events and is proven.
    Open { followed_ms: i64 },
    /// It follows a named date: bring its weekly, monthly and running figures up to date.
    Following,
}

/// A date whose partials were merged.
struct OwnDay {
    merged: Merged,
    users: UserSketch,
    accounts: UserSketch,
    /// The sum of the entries that the partials are folded up to.
    as_of_sum: u64,
    proof: Option<Arc<ProvenDay>>,
    /// Whether the day takes no more events of a stream and its proof has all that it took.
    is_final: bool,
}

impl OwnDay {
    fn proof_number(&self) -> u64 {
        self.proof.as_ref().map_or(0, |proof| proof.proven.number)
    }
}

/// What is stored of a date, in both forms.
struct Known {
    made_of: MadeOf,
    updated_ms: i64,
    /// None where the stored figures are malformed.
    metrics: Option<DailyMetrics>,
}

impl Known {
    fn is_final(&self) -> bool {
        self.metrics.as_ref().is_some_and(|metrics| metrics.figures.is_final)
    }

    fn total_users(&self) -> u64 {
        self.metrics.as_ref().map_or(0, |metrics| metrics.figures.total_users)
    }
}

/// Aggregates one date; nothing where there is nothing to tell of it.
pub(crate) async fn roll_up_day<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    date: NaiveDate,
    task: Task,
) -> Option<DayRollUp> {
    let mut report = DayRollUp::new(date);
    report.outcome = match until_settled(run, ledger, task, &mut report).await {
        Ok(outcome) => outcome?,
        Err(error) => Outcome::Failed { error: error.to_string() },
    };
    report.became_final &= report.outcome == Outcome::Written;
    (matches!(task, Task::Named { .. }) || report.outcome != Outcome::Empty).then_some(report)
}

/// Tries until the metrics are what the table's newest state says, or somebody else's are newer for good.
async fn until_settled<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    task: Task,
    report: &mut DayRollUp,
) -> Result<Option<Outcome>, AggregateError> {
    let date = report.date;
    for refusals in 0..MAX_REFUSALS {
        if refusals > 0 {
            if !run.deps.jitter.pause_until(refusals, run.deadline).await {
                break;
            }
            ledger.refresh(run, date).await?;
        }
        let known = known(ledger, date);
        let task = match (task, &known) {
            (Task::Following, None) => return Ok(None),
            (Task::Open { .. }, Some(known)) if known.is_final() => {
                // What is appended to it later the next nightly proof finds; an earlier day may have changed though, in a run that died.
                if known.made_of.month == ledger.month_sum(date) && known.total_users() == ledger.total_users(date) {
                    return Ok(None);
                }
                Task::Following
            }
            _ => task,
        };
        run.check_time(|| format!("{date} was aggregated"))?;
        if let Some(outcome) = attempt(run, ledger, task, known, report).await? {
            return Ok(Some(outcome));
        }
    }
    Ok(Some(Outcome::Superseded))
}

fn known(ledger: &Ledger, date: NaiveDate) -> Option<Known> {
    let row = ledger.daily(date)?;
    let metrics = DailyMetrics::from_object(&row.data).ok();
    Some(Known { made_of: row.made_of, updated_ms: row.updated_ms, metrics })
}

/// One attempt; none where a write was refused for something newer.
async fn attempt<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    task: Task,
    known: Option<Known>,
    report: &mut DayRollUp,
) -> Result<Option<Outcome>, AggregateError> {
    let date = report.date;
    let mut own = own_day(run, task, known.as_ref(), report).await?;
    if own.is_none() && known.is_none() {
        return Ok(Some(Outcome::Empty));
    }
    let stored = known.as_ref().map(|known| known.made_of);
    let proof = own.as_ref().map_or(stored.unwrap_or_default().proof, OwnDay::proof_number);
    let day = own.as_ref().map_or(stored.unwrap_or_default().day, |own| own.as_of_sum);
    if let Some(own) = &mut own {
        let row = SketchesRow {
            date,
            users: own.users.encode(),
            sessions: own.merged.sessions.encode(),
            accounts: own.accounts.encode(),
            latencies: ModelLatencies::of(&own.merged.settled_counters(own.proof.as_deref())).encode(),
            made_of_day: day,
            updated_ms: run.now_ms,
        };
        if ledger.put_sketches(run, row).await? == Put::Refused {
            return Ok(None);
        }
    }
    let reach_changed = own.is_some() || stored.is_none_or(|stored| stored.month != ledger.month_sum(date));
    let reach = if reach_changed { Some(reach(run, ledger, report).await?) } else { None };
    let made_of = MadeOf { day, proof, month: ledger.month_sum(date) };

    // Also of a day that only follows: who was seen on an earlier day now is no longer new on this one.
    let is_recent = |known: &Known| run.now_ms.saturating_sub(known.updated_ms) < RECOUNTED_FOR_MS;
    let is_settled = matches!(task, Task::Open { .. }) && !reach_changed && !known.as_ref().is_some_and(is_recent);
    let counted = ledger.new_users(date).filter(|_| is_settled);
    let new_users = match counted {
        Some(counted) => counted,
        None => run.new_users(date).await?,
    };
    let row = TotalRow { date, new_users, made_of };
    if ledger.put_total(run, row).await? == Put::Refused {
        return Ok(None);
    }
    let known = known.and_then(|known| known.metrics);
    let around = Surroundings { reach, new_users: row.new_users, total_users: ledger.total_users(date) };
    let metrics = match (own, known.clone()) {
        (Some(mut own), _) => {
            let was_final = known.as_ref().is_some_and(|known| known.figures.is_final);
            report.became_final = own.is_final && !was_final;
            let sketches = (&mut own.users, &mut own.accounts);
            of_merged(date, &own.merged, own.proof.as_deref(), sketches, own.is_final, &around)
        }
        (None, Some(known)) => of_known(known, &around),
        (None, None) => return Err(AggregateError::MalformedDaily { date }),
    };
    if known.as_ref() == Some(&metrics) && stored == Some(made_of) {
        return Ok(Some(Outcome::Unchanged));
    }
    let now_ms = run.deps.clock.now_ms();
    let row = DailyRow { date, data: metrics.to_object(), made_of, created_ms: now_ms, updated_ms: now_ms };
    Ok(match ledger.put_daily(run, row).await? {
        Put::Written => Some(Outcome::Written),
        Put::Refused => None,
    })
}

/// Reads the date's partials and, where they differ from what its metrics were made of, merges all; damaged ones are folded
/// anew from the log first.
async fn own_day<S: AggregatorStore>(
    run: &Run<'_, S>,
    task: Task,
    known: Option<&Known>,
    report: &mut DayRollUp,
) -> Result<Option<OwnDay>, AggregateError> {
    let date = report.date;
    let followed_ms = match task {
        Task::Following => return Ok(None),
        Task::Named { followed_ms } | Task::Open { followed_ms } => followed_ms,
    };
    let mut day = run.merged(date).await?;
    if !day.merged.set_aside.is_empty() {
        fold_damaged(run, &day.merged.set_aside, report).await;
        day = run.merged(date).await?;
    }
    report.sources = day.sources;
    let MergedDay { merged, as_of_sum, sources, proof } = day;
    report.sources_set_aside.clone_from(&merged.set_aside);
    let is_over = is_over(run.zone(), date, &run.deps.settings, followed_ms);
    let is_proven = proof.as_ref().is_some_and(|proof| proof.proven.is_whole());
    let is_final = is_over && is_proven && merged.since_proof.is_empty() && merged.set_aside.is_empty();
    let number = proof.as_ref().map_or(0, |proof| proof.proven.number);
    let is_open = matches!(task, Task::Named { .. })
        || is_over
        || known.is_none_or(|known| {
            known.metrics.is_none() || (known.made_of.day, known.made_of.proof) != (as_of_sum, number)
        });
    if sources == 0 || !is_open {
        return Ok(None);
    }
    let users = match &merged.users {
        Some(users) => users.clone(),
        None => new_sketch(run.deployment().precision)?,
    };
    let accounts = match &merged.accounts {
        Some(accounts) => accounts.clone(),
        None => new_sketch(ACCOUNT_SKETCH_PRECISION)?,
    };
    Ok(Some(OwnDay { merged, users, accounts, as_of_sum, proof, is_final }))
}

fn new_sketch(precision: u8) -> Result<UserSketch, AggregateError> {
    UserSketch::new(precision).map_err(AggregateError::Precision)
}

/// Folds damaged partials anew from the log. What fails stays set aside, and says why.
async fn fold_damaged<S: AggregatorStore>(run: &Run<'_, S>, damaged: &[SetAside], report: &mut DayRollUp) {
    for SetAside { source, .. } in damaged {
        metrics::counter!(telemetry::DAMAGED_PARTIALS).increment(1);
        let Ok(parsed) = Source::parse(source) else { continue };
        match Box::pin(refold(run, &parsed, report.date)).await {
            Ok(()) => report.sources_refolded.push(source.clone()),
            Err(error) => {
                tracing::error!(date = %report.date, source, %error, "a damaged partial was not folded anew");
            }
        }
    }
}

/// The weekly and monthly users. Damaged sketches of a day are made again from its partials, where there still are any.
async fn reach<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    report: &mut DayRollUp,
) -> Result<Reach, AggregateError> {
    let found = ledger.reach(run, report.date).await?;
    if found.damaged.is_empty() {
        return Ok(found);
    }
    for date in &found.damaged {
        make_sketches_again(run, ledger, *date).await?;
    }
    let healed = ledger.reach(run, report.date).await?;
    report.sketches_set_aside.clone_from(&healed.damaged);
    Ok(healed)
}

async fn make_sketches_again<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    date: NaiveDate,
) -> Result<(), AggregateError> {
    let MergedDay { merged, as_of_sum: made_of_day, proof, .. } = run.merged(date).await?;
    let latencies = ModelLatencies::of(&merged.settled_counters(proof.as_deref())).encode();
    let (Some(mut users), Some(mut accounts)) = (merged.users, merged.accounts) else { return Ok(()) };
    let (users, accounts, sessions) = (users.encode(), accounts.encode(), merged.sessions.encode());
    let row = SketchesRow { date, users, sessions, accounts, latencies, made_of_day, updated_ms: run.now_ms };
    // Refused: what is there was made of newer partials, and the next run reads it.
    ledger.put_sketches(run, row).await?;
    Ok(())
}
