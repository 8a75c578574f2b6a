//! Days long past: what can still be proved of them, and what history that comes in changes of the days after them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use headcount_core::calendar::{days, days_after};
use headcount_core::deployment::Deployment;
use headcount_core::limits::DAY_MS;
use headcount_log::LogError;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{MAX_DATES, expires_ms, today};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::Following;
use crate::ledger::Ledger;
use crate::roll_up::{RollUp, follow_day};
use crate::run::Run;

/// Why the log no longer tells all of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Closed {
    /// Its figures were made of partials that have expired since: new ones alone would replace good figures.
    PartialsExpired,
    /// Entries with its events have expired, or are about to.
    EntriesExpired {
        /// Whose.
        source: String,
    },
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialsExpired => f.write_str("the partials that its figures were made of have expired"),
            Self::EntriesExpired { source } => write!(f, "entries of {source} have expired, or expire within a day"),
        }
    }
}

/// Of these days those of which the log no longer tells all, each with the reason: they take no more history. Days whose
/// entries cannot have expired yet are not looked at.
///
/// # Errors
///
/// [`AggregateError`] where the log or the table cannot be read in time.
pub async fn closed_days<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: &BTreeSet<NaiveDate>,
    deadline: Instant,
) -> Result<BTreeMap<NaiveDate, Closed>, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let mut closed = BTreeMap::new();
    for date in dates {
        if let Some(why) = closed_day(&run, *date).await? {
            closed.insert(*date, why);
        }
    }
    Ok(closed)
}

/// Whether entries with the day's events may have expired, so that it may neither be verified nor rebuilt any more.
pub fn is_beyond_proof(deployment: &Deployment, date: NaiveDate, now_ms: i64) -> bool {
    now_ms >= expires_ms(deployment, date)
}

/// Refuses a day of which the log no longer tells all.
///
/// # Errors
///
/// [`AggregateError::Expired`]; or the log or the table cannot be read.
pub(crate) async fn check_complete<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
) -> Result<(), AggregateError> {
    match closed_day(run, date).await? {
        Some(closed) => Err(AggregateError::Expired { date, why: closed.to_string() }),
        None => Ok(()),
    }
}

async fn closed_day<S: AggregatorStore>(run: &Run<'_, S>, date: NaiveDate) -> Result<Option<Closed>, AggregateError> {
    if !is_beyond_proof(run.deployment(), date, run.now_ms) {
        return Ok(None);
    }
    let records = run.partials(date).await?;
    let as_of_sum: u64 = records.iter().map(|record| record.as_of).sum();
    let daily = run.dailies(&BTreeSet::from([date])).await?.pop();
    if daily.is_some_and(|row| row.made_of.day > as_of_sum) {
        return Ok(Some(Closed::PartialsExpired));
    }
    let retention_ms = i64::from(run.deployment().log_retention_days) * DAY_MS;
    for record in records {
        // Entries expire by their age, so the first one with something of the day is the first to go.
        let expires_ms = match run.deps.log.read_header(&record.source, record.first, run.deadline).await {
            Ok(header) => header.facts.appended_ms.saturating_add(retention_ms - DAY_MS),
            Err(LogError::Damaged { .. }) => i64::MIN,
            Err(error) => return Err(error.into()),
        };
        if record.first > 0 && run.now_ms >= expires_ms {
            return Ok(Some(Closed::EntriesExpired { source: record.source.to_string() }));
        }
    }
    Ok(None)
}

/// Brings the days from `from` until tomorrow up to date with what came in before and among them: users who were first
/// seen earlier than thought are new on other days now, which changes running totals however much later, and weekly and
/// monthly figures. The days' own counters stay as they are.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin.
pub async fn follow_up<S: AggregatorStore>(
    deps: &Deps<S>,
    from: NaiveDate,
    deadline: Instant,
) -> Result<RollUp, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let all: Vec<_> = days(from, days_after(today(run.zone(), run.now_ms), 1)).collect();
    let mut found = RollUp { following: Following::default(), days: Vec::new() };
    for chunk in all.chunks(MAX_DATES) {
        let mut ledger = Box::pin(Ledger::load(&run, &chunk.iter().copied().collect())).await?;
        for date in chunk {
            found.days.extend(Box::pin(follow_day(&run, &mut ledger, *date)).await);
        }
    }
    Ok(found)
}
