//! One day of an answer, and where it comes from.

use chrono::NaiveDate;
use headcount_core::metrics::DailyMetrics;
use schemars::JsonSchema;
use serde::Serialize;

/// Where a day's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DayState {
    /// Nothing is stored of it: its figures are zero.
    Missing,
    /// Counted a moment ago from what the sources have counted so far.
    Live,
    /// As it was rolled up; nothing was counted since.
    Stored,
}

/// A day's figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Day {
    /// Where they come from.
    pub state: DayState,
    /// The date and its figures.
    #[serde(flatten)]
    pub metrics: DailyMetrics,
}

impl Day {
    /// A day of which nothing is stored.
    pub(crate) fn missing(date: NaiveDate) -> Self {
        Self { state: DayState::Missing, metrics: DailyMetrics::empty(date) }
    }
}
