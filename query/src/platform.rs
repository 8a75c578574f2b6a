//! The figures of a range of days.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;
use headcount_core::calendar::days;
use headcount_core::metrics::{DailyMetrics, Figures, total};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_store::deployment;
use headcount_store::error::StoreError;
use headcount_store::retry::Jitter;
use headcount_store::rows::{DailyRow, SketchesRow};
use headcount_store::traits::{DailyStore, DeploymentStore};
use serde::Serialize;
use tokio::time::Instant;

use crate::error::QueryError;
use crate::lookup::look_up;

/// Days of one range.
pub const MAX_RANGE_DAYS: u64 = 400;

/// How long one question may wait for the table.
pub const QUERY_TIME: Duration = Duration::from_secs(30);

/// The figures of a range of days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlatformMetrics {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Of the whole range.
    pub total: Figures,
    /// Of each day, in order: the `Data` of its `DAILY` item, or all zero and open where there is none.
    pub days: Vec<DailyMetrics>,
}

/// The figures of the days from `from` to `to`, both included, at most [`MAX_RANGE_DAYS`].
///
/// # Errors
///
/// [`QueryError`] where the range is none or too long, where the table has no deployment or does not answer within
/// [`QUERY_TIME`], or where an item of a day is damaged.
pub async fn platform_metrics<S: DailyStore + DeploymentStore>(
    store: &S,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<PlatformMetrics, QueryError> {
    let dates = range(from, to)?;
    let (jitter, deadline) = (Jitter::from_entropy(), Instant::now() + QUERY_TIME);
    let deployment = Box::pin(deployment::read(store, &jitter, deadline)).await?.ok_or(QueryError::NoDeployment)?;
    let dailies = look_up(&dates, &jitter, deadline, |dates| async move { store.dailies(&dates).await });
    let dailies = Box::pin(dailies).await?;
    let sketches = look_up(&dates, &jitter, deadline, |dates| async move { store.sketches(&dates).await });
    let sketches = Box::pin(sketches).await?;

    let days = in_order(&dates, &dailies)?;
    let (mut users, sessions) = unite(&sketches, deployment.precision)?;
    let total = total(&days, &mut users, &sessions);
    Ok(PlatformMetrics { from, to, total, days })
}

/// The days of the range.
fn range(from: NaiveDate, to: NaiveDate) -> Result<Vec<NaiveDate>, QueryError> {
    if from > to {
        return Err(QueryError::Backwards { from, to });
    }
    let count = (to - from).num_days().unsigned_abs() + 1;
    if count > MAX_RANGE_DAYS {
        return Err(QueryError::TooLong { from, to, days: count });
    }
    Ok(days(from, to).collect())
}

fn in_order(dates: &[NaiveDate], rows: &[DailyRow]) -> Result<Vec<DailyMetrics>, QueryError> {
    let rows: BTreeMap<_, _> = rows.iter().map(|row| (row.date, row)).collect();
    let day = |date: &NaiveDate| match rows.get(date) {
        Some(row) => DailyMetrics::from_object(&row.data).map_err(|error| damaged(*date, "DAILY", error)),
        None => Ok(DailyMetrics::empty(*date)),
    };
    dates.iter().map(day).collect()
}

/// The users and sessions of all these days. A union folds to the lowest precision among them.
fn unite(rows: &[SketchesRow], precision: u8) -> Result<(UserSketch, SessionSample), QueryError> {
    let mut union: Option<UserSketch> = None;
    let mut sessions = SessionSample::default();
    for row in rows {
        let of_day = UserSketch::decode(&row.users).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        match &mut union {
            Some(union) => union.merge(&of_day),
            None => union = Some(of_day),
        }
        let of_day = SessionSample::decode(&row.sessions).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        sessions.merge(&of_day);
    }
    let users = match union {
        Some(users) => users,
        None => UserSketch::new(precision).map_err(|error| {
            let detail = format!("its sketch precision is none: {error}");
            StoreError::Malformed { pk: "META".into(), sk: "DEPLOYMENT".into(), detail }
        })?,
    };
    Ok((users, sessions))
}

fn damaged(date: NaiveDate, item: &'static str, error: impl std::fmt::Display) -> QueryError {
    QueryError::Damaged { date, item, detail: error.to_string() }
}

#[cfg(test)]
mod tests;
