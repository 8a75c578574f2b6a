//! A day's figures, as the item `DAILY` carries them, and the same over a range of days.

mod build;
mod proven;
mod whole;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Object;
use crate::session_sample::SessionIntervals;

pub use build::{DayInput, total};
pub use proven::ProofNote;

/// The figures of one day: the `Data` of its `DAILY` item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DailyMetrics {
    /// The day, of the reporting zone.
    pub date: NaiveDate,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of a day or of a range of days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Different users of the day, or of the whole range.
    pub active_users: u64,
    /// Users ever seen up to the end of the (last) day.
    pub total_users: u64,
    /// Users first seen on the day, or within the range.
    #[serde(rename = "newSignups24h")]
    pub new_signups_24h: u64,
    /// Different users of the day; of a range, the mean of its days, rounded to a whole user.
    pub daily_active_users: u64,
    /// Different users of the 7 days that end with the (last) day.
    pub weekly_active_users: u64,
    /// Different users of the 30 days that end with the (last) day.
    pub monthly_active_users: u64,
    /// Different accounts of the day, or of the whole range.
    pub active_accounts: u64,
    /// Different accounts of the 7 days that end with the (last) day.
    pub weekly_active_accounts: u64,
    /// Different accounts of the 30 days that end with the (last) day.
    pub monthly_active_accounts: u64,
    /// Mean time from a session's first event to its last, milliseconds. Session figures are estimates where
    /// `estimate.sessionsExact` is false.
    pub average_session_duration: f64,
    /// Sessions.
    pub sessions: SessionFigures,
    /// `feature_use` by feature.
    pub feature_usage: BTreeMap<String, u64>,
    /// `content_create`.
    pub content_created: Breakdown,
    /// `ai_request`.
    pub ai_usage: AiUsage,
    /// `error`.
    pub errors: Breakdown,
    /// Events by type; the five built-in ones are always there.
    pub events_by_type: BTreeMap<String, u64>,
    /// Events by hour of the reporting zone's clock, 24 of them.
    pub events_by_hour: Vec<u64>,
    /// Events by platform.
    pub platforms: BTreeMap<String, u64>,
    /// Events by account, of those that name one.
    pub accounts: BTreeMap<String, u64>,
    /// Occurrences that broke a rule, by the day of their arrival.
    pub rejected: u64,
    /// Valid occurrences of events that another occurrence had stored.
    pub duplicates: u64,
    /// Valid events that count for no user: anonymous ones, and those whose `userId` is a placeholder such as `undefined`.
    #[serde(default)]
    pub events_without_user: u64,
    /// Valid events that count in no session, such as those of a server.
    pub events_without_session: u64,
    /// How exact the figures are.
    pub estimate: Estimate,
    /// Whether the day, or every day of the range, takes no more events of the stream and is proven with all that it took. Events that
    /// are redriven or imported later take it away until the day is proven again.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether the day, or every day of the range, is exact: proven from the log, and nothing was counted since.
    pub verified: bool,
    /// What a proof says of the day; none where there is none yet, and of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofNote>,
}

/// Sessions of a day or a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionFigures {
    /// How many.
    pub count: u64,
    /// The median duration, milliseconds.
    pub p50: u64,
    /// The duration that 95 of 100 do not exceed, milliseconds.
    pub p95: u64,
}

/// A total and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    /// In all.
    pub total: u64,
    /// By type.
    pub by_type: BTreeMap<String, u64>,
}

