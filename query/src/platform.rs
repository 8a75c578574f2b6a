//! The figures of a range of days, and their change against the days before.

use std::borrow::Cow;

use chrono::NaiveDate;
use headcount_core::metrics::Figures;
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::day::Day;
use crate::deps::Deps;
use crate::error::QueryError;
use crate::estimate::UsersError;
use crate::gather::{Depth, ask};
use crate::range::Range;

/// The figures of a range of days.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformMetrics {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// The day that it is.
    pub today: NaiveDate,
    /// The IANA zone whose days are counted.
    pub time_zone: String,
    /// Of the whole range.
    pub total: Figures,
    /// How far the range's active users may be off.
    pub users_error: UsersError,
    /// Of each day, in order.
    pub days: Vec<Day>,
    /// As many days directly before, where they were asked for.
    pub previous: Option<Previous>,
}

/// The days before a range, and what changed since.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Of all these days.
    pub total: Figures,
    /// What changed from these days to the range.
    pub change: Changes,
}

/// Changes as shares: 0.5 is half as much again, -1 is nothing left; null where there was nothing before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Of different users of the range.
    pub active_users: Option<f64>,
    /// Of the mean of the days' users.
    pub daily_active_users: Option<f64>,
    /// Of different accounts of the range.
    pub active_accounts: Option<f64>,
    /// Of users ever seen.
    pub total_users: Option<f64>,
    /// Of new users.
    pub new_signups: Option<f64>,
    /// Of sessions.
    pub sessions: Option<f64>,
    /// Of the mean duration of sessions.
    pub average_session_duration: Option<f64>,
    /// Of events.
    pub events: Option<f64>,
    /// Of requests to language models.
    pub ai_requests: Option<f64>,
    /// Of their cost.
    pub ai_cost: Option<f64>,
    /// Of errors.
    pub errors: Option<f64>,
    /// Of rejected occurrences.
    pub rejected: Option<f64>,
}

impl Changes {
    /// What changed from one period to the next.
    pub fn between(before: &Figures, after: &Figures) -> Self {
        let whole = |of: fn(&Figures) -> u64| share(of(before) as f64, of(after) as f64);
        Self {
            active_users: whole(|figures| figures.active_users),
            daily_active_users: whole(|figures| figures.daily_active_users),
            active_accounts: whole(|figures| figures.active_accounts),
            total_users: whole(|figures| figures.total_users),
            new_signups: whole(|figures| figures.new_signups_24h),
            sessions: whole(|figures| figures.sessions.count),
            average_session_duration: share(before.average_session_duration, after.average_session_duration),
            events: whole(|figures| figures.events_by_type.values().sum()),
            ai_requests: whole(|figures| figures.ai_usage.total_requests),
            ai_cost: whole(|figures| figures.ai_usage.total_cost_nanos),
            errors: whole(|figures| figures.errors.total),
            rejected: whole(|figures| figures.rejected),
        }
    }
}

fn share(before: f64, after: f64) -> Option<f64> {
    (before > 0.0).then(|| (after - before) / before)
}

/// The figures of a range, and where `compare` asks for it of as many days before.
///
/// # Errors
///
/// [`QueryError`]: the table has no deployment, does not answer within [`crate::deps::QUERY_TIME`], or an item of a day is
/// damaged.
pub async fn get_platform_metrics<S: QueryStore>(
    deps: &Deps<S>,
    range: Range,
    compare: bool,
) -> Result<PlatformMetrics, QueryError> {
    let before = range.previous();
    let ranges: &[Range] = if compare { &[before, range] } else { &[range] };
    ask(deps, ranges, Depth::Users, move |gathered| {
        let total = gathered.total(range)?;
        let previous = if compare {
            let before_total = gathered.total(before)?;
            let change = Changes::between(&before_total, &total);
            Some(Previous { from: before.from, to: before.to, total: before_total, change })
        } else {
            None
        };
        Ok(PlatformMetrics {
            from: range.from,
            to: range.to,
            today: gathered.today,
            time_zone: gathered.zone.name().to_owned(),
            users_error: UsersError::of(&total),
            total,
            days: gathered.days(range).into_iter().map(Cow::into_owned).collect(),
            previous,
        })
    })
    .await
}

#[cfg(test)]
mod tests;
