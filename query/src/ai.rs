//! The use of language models, and what it costs.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::metrics::{ModelFigures, SpentFigures};
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::day::DayState;
use crate::deps::Deps;
use crate::error::QueryError;
use crate::estimate::UsersError;
use crate::gather::{Depth, ask};
use crate::range::Range;

/// The use of language models over a range of days.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiReport {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    /// Nano-dollars, exact.
    pub cost_nanos: u64,
    /// Different users of the range, whether they used a model or not.
    pub active_users: u64,
    /// How far they may be off.
    pub users_error: UsersError,
    /// Requests that failed: they have an `errorType`.
    pub failed_requests: u64,
    /// Requests that used tokens and whose cost is not known: they are in no cost.
    pub unpriced_requests: u64,
    /// Different accounts of the range, whether they used a model or not.
    pub active_accounts: u64,
    /// US dollars for each active user; null where there is none.
    pub cost_per_user: Option<f64>,
    /// By model, the most expensive first.
    pub models: Vec<Model>,
    /// How far latencies may be off, as a share of them; 0 where they are exact.
    pub latency_relative_error: f64,
    /// By account, of the requests that name one: the most expensive first.
    pub accounts: Vec<Spender>,
    /// By feature, of the requests that name one: the most expensive first.
    pub features: Vec<Spender>,
    /// By user, of the requests that have one: the most expensive first.
    pub users: Vec<Spender>,
    /// Whether a day has more names of a kind than are counted exactly: counts of names are lower bounds.
    pub names_approximate: bool,
    /// Of each day, in order.
    pub days: Vec<AiDay>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Requests, tokens, cost.
    #[serde(flatten)]
    pub used: ModelFigures,
    /// Its cost as a share of all cost.
    pub cost_share: f64,
    /// US dollars for each request.
    pub cost_per_request: f64,
    /// Its requests that failed as a share of all of its requests.
    pub error_share: f64,
}

/// An account, a feature or a user.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spender {
    /// Its name or id.
    pub name: String,
    /// Requests, tokens, cost.
    #[serde(flatten)]
    pub spent: SpentFigures,
    /// Its cost as a share of all cost.
    pub cost_share: f64,
}

/// One day.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiDay {
    /// The date.
    pub date: NaiveDate,
    /// Where the figures come from.
    pub state: DayState,
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    /// Nano-dollars, exact.
    pub cost_nanos: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// Requests whose cost is not known.
    pub unpriced_requests: u64,
}

/// The use of language models over a range.
///
/// # Errors
///
/// As [`crate::platform::get_platform_metrics`].
pub async fn get_ai_usage<S: QueryStore>(deps: &Deps<S>, range: Range) -> Result<AiReport, QueryError> {
    ask(deps, &[range], Depth::Users, move |gathered| {
        let total = gathered.total(range)?;
        let all = &total.ai_usage;
        let mut models: Vec<_> = all.by_model.iter().map(|(name, used)| model(name, *used, all.total_cost)).collect();
        models.sort_by(|a, b| b.used.cost_nanos.cmp(&a.used.cost_nanos).then_with(|| a.name.cmp(&b.name)));
        let days = gathered.days(range).into_iter().map(|day| AiDay {
            date: day.metrics.date,
            state: day.state,
            requests: day.metrics.figures.ai_usage.total_requests,
            tokens: day.metrics.figures.ai_usage.total_tokens,
            cost: day.metrics.figures.ai_usage.total_cost,
            cost_nanos: day.metrics.figures.ai_usage.total_cost_nanos,
            failed_requests: day.metrics.figures.ai_usage.failed_requests,
            unpriced_requests: day.metrics.figures.ai_usage.unpriced_requests,
        });
        Ok(AiReport {
            from: range.from,
            to: range.to,
            requests: all.total_requests,
            tokens: all.total_tokens,
            cost: all.total_cost,
            cost_nanos: all.total_cost_nanos,
            active_users: total.active_users,
            users_error: UsersError::of(&total),
            cost_per_user: (total.active_users > 0).then(|| all.total_cost / total.active_users as f64),
            failed_requests: all.failed_requests,
            unpriced_requests: all.unpriced_requests,
            active_accounts: total.active_accounts,
            models,
            latency_relative_error: total.estimate.latency_relative_error,
            accounts: spenders(&all.by_account, all.total_cost),
            features: spenders(&all.by_feature, all.total_cost),
            users: spenders(&all.by_user, all.total_cost),
            names_approximate: total.estimate.names_approximate,
            days: days.collect(),
        })
    })
    .await
}

fn model(name: &str, used: ModelFigures, all_cost: f64) -> Model {
    Model {
        name: name.to_owned(),
        used,
        cost_share: ratio(used.cost, all_cost),
        cost_per_request: ratio(used.cost, used.requests as f64),
        error_share: ratio(used.errors as f64, used.requests as f64),
    }
}

/// The most expensive first.
fn spenders(named: &BTreeMap<String, SpentFigures>, all_cost: f64) -> Vec<Spender> {
    let spender = |(name, spent): (&String, &SpentFigures)| Spender {
        name: name.clone(),
        spent: *spent,
        cost_share: ratio(spent.cost, all_cost),
    };
    let mut spenders: Vec<_> = named.iter().map(spender).collect();
    spenders.sort_by(|a, b| {
        let rank = |one: &Spender| (one.spent.cost_nanos, one.spent.requests);
        rank(b).cmp(&rank(a)).then_with(|| a.name.cmp(&b.name))
    });
    spenders
}

fn ratio(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { 0.0 }
}