/// Use of language models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AiUsage {
    /// Requests.
    pub total_requests: u64,
    /// Tokens.
    pub total_tokens: u64,
    /// US dollars.
    pub total_cost: f64,
    /// Nano-dollars, exact; at most `u64::MAX` (18 billion dollars).
    pub total_cost_nanos: u64,
    /// Requests that failed: they have an `errorType`.
    pub failed_requests: u64,
    /// Requests that used tokens and whose cost is not known: no price table had their model.
    pub unpriced_requests: u64,
    /// By model.
    pub by_model: BTreeMap<String, ModelFigures>,
    /// By account, of the requests that name one. Those that cost most are listed.
    pub by_account: BTreeMap<String, SpentFigures>,
    /// By feature, of the requests that name one. Those that cost most are listed.
    pub by_feature: BTreeMap<String, SpentFigures>,
    /// By user, of the requests that have one. Those that cost most are listed.
    pub by_user: BTreeMap<String, SpentFigures>,
}

/// What requests to language models took and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpentFigures {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    /// Nano-dollars, exact.
    pub cost_nanos: u64,
}

/// Use of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelFigures {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    /// Nano-dollars, exact.
    pub cost_nanos: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that used tokens and whose cost is not known.
    pub unpriced: u64,
    /// How long requests took, of those that say so. Estimated to within `estimate.latencyRelativeError`.
    pub latency: LatencyFigures,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatencyFigures {
    /// Requests that say how long they took.
    pub count: u64,
    /// The median, milliseconds.
    pub p50: u64,
    /// What 95 of 100 do not exceed, milliseconds.
    pub p95: u64,
}

/// How exact figures are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The standard error of user figures, as a share of them; small numbers are nearly exact.
    pub users_relative_standard_error: f64,
    /// The same of account figures.
    pub accounts_relative_standard_error: f64,
    /// How far latencies may be off, as a share of them; 0 where they are exact.
    pub latency_relative_error: f64,
    /// Whether session figures are exact.
    pub sessions_exact: bool,
    /// The 95 % confidence intervals of session figures.
    pub session_intervals: SessionIntervals,
    /// Sources that are not in the figures, because their partials are damaged.
    pub sources_set_aside: u32,
    /// Whether a day has more names of a kind (features, models, errors and so on) than are counted exactly: the most used
    /// are listed, and their counts are lower bounds.
    #[serde(default)]
    pub names_approximate: bool,
}

impl Default for Estimate {
    fn default() -> Self {
        Self {
            users_relative_standard_error: 0.0,
            accounts_relative_standard_error: 0.0,
            latency_relative_error: 0.0,
            sessions_exact: true,
            session_intervals: SessionIntervals::default(),
            sources_set_aside: 0,
            names_approximate: false,
        }
    }
}

/// `Data` of a `DAILY` item that are no figures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it holds no daily figures: {0}; roll the day up again")]
pub struct MetricsError(String);

impl DailyMetrics {
    /// A day of which nothing is known: all zero, open.
    pub fn empty(date: NaiveDate) -> Self {
        let figures =
            Figures { events_by_type: build::built_in_types(), events_by_hour: vec![0; 24], ..Figures::default() };
        Self { date, figures }
    }

    /// The `Data` map.
    pub fn to_object(&self) -> Object {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            // Every key is text and every number finite: there is nothing here that JSON cannot hold.
            other => unreachable!("figures are a JSON object: {other:?}"),
        }
    }

    /// The figures in a `Data` map, whichever way a table writes whole numbers: `1` or `1.0`.
    ///
    /// # Errors
    ///
    /// [`MetricsError`], where a field is missing or of another type, or the hours are not 24.
    pub fn from_object(object: &Object) -> Result<Self, MetricsError> {
        let malformed = |error: serde_json::Error| MetricsError(error.to_string());
        // Field by field: serde would copy a flattened struct's fields before it reads them.
        let date = object.get("date").ok_or_else(|| MetricsError("missing field `date`".to_owned()))?;
        let date = NaiveDate::deserialize(date).map_err(malformed)?;
        let metrics = Self { date, figures: Figures::deserialize(whole::fields(object)).map_err(malformed)? };
        match metrics.figures.events_by_hour.len() {
            24 => Ok(metrics),
            hours => Err(MetricsError(format!("eventsByHour has {hours} hours, not 24"))),
        }
    }
}

#[cfg(test)]
mod tests;
