//! The hourly roll-up: follows what is behind, and then does what every open day needs, date by date.

mod one_day;
mod report;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_core::calendar::{days, days_after};
use headcount_store::traits::AggregatorStore;
use tokio::time::Instant;

use crate::budgets::{self, BudgetCheck};
use crate::calendar_window::{MAX_DATES, Scope, today};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, Following, follow};
use crate::ledger::Ledger;
use crate::roll_up::one_day::Task;
pub use crate::roll_up::report::{DayRollUp, Outcome, RollUp};
use crate::run::Run;

/// Follows what is behind, [`crate::follow::FOLLOW_TIME`] at most, then aggregates the days that need it: with no `dates`,
/// those whose partials differ from what their metrics were made of, within the window of late events, and those that
/// become final; else the named ones, whatever the table says. What is not followed yet is named in the report, and stops
/// nothing. With no `dates` and [`crate::Alarms`] it then compares the budgets with their costs.
///
/// Days whose weekly, monthly or running figures an earlier day changed are brought up to date too. One date's failure
/// is in its own outcome, and the others go on. Running it twice, or twice at once, is harmless.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin: no deployment, log or table away until the deadline, too
/// many dates.
pub async fn roll_up<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: Option<&[NaiveDate]>,
    deadline: Instant,
) -> Result<RollUp, AggregateError> {
    check_count(dates)?;
    // Boxed here and below, or the future of a whole run would be one huge, deeply nested value.
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let following = Box::pin(follow(&run, Care::Full, half)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the log was not followed; the days are rolled up as far as they were before");
        Following { error: Some(error.to_string()), ..Following::default() }
    });
    let mut rolled_up = Box::pin(roll_up_in(&run, following, dates)).await?;
    rolled_up.days.extend(Box::pin(follow_later(&run, dates.unwrap_or_default())).await?);
    Ok(rolled_up)
}

fn check_count(dates: Option<&[NaiveDate]>) -> Result<(), AggregateError> {
    let count = dates.unwrap_or_default().iter().collect::<BTreeSet<_>>().len();
    if count > MAX_DATES { Err(AggregateError::TooManyDates { count }) } else { Ok(()) }
}

/// The same within a run that has followed already.
pub(crate) async fn roll_up_in<S: AggregatorStore>(
    run: &Run<'_, S>,
    following: Following,
    dates: Option<&[NaiveDate]>,
) -> Result<RollUp, AggregateError> {
    let scope = Scope::new(dates, run.zone(), &run.deps.settings, run.now_ms);
    let followed_ms = following.figures_are_as_of(run.now_ms);
    let mut ledger = Box::pin(Ledger::load(run, &scope.all)).await?;
    let mut days = Vec::new();
    // In order: a day's weekly and monthly figures are made of the days before it.
    for date in scope.all {
        let task = match (dates, scope.named.contains(&date)) {
            (None, _) => Task::Open { followed_ms },
            (Some(_), true) => Task::Named { followed_ms },
            (Some(_), false) => Task::Following,
        };
        days.extend(roll_up_day(run, &mut ledger, date, task).await);
    }
    let budgets = match dates {
        None => Box::pin(budgets::check(run, &ledger)).await,
        Some(_) => BudgetCheck::default(),
    };
    Ok(RollUp { following, days, budgets })
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
    Ok(RollUp { days: Box::pin(follow_days(&run, &all)).await?, ..RollUp::default() })
}

/// The days after these that no roll-up of them looks at: they are later than the months that these are part of, and only
/// their running totals may change.
pub(crate) async fn follow_later<S: AggregatorStore>(
    run: &Run<'_, S>,
    dates: &[NaiveDate],
) -> Result<Vec<DayRollUp>, AggregateError> {
    let scope = Scope::new(Some(dates), run.zone(), &run.deps.settings, run.now_ms);
    let tomorrow = days_after(today(run.zone(), run.now_ms), 1);
    let Some(first) = scope.all.first() else { return Ok(Vec::new()) };
    let later: Vec<_> = days(*first, tomorrow).filter(|date| !scope.all.contains(date)).collect();
    follow_days(run, &later).await
}

async fn follow_days<S: AggregatorStore>(
    run: &Run<'_, S>,
    dates: &[NaiveDate],
) -> Result<Vec<DayRollUp>, AggregateError> {
    let mut found = Vec::new();
    for chunk in dates.chunks(MAX_DATES) {
        let mut ledger = Box::pin(Ledger::load(run, &chunk.iter().copied().collect())).await?;
        for date in chunk {
            found.extend(roll_up_day(run, &mut ledger, *date, Task::Following).await);
        }
    }
    Ok(found)
}

async fn roll_up_day<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    date: NaiveDate,
    task: Task,
) -> Option<DayRollUp> {
    let day = Box::pin(one_day::roll_up_day(run, ledger, date, task)).await?;
    day.log();
    Some(day)
}
