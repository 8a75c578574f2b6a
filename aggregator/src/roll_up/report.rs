//! What a roll-up did, date by date.

use chrono::NaiveDate;
use headcount_store::telemetry;
use serde::Serialize;

use crate::recount::RecountedLane;
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
            (telemetry::LANES, sum(|day| day.lanes)),
            (telemetry::LANES_RECOUNTED, sum(|day| day.lanes_recounted.len())),
            (telemetry::LANES_SET_ASIDE, sum(|day| day.lanes_set_aside.len())),
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
    /// Lanes that have a partial of the day.
    pub lanes: usize,
    /// Lanes that are missing in the figures, because their partials are damaged. `rebuild` counts them again.
    pub lanes_set_aside: Vec<SetAside>,
    /// Lanes that were recounted from the day's events.
    pub lanes_recounted: Vec<RecountedLane>,
    /// Lanes that wait to be recounted: too busy now, or their events expire.
    pub lanes_waiting: Vec<String>,
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
            lanes: 0,
            lanes_set_aside: Vec::new(),
            lanes_recounted: Vec::new(),
            lanes_waiting: Vec::new(),
            sketches_set_aside: Vec::new(),
            verification: None,
            verification_error: None,
        }
    }

    /// One line of the log for what happened, and one for everything that a person should know.
    pub(super) fn log(&self) {
        let date = self.date;
        for lane in &self.lanes_set_aside {
            tracing::warn!(%date, lane = lane.lane, reason = lane.reason, "a damaged partial was set aside");
        }
        for lane in &self.lanes_recounted {
            let lost = lane.lost.join(", ");
            tracing::info!(%date, lane = lane.lane, lost, "a lane was recounted from its events");
        }
        for lane in &self.lanes_waiting {
            tracing::warn!(%date, lane, "a lane waits to be recounted");
        }
        for day in &self.sketches_set_aside {
            tracing::warn!(%date, %day, "damaged sketches are missing in weekly and monthly figures");
        }
        if let Some(verification) = self.verification.as_ref().filter(|verification| !verification.passed()) {
            let lanes = verification.lanes.iter().filter(|lane| !lane.passed()).count();
            tracing::warn!(%date, lanes, "a closing day differs from its events");
        }
        if let Some(error) = &self.verification_error {
            tracing::warn!(%date, error, "a day could not be verified and stays open");
        }
        match &self.outcome {
            Outcome::Failed { error } => tracing::error!(%date, error, "a day was not aggregated"),
            Outcome::Written => {
                tracing::info!(%date, lanes = self.lanes, closed = self.closed, "a day's metrics were written");
            }
            Outcome::Superseded => tracing::info!(%date, "a day's metrics were made of newer partials already"),
            Outcome::Unchanged | Outcome::Empty => tracing::debug!(%date, "a day needed nothing"),
        }
    }
}
