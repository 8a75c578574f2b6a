//! Budgets of AI cost: what is spent of each this month, and what the month will probably cost.

use chrono::NaiveDate;
use headcount_core::budget::{Budget, Burn, Month};
use headcount_store::budgets::{Budgets, read};
use headcount_store::rows::AlarmRow;
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::deps::{Deps, deadline};
use crate::error::QueryError;
use crate::gather::{Depth, ask};
use crate::range::Range;

/// The budgets and this month's cost.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetReport {
    /// The month, as `2026-03`.
    pub month: String,
    /// The day up to which it is spent: today in the reporting zone.
    pub today: NaiveDate,
    /// The project's budget first, then those of accounts and of features by name.
    pub budgets: Vec<BudgetStatus>,
}

/// A budget and what is spent of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// `project`, `account` or `feature`.
    pub scope: String,
    /// The account or feature; null for the project.
    pub name: Option<String>,
    /// US dollars a month.
    pub amount: f64,
    /// Nano-dollars, exact.
    pub amount_nanos: u64,
    /// US dollars spent this month.
    pub spent: f64,
    /// Nano-dollars, exact.
    pub spent_nanos: u64,
    /// Whether more may be spent: a day has more names of the kind than it lists, or figures are missing.
    pub is_lower_bound: bool,
    /// What is spent, as a share of the amount.
    pub spent_share: f64,
    /// US dollars that the month will probably cost.
    pub forecast: f64,
    /// Nano-dollars.
    pub forecast_nanos: u64,
    /// When the alarm of this amount was raised this month, milliseconds since the epoch; null where it was not.
    pub alarmed_at: Option<i64>,
}

/// The budgets and what is spent of them.
///
/// # Errors
///
/// As [`crate::platform::get_platform_metrics`].
pub async fn get_budgets<S: QueryStore>(deps: &Deps<S>) -> Result<BudgetReport, QueryError> {
    let (_, today) = deps.today().await?;
    let month = Month::of(today);
    let Budgets { mut budgets, alarms } = read(&deps.store, month, &deps.jitter, deadline()).await?;
    budgets.sort_by(|a, b| a.scope.cmp(&b.scope));
    let range = Range { from: Burn::first_day(today), to: today };
    if budgets.is_empty() {
        return Ok(BudgetReport { month: month.to_string(), today, budgets: Vec::new() });
    }
    ask(deps, &[range], Depth::Counters, move |gathered| {
        let days = gathered.days(range);
        let of = |budget: &Budget| {
            let costs = days.iter().map(|day| (day.metrics.date, budget.scope.cost_of(&day.metrics.figures)));
            status(budget, &Burn::of(today, costs), alarms.get(&(month, budget.scope.clone())))
        };
        Ok(BudgetReport { month: month.to_string(), today, budgets: budgets.iter().map(of).collect() })
    })
    .await
}

fn status(budget: &Budget, burn: &Burn, alarm: Option<&AlarmRow>) -> BudgetStatus {
    let dollars = |nanos: u64| nanos as f64 / 1e9;
    let of_amount = alarm.filter(|alarm| alarm.amount_nanos >= budget.monthly_nanos);
    BudgetStatus {
        scope: budget.scope.kind().to_owned(),
        name: budget.scope.name().map(str::to_owned),
        amount: dollars(budget.monthly_nanos),
        amount_nanos: budget.monthly_nanos,
        spent: dollars(burn.spent.nanos),
        spent_nanos: burn.spent.nanos,
        is_lower_bound: burn.spent.is_lower_bound,
        spent_share: burn.spent.nanos as f64 / budget.monthly_nanos as f64,
        forecast: dollars(burn.forecast_nanos),
        forecast_nanos: burn.forecast_nanos,
        alarmed_at: of_amount.and_then(|alarm| alarm.raised_ms),
    }
}
