//! What a roll-up did, date by date.

use chrono::NaiveDate;
use headcount_runtime::telemetry;
use serde::Serialize;

use crate::recount::RecountedSource;
use crate::verify::Verification;
use headcount_core::merged::SetAside;

/// What a roll-up did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RollUp {
    /// Every named date, and every other one that has something to tell, in order.
    pub days: Vec<DayRollUp>,
}

impl RollUp {
    /// Adds it to the process's metrics.
    pub fn measure(&self) {
        let sum = |of: fn(&DayRollUp) -> usize| self.days.iter().map(of).sum::<usize>() as u64;
        let unverified = self.days.iter().filter(|day| day.verification_error.is_some()).count();
        for (name, count) in [
            (telemetry::DAYS, self.days.len() as u64),
            (telemetry::FAILED_DAYS, (self.failed().count() + unverified) as u64),
            (telemetry::SOURCES, sum(|day| day.sources)),
            (telemetry::SOURCES_RECOUNTED, sum(|day| day.sources_recounted.len())),
            (telemetry::SOURCES_SET_ASIDE, sum(|day| day.sources_set_aside.len())),
        ] {
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
    /// Whether the day was closed now: it takes no more events.
    pub closed: bool,
    /// Sources that have a partial of the day.
    pub sources: usize,
    /// Sources that are missing in the figures, because their partials are damaged. `rebuild` counts them again.
    pub sources_set_aside: Vec<SetAside>,
    /// Sources that were recounted from the day's events.
    pub sources_recounted: Vec<RecountedSource>,
    /// Sources that wait to be recounted: too busy now, or their events expire.
    pub sources_waiting: Vec<String>,
    /// Days whose stored sketches are damaged and could not be made again, so that they are missing in the weekly and
    /// monthly figures.
    pub sketches_set_aside: Vec<NaiveDate>,
    /// How the day compares with its events; only where it was closed.
    pub verification: Option<Verification>,
    /// Why the day could not be verified, and therefore stays open.
    pub verification_error: Option<String>,
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
            closed: false,
            sources: 0,
            sources_set_aside: Vec::new(),
            sources_recounted: Vec::new(),
            sources_waiting: Vec::new(),
            sketches_set_aside: Vec::new(),
            verification: None,
            verification_error: None,
        }
    }

    /// One line of the log for what happened, and one for everything that a person should know.
    pub(super) fn log(&self) {
        let date = self.date;
        for source in &self.sources_set_aside {
            tracing::warn!(%date, source = source.source, reason = source.reason, "a damaged partial was set aside");
        }
        for source in &self.sources_recounted {
            let lost = source.lost.join(", ");
            tracing::info!(%date, source = source.source, lost, "a source was recounted from its events");
        }
        for source in &self.sources_waiting {
            tracing::warn!(%date, source, "a source waits to be recounted");
        }
        for day in &self.sketches_set_aside {
            tracing::warn!(%date, %day, "damaged sketches are missing in weekly and monthly figures");
        }
        if let Some(verification) = self.verification.as_ref().filter(|verification| !verification.passed()) {
            let sources = verification.sources.iter().filter(|source| !source.passed()).count();
            tracing::warn!(%date, sources, "a closing day differs from its events");
        }
        if let Some(error) = &self.verification_error {
            tracing::warn!(%date, error, "a day could not be verified and stays open");
        }
        match &self.outcome {
            Outcome::Failed { error } => tracing::error!(%date, error, "a day was not aggregated"),
            Outcome::Written => {
                tracing::info!(%date, sources = self.sources, closed = self.closed, "a day's metrics were written");
            }
            Outcome::Superseded => tracing::info!(%date, "a day's metrics were made of newer partials already"),
            Outcome::Unchanged | Outcome::Empty => tracing::debug!(%date, "a day needed nothing"),
        }
    }
}
