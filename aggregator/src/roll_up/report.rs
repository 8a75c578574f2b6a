//! What a roll-up did, date by date.

use chrono::NaiveDate;
use headcount_core::merged::SetAside;
use headcount_runtime::telemetry;
use serde::Serialize;

use crate::budgets::BudgetCheck;
use crate::follow::Following;

/// What a roll-up did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RollUp {
    /// How far the table is behind the log: what [`Following::behind`] names is not in the figures yet.
    pub following: Following,
    /// Every named date, and every other one that has something to tell, in order.
    pub days: Vec<DayRollUp>,
    /// What was done about budgets.
    #[serde(skip_serializing_if = "BudgetCheck::is_empty")]
    pub budgets: BudgetCheck,
}

impl RollUp {
    /// Adds it to the process's metrics.
    pub fn measure(&self) {
        let failed = self.failed().count() as u64;
        for (name, count) in [(telemetry::DAYS, self.days.len() as u64), (telemetry::FAILED_DAYS, failed)] {
            metrics::counter!(name).increment(count);
        }
    }

    /// The dates that failed, each with its error.
    pub fn failed(&self) -> impl Iterator<Item = (NaiveDate, &str)> {
        self.days.iter().filter_map(|day| match &day.outcome {
            Outcome::Failed { error } => Some((day.date, error.as_str())),
            Outcome::Written | Outcome::Unchanged | Outcome::Superseded | Outcome::Empty => None,
        })
    }
}

/// What a roll-up did about one date.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DayRollUp {
    /// The date.
    pub date: NaiveDate,
    /// What became of its metrics.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Whether the day became final now: it takes no more events of a stream, and its proof has all that it took.
    pub became_final: bool,
    /// Sources that have a partial of the day.
    pub sources: usize,
    /// Sources whose damaged partials were folded anew from the log.
    pub sources_refolded: Vec<String>,
    /// Sources that are missing in the figures: their partials are damaged, and the log no longer tells all of the day.
    pub sources_set_aside: Vec<SetAside>,
    /// Days whose stored sketches are damaged and could not be made again, so that they are missing in the weekly and
    /// monthly figures.
    pub sketches_set_aside: Vec<NaiveDate>,
}

/// What became of a date's metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// They were written.
    Written,
    /// They are what they were.
    Unchanged,
    /// What is there was made of newer partials, and stays.
    Superseded,
    /// The date has no partials: there is nothing to aggregate.
    Empty,
    /// They could not be made or written.
    Failed {
        /// Why.
        error: String,
    },
}

impl DayRollUp {
    pub(super) fn new(date: NaiveDate) -> Self {
        Self {
            date,
            outcome: Outcome::Unchanged,
            became_final: false,
            sources: 0,
            sources_refolded: Vec::new(),
            sources_set_aside: Vec::new(),
            sketches_set_aside: Vec::new(),
        }
    }

    /// One line of the log for what happened, and one for everything that a person should know.
    pub(super) fn log(&self) {
        let date = self.date;
        for source in &self.sources_set_aside {
            tracing::warn!(%date, source = source.source, reason = source.reason, "a damaged partial was set aside");
        }
        for source in &self.sources_refolded {
            tracing::warn!(%date, source, "a damaged partial was folded anew from the log");
        }
        for day in &self.sketches_set_aside {
            tracing::warn!(%date, %day, "damaged sketches are missing in weekly and monthly figures");
        }
        match &self.outcome {
            Outcome::Failed { error } => tracing::error!(%date, error, "a day was not aggregated"),
            Outcome::Written => {
                tracing::info!(%date, sources = self.sources, became_final = self.became_final, "a day's metrics were written");
            }
            Outcome::Superseded => tracing::info!(%date, "a day's metrics were made of newer partials already"),
            Outcome::Unchanged | Outcome::Empty => tracing::debug!(%date, "a day needed nothing"),
        }
    }
}
