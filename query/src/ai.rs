//! The use of language models, and what it costs.

use chrono::NaiveDate;
use headcount_core::metrics::ModelFigures;
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
    /// US dollars for each active user; null where there is none.
    pub cost_per_user: Option<f64>,
    /// By model, the most expensive first.
    pub models: Vec<Model>,
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
            models,
            names_approximate: total.estimate.names_approximate,
            days: days.collect(),
        })
    })
    .await
}

fn model(name: &str, used: ModelFigures, all_cost: f64) -> Model {
    let ratio = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
    Model {
        name: name.to_owned(),
        used,
        cost_share: ratio(used.cost, all_cost),
        cost_per_request: ratio(used.cost, used.requests as f64),
    }
}
