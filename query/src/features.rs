//! What people use, and what they make.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::day::DayState;
use crate::deps::Deps;
use crate::error::QueryError;
use crate::gather::{Depth, ask};
use crate::range::Range;

/// The use of features over a range of days.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureUsage {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Uses in all.
    pub total: u64,
    /// By feature, the most used first.
    pub features: Vec<NamedCount>,
    /// What was made, by type, the most frequent first.
    pub content: Vec<NamedCount>,
    /// Whether a day has more names of a kind than are counted exactly: counts of names are lower bounds.
    pub names_approximate: bool,
    /// Of each day, in order.
    pub days: Vec<FeatureDay>,
}

/// A name and how often it was counted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NamedCount {
    /// The name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// As a share of all.
    pub share: f64,
}

/// The use of features on one day.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FeatureDay {
    /// The date.
    pub date: NaiveDate,
    /// Where the counts come from.
    pub state: DayState,
    /// By feature.
    pub features: BTreeMap<String, u64>,
    /// What was made, by type.
    pub content: BTreeMap<String, u64>,
}

/// The use of features over a range.
///
/// # Errors
///
/// As [`crate::platform::get_platform_metrics`].
pub async fn get_feature_usage<S: QueryStore>(deps: &Deps<S>, range: Range) -> Result<FeatureUsage, QueryError> {
    ask(deps, &[range], Depth::Counters, move |gathered| {
        let sum = gathered.counters(range)?;
        let days = gathered.days(range);
        let days = days.iter().map(|day| FeatureDay {
            date: day.metrics.date,
            state: day.state,
            features: day.metrics.figures.feature_usage.clone(),
            content: day.metrics.figures.content_created.by_type.clone(),
        });
        Ok(FeatureUsage {
            from: range.from,
            to: range.to,
            total: sum.feature_usage.values().sum(),
            features: ranked(&sum.feature_usage),
            content: ranked(&sum.content_created.by_type),
            names_approximate: sum.estimate.names_approximate,
            days: days.collect(),
        })
    })
    .await
}

/// The most frequent first, equal ones by name.
pub(crate) fn ranked(counts: &BTreeMap<String, u64>) -> Vec<NamedCount> {
    let all: u64 = counts.values().sum();
    let share = |count: u64| if all == 0 { 0.0 } else { count as f64 / all as f64 };
    let mut ranked: Vec<_> = counts
        .iter()
        .map(|(name, count)| NamedCount { name: name.clone(), count: *count, share: share(*count) })
        .collect();
    ranked.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    ranked
}
