//! The hourly roll-up: what every open day needs, date by date.

mod one_day;
mod report;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_store::traits::AggregatorStore;
use tokio::time::Instant;

use crate::calendar_window::{MAX_DATES, Scope};
use crate::day::Run;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::ledger::Ledger;
use crate::roll_up::one_day::Task;
pub use crate::roll_up::report::{DayRollUp, Outcome, RollUp};

/// Aggregates the days that need it: with no `dates`, those whose partials differ from what their metrics were made
/// of, within the window of late events, and those that close; else the named ones, whatever the table says.
///
/// Days whose weekly, monthly or running figures an earlier day changed are brought up to date too. One date's failure
/// is in its own outcome, and the others go on. Running it twice, or twice at once, is harmless.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin: no deployment, the table away until the deadline, too
/// many dates.
pub async fn roll_up<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: Option<&[NaiveDate]>,
    deadline: Instant,
) -> Result<RollUp, AggregateError> {
    let named: BTreeSet<_> = dates.unwrap_or_default().iter().collect();
    if named.len() > MAX_DATES {
        return Err(AggregateError::TooManyDates { count: named.len() });
    }
    // Boxed here and below, or the future of a whole run would be one huge, deeply nested value.
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let scope = Scope::new(dates, run.zone(), &deps.settings, run.now_ms);
    let mut ledger = Box::pin(Ledger::load(&run, &scope.all)).await?;
    let mut days = Vec::new();
    // In order: a day's weekly and monthly figures are made of the days before it.
    for date in scope.all {
        let task = match (dates, scope.named.contains(&date)) {
            (None, _) => Task::Open,
            (Some(_), true) => Task::Named,
            (Some(_), false) => Task::Following,
        };
        days.extend(Box::pin(roll_up_day(&run, &mut ledger, date, task)).await);
    }
    Ok(RollUp { days })
}

/// Brings a day that follows changed ones up to date; nothing where it has no figures.
pub(crate) async fn follow<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &mut Ledger,
    date: NaiveDate,
) -> Option<DayRollUp> {
    roll_up_day(run, ledger, date, Task::Following).await
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
