//! Budgets of AI cost: compares each with what its month has cost after a roll-up, and raises the alarm of those that are used up, once.
//!
//! A run *claims* the alarm of a month by a conditional write, raises it, and notes that it was raised. Of two runs at once one gets the
//! claim. A run that dies in between leaves a claim without that note, which a later run takes over once it is [`STALE_MS`] old: the alarm
//! is raised at least once, and a second time only where a run died after it and before the note.

use chrono::NaiveDate;
use headcount_core::budget::{Budget, BudgetScope, Burn, Month, shown_amount};
use headcount_core::calendar::days_before;
use headcount_core::metrics::{DailyMetrics, Figures};
use headcount_runtime::retry::retry;
use headcount_store::budgets::{Budgets, read};
use headcount_store::rows::{AlarmRow, Put};
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::{Duration, Instant};

use crate::calendar_window::today;
use crate::error::AggregateError;
use crate::ledger::Ledger;
use crate::run::Run;
use crate::topic::{PublishError, Topic};

/// How old a claim is that another run takes over: much more than publishing may take, much less than the hour between two runs.
pub const STALE_MS: i64 = 5 * 60 * 1_000;

/// How long publishing one alarm may take, all tries together.
const PUBLISH_TIME: Duration = Duration::from_secs(30);

/// Where alarms of budgets go.
#[derive(Clone, Debug, Default)]
pub enum Alarms {
    /// Nowhere, and budgets are not looked at. A run by hand must not take an alarm away from the function that knows the topic.
    #[default]
    Off,
    /// To the program's own log.
    Log,
    /// To the log and to a topic of SNS.
    Topic(Topic),
}

/// What a run did about budgets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetCheck {
    /// Alarms that it raised.
    pub raised: Vec<RaisedAlarm>,
    /// Why it did not get to all budgets, or could not raise an alarm: the next run tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl BudgetCheck {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.raised.is_empty() && self.error.is_none()
    }
}

/// An alarm that was raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RaisedAlarm {
    /// The budget's scope, as `account acme`.
    pub scope: String,
    /// The month, as `2026-03`.
    pub month: String,
    /// The budget's amount.
    pub amount_nanos: u64,
    /// What the month has cost so far.
    pub spent_nanos: u64,
    /// Whether it may have cost more.
    pub is_lower_bound: bool,
    /// What the month will probably cost.
    pub forecast_nanos: u64,
}

/// Compares the budgets with the figures that the roll-up left. An error is in the report, and stops nothing.
pub(crate) async fn check<S: AggregatorStore>(run: &Run<'_, S>, ledger: &Ledger) -> BudgetCheck {
    let mut check = BudgetCheck::default();
    if matches!(run.deps.alarms, Alarms::Off) {
        return check;
    }
    if let Err(error) = check_into(run, ledger, &mut check).await {
        tracing::error!(%error, "budgets were not compared with their costs, or an alarm was not raised; the next run tries again");
        check.error = Some(error.to_string());
    }
    check
}

async fn check_into<S: AggregatorStore>(
    run: &Run<'_, S>,
    ledger: &Ledger,
    check: &mut BudgetCheck,
) -> Result<(), AggregateError> {
    let today = today(run.zone(), run.now_ms);
    let yesterday = days_before(today, 1);
    // What the last hour of a month has cost is rolled up in the next one.
    let last_month = Some(yesterday).filter(|day| Month::of(*day) != Month::of(today));
    let month = Month::of(last_month.unwrap_or(today));
    let Budgets { budgets, alarms } = read(&run.deps.store, month, &run.deps.jitter, run.deadline).await?;
    if budgets.is_empty() {
        return Ok(());
    }
    let from = Burn::first_day(last_month.unwrap_or(today)).min(Burn::first_day(today));
    let figures: Vec<(NaiveDate, Option<Figures>)> = ledger
        .dailies(from, today)
        .map(|row| (row.date, DailyMetrics::from_object(&row.data).ok().map(|metrics| metrics.figures)))
        .collect();
    for as_of in last_month.into_iter().chain([today]) {
        for budget in &budgets {
            let costs = figures.iter().map(|(date, figures)| (*date, budget.scope.cost_of_day(figures.as_ref())));
            let burn = Burn::of(as_of, costs);
            let burn = if as_of == today { burn } else { burn.of_an_ended_month() };
            let known = alarms.get(&(burn.month, budget.scope.clone()));
            if burn.spent.nanos >= budget.monthly_nanos && is_due(known, budget, run.now_ms) {
                raise(run, budget, &burn, check).await?;
            }
        }
    }
    Ok(())
}

/// Whether an alarm may be claimed, as far as the listing tells; the claim itself decides.
fn is_due(known: Option<&AlarmRow>, budget: &Budget, now_ms: i64) -> bool {
    known.is_none_or(|known| {
        known.amount_nanos < budget.monthly_nanos
            || (known.raised_ms.is_none() && known.claimed_ms < now_ms.saturating_sub(STALE_MS))
    })
}

