//! A day made again from its raw events: every source recounted, then aggregated.

use chrono::NaiveDate;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{expired_since, rejected_expired};
use crate::day::Run;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::recount::{RecountedSource, recount};
use crate::roll_up::{RollUp, roll_up};

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// The date.
    pub date: NaiveDate,
    /// Sources that were recounted, each with the figures that it lost.
    pub sources_recounted: Vec<RecountedSource>,
    /// Sources that kept being written while they were recounted: run it again.
    pub sources_waiting: Vec<String>,
    /// Figures that events cannot tell, and that therefore stayed what they were.
    pub carried_over: Vec<&'static str>,
    /// The aggregation of the day, and of those that follow it.
    pub roll_up: RollUp,
}

impl Rebuild {
    /// Whether every source was recounted and the day aggregated.
    pub fn is_complete(&self) -> bool {
        self.sources_waiting.is_empty() && self.roll_up.failed().next().is_none()
    }
}

/// Recounts every source of `date` from its stored events at or before its fence, damaged ones too, and aggregates the
/// day. The consumer may go on writing meanwhile: each source is written only if it is still what was read.
///
/// # Errors
///
/// [`AggregateError::Expired`] where events of the day may be gone, for half a day would replace good figures; or the
/// table could not be read in time.
pub async fn rebuild<S: AggregatorStore>(
    deps: &Deps<S>,
    date: NaiveDate,
    deadline: Instant,
) -> Result<Rebuild, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    if let Some(expiry) = expired_since(run.zone(), date, run.now_ms) {
        return Err(AggregateError::Expired { date, expiry });
    }
    let sources = run.partials(date).await?;
    let recount = Box::pin(recount(&run, date, sources, |_| true)).await?;
    let roll_up = Box::pin(roll_up(deps, Some(&[date]), deadline)).await?;
    let carried = [("duplicates", true), ("rejected", rejected_expired(run.zone(), date, run.now_ms))];
    Ok(Rebuild {
        date,
        sources_recounted: recount.recounted,
        sources_waiting: recount.waiting,
        carried_over: carried.into_iter().filter_map(|(name, is_carried)| is_carried.then_some(name)).collect(),
        roll_up,
    })
}
