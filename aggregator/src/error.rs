//! Why an aggregation, or a part of it, failed.

use chrono::NaiveDate;
use headcount_core::deployment::DeploymentError;
use headcount_core::user_sketch::SketchError;
use headcount_log::LogError;
use headcount_proof::ProveError;
use headcount_runtime::compute::ComputeError;
use headcount_store::error::StoreError;
use headcount_store::meta::OpenError;
use lambda_runtime::Diagnostic;

use crate::calendar_window::MAX_DATES;

/// Why an aggregation, or a part of it, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// Neither log nor table was ever used.
    #[error(
        "the log's storage holds no deployment, so no event was ever sent: check the name of the bucket (or data \
         directory), or send events first"
    )]
    NoDeployment,
    /// Log and table must not be used by this build or this configuration.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The log could not be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A request to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many dates at once.
    #[error("{count} dates were named, at most {MAX_DATES} can be aggregated at once: name fewer")]
    TooManyDates {
        /// How many.
        count: usize,
    },
    /// The function's event is not understood.
    #[error(
        "the event's {field} {problem}: send {{\"task\":\"follow\"}}, {{\"task\":\"prove\"}}, {{\"dates\":[\"2026-03-01\"]}}, or \
         nothing for the open days"
    )]
    Event {
        /// The field.
        field: String,
        /// The rule it breaks.
        problem: String,
    },
    /// Entries with events of the day have expired, or may have.
    #[error(
        "the log no longer has every entry of {date} ({why}), so the day can be neither verified nor rebuilt: its stored \
         figures stay as they are"
    )]
    Expired {
        /// The date.
        date: NaiveDate,
        /// What is missing.
        why: String,
    },
    /// A day's stored metrics are no figures.
    #[error("the metrics METRICS#{date} / DAILY are malformed: roll up {date} by name, which makes them again")]
    MalformedDaily {
        /// The date.
        date: NaiveDate,
    },
    /// A partial kept changing while it was folded anew.
    #[error("the partial of {source_name} of {date} kept changing while it was folded anew: run it again")]
    Contended {
        /// The date.
        date: NaiveDate,
        /// The source.
        source_name: String,
    },
    /// The time was used up.
    #[error("the time ran out before {what}: run it again, or give it more time")]
    Deadline {
        /// What was not done.
        what: String,
    },
    /// A listing gave the same page again.
    #[error("the listing of {what} does not advance")]
    Stuck {
        /// What was listed.
        what: String,
    },
    /// The deployment's sketch precision is none.
    #[error("the deployment's sketch precision cannot be used: {0}")]
    Precision(SketchError),
    /// A day could not be counted from the log.
    #[error(transparent)]
    Prove(ProveError),
    /// A computation failed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The alarm of a budget could not be raised.
    #[error("the alarm of the budget of {scope} was not raised: {error}")]
    Alarm {
        /// Of which budget.
        scope: String,
        /// Why.
        error: String,
    },
    /// Some dates failed; the others were aggregated.
    #[error("{failed} of {dates} dates were not aggregated, the first {date}: {error}")]
    Incomplete {
        /// How many.
        failed: usize,
        /// Of how many.
        dates: usize,
        /// The first of them.
        date: NaiveDate,
        /// Why.
        error: String,
    },
}

impl From<OpenError> for AggregateError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => Self::Store(error),
            OpenError::Deployment(error) => Self::Deployment(error),
        }
    }
}

impl From<ProveError> for AggregateError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Log(error) => Self::Log(error),
            other => Self::Prove(other),
        }
    }
}

impl AggregateError {
    /// The name under which the Lambda service reports it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoDeployment => "NoDeployment",
            Self::Deployment(_) => "Deployment",
            Self::Log(_) => "Log",
            Self::Store(_) => "Store",
            Self::TooManyDates { .. } => "TooManyDates",
            Self::Event { .. } => "Event",
            Self::Expired { .. } => "Expired",
            Self::MalformedDaily { .. } => "MalformedDaily",
            Self::Contended { .. } => "Contended",
            Self::Deadline { .. } => "Deadline",
            Self::Stuck { .. } => "Stuck",
            Self::Precision(_) => "Precision",
            Self::Prove(_) => "Prove",
            Self::Compute(_) => "Compute",
            Self::Alarm { .. } => "Alarm",
            Self::Incomplete { .. } => "Incomplete",
        }
    }
}

impl From<AggregateError> for Diagnostic {
    fn from(error: AggregateError) -> Self {
        Self { error_type: error.name().to_owned(), error_message: error.to_string() }
    }
}