async fn raise<S: AggregatorStore>(
    run: &Run<'_, S>,
    budget: &Budget,
    burn: &Burn,
    check: &mut BudgetCheck,
) -> Result<(), AggregateError> {
    let crate::Deps { store, jitter, clock, .. } = run.deps;
    run.check_time(|| format!("the alarm of the budget of {} was raised", budget.scope.title()))?;
    let now_ms = clock.now_ms();
    let claimed = AlarmRow {
        month: burn.month,
        scope: budget.scope.clone(),
        amount_nanos: budget.monthly_nanos,
        claim: jitter.draw(),
        claimed_ms: now_ms,
        raised_ms: None,
    };
    let stale_ms = now_ms.saturating_sub(STALE_MS);
    if retry(jitter, run.deadline, || store.claim_alarm(&claimed, stale_ms)).await? == Put::Refused {
        return Ok(());
    }
    let alarm = RaisedAlarm {
        scope: budget.scope.title(),
        month: burn.month.to_string(),
        amount_nanos: budget.monthly_nanos,
        spent_nanos: burn.spent.nanos,
        is_lower_bound: burn.spent.is_lower_bound,
        forecast_nanos: burn.forecast_nanos,
    };
    if let Alarms::Topic(topic) = &run.deps.alarms {
        let text = message(&run.deployment().project, &budget.scope, burn, budget.monthly_nanos);
        let until = run.deadline.min(Instant::now() + PUBLISH_TIME);
        retry(jitter, until, || topic.publish(&text)).await.map_err(|error: PublishError| AggregateError::Alarm {
            scope: alarm.scope.clone(),
            error: error.to_string(),
        })?;
    }
    tracing::warn!(
        scope = alarm.scope,
        month = alarm.month,
        amount = shown_amount(alarm.amount_nanos),
        spent = shown_amount(alarm.spent_nanos),
        forecast = shown_amount(alarm.forecast_nanos),
        at_least = alarm.is_lower_bound,
        "a budget of AI cost is used up"
    );
    check.raised.push(alarm);
    // Refused: somebody took this run for dead and has raised it again.
    retry(jitter, run.deadline, || store.finish_alarm(&claimed, clock.now_ms())).await?;
    Ok(())
}

/// What a person is told.
fn message(project: &str, scope: &BudgetScope, burn: &Burn, amount_nanos: u64) -> String {
    let one_line = |text: &str| text.replace(char::is_control, " ");
    let of_scope = match scope {
        BudgetScope::Project => String::new(),
        BudgetScope::Account(name) => format!(" --account {}", quoted(name)),
        BudgetScope::Feature(name) => format!(" --feature {}", quoted(name)),
    };
    let title = match scope {
        BudgetScope::Project => format!("project {}", one_line(project)),
        _ => format!("{} in project {}", one_line(&scope.title()), one_line(project)),
    };
    let [amount, spent, forecast] = [amount_nanos, burn.spent.nanos, burn.forecast_nanos].map(shown_amount);
    let at_least = if burn.spent.is_lower_bound { "at least " } else { "" };
    let (month, first, last) = (burn.month, burn.month.first(), burn.month.last());
    format!(
        "The AI budget of {title} for {month} is used up: {at_least}{spent} of {amount} is spent. Forecast for the month: {at_least}{forecast}.\n\
         \n\
         What to do:\n\
         - See which models, accounts, features and users it was: headcount ai --from {first} --to {last}\n\
         - Nothing is switched off. To be told again at a larger amount: headcount budget set{of_scope} --monthly AMOUNT\n\
         - This alarm does not repeat in {month}.\n"
    )
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./@:".contains(&byte));
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace(char::is_control, " ").replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use headcount_core::budget::DayCost;

    use super::*;

    #[test]
    fn a_message_names_scope_amount_spent_forecast_and_what_to_do() {
        let spent = |is_lower_bound| DayCost { nanos: 51_200_000_000, is_lower_bound };
        let burn = |of| Burn { month: "2026-02".parse().unwrap(), spent: spent(of), forecast_nanos: 96_304_000_000 };
        let account = BudgetScope::account("acme").unwrap();
        let told = message("shop", &account, &burn(false), 50_000_000_000);
        for part in [
            "budget of account acme in project shop for 2026-02",
            ": $51.20 of $50.00 is spent",
            ": $96.30.",
            "headcount ai --from 2026-02-01 --to 2026-02-28",
            "headcount budget set --account acme --monthly",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let told = message("shop", &BudgetScope::Project, &burn(true), 50_000_000_000);
        assert!(
            told.contains("of project shop for") && told.contains("at least $51.20") && told.contains("set --monthly")
        );
        let told = message("shop", &BudgetScope::feature("it's\nall").unwrap(), &burn(false), 1);
        assert!(told.contains("feature it's all in") && told.contains(r"--feature 'it'\''s all' --monthly"), "{told}");
    }
}
