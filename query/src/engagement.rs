//! How many come, how often, and how long they stay.

use chrono::NaiveDate;
use headcount_core::session_sample::SessionIntervals;
use headcount_store::traits::QueryStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::day::{Day, DayState};
use crate::deps::Deps;
use crate::error::QueryError;
use crate::estimate::UsersError;
use crate::gather::{Depth, ask};
use crate::range::Range;

/// The engagement of users over a range of days.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEngagement {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Different users of the range.
    pub active_users: u64,
    /// How far they may be off.
    pub users_error: UsersError,
    /// The mean of the days' users.
    pub daily_active_users: u64,
    /// Different users of the 7 days that end with the last day.
    pub weekly_active_users: u64,
    /// Different users of the 30 days that end with the last day.
    pub monthly_active_users: u64,
    /// The mean of the days' users as a share of the monthly ones: how often those come who come at all.
    pub stickiness: f64,
    /// Users first seen within the range.
    pub new_signups: u64,
    /// Users ever seen.
    pub total_users: u64,
    /// Sessions of the range.
    pub sessions: Sessions,
    /// Of each day, in order.
    pub days: Vec<EngagementDay>,
}

/// Sessions: how many and how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sessions {
    /// How many.
    pub count: u64,
    /// Mean duration, milliseconds.
    pub average_ms: f64,
    /// Median duration, milliseconds.
    pub median_ms: u64,
    /// The duration that 95 of 100 do not exceed, milliseconds.
    pub p95_ms: u64,
    /// Whether every session was counted, and not a sample.
    pub exact: bool,
    /// The 95 % confidence intervals of these figures; both ends are the figure itself where it is exact.
    pub intervals: SessionIntervals,
}

/// One day of the series.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngagementDay {
    /// The date.
    pub date: NaiveDate,
    /// Where the figures come from.
    pub state: DayState,
    /// Different users of the day.
    pub daily_active_users: u64,
    /// Different users of the 7 days that end with it.
    pub weekly_active_users: u64,
    /// Different users of the 30 days that end with it.
    pub monthly_active_users: u64,
    /// The day's users as a share of the monthly ones.
    pub stickiness: f64,
    /// Users first seen on it.
    pub new_signups: u64,
    /// Its sessions.
    pub sessions: Sessions,
}

/// The engagement of users over a range.
///
/// # Errors
///
/// As [`crate::platform::get_platform_metrics`].
pub async fn get_user_engagement<S: QueryStore>(deps: &Deps<S>, range: Range) -> Result<UserEngagement, QueryError> {
    ask(deps, &[range], Depth::Users, move |gathered| {
        let total = gathered.total(range)?;
        Ok(UserEngagement {
            from: range.from,
            to: range.to,
            active_users: total.active_users,
            users_error: UsersError::of(&total),
            daily_active_users: total.daily_active_users,
            weekly_active_users: total.weekly_active_users,
            monthly_active_users: total.monthly_active_users,
            stickiness: share(total.daily_active_users, total.monthly_active_users),
            new_signups: total.new_signups_24h,
            total_users: total.total_users,
            sessions: sessions(&total),
            days: gathered.days(range).iter().map(|one| day(one)).collect(),
        })
    })
    .await
}

fn day(day: &Day) -> EngagementDay {
    let figures = &day.metrics.figures;
    EngagementDay {
        date: day.metrics.date,
        state: day.state,
        daily_active_users: figures.daily_active_users,
        weekly_active_users: figures.weekly_active_users,
        monthly_active_users: figures.monthly_active_users,
        stickiness: share(figures.daily_active_users, figures.monthly_active_users),
        new_signups: figures.new_signups_24h,
        sessions: sessions(figures),
    }
}

fn sessions(figures: &headcount_core::metrics::Figures) -> Sessions {
    Sessions {
        count: figures.sessions.count,
        average_ms: figures.average_session_duration,
        median_ms: figures.sessions.p50,
        p95_ms: figures.sessions.p95,
        exact: figures.estimate.sessions_exact,
        intervals: figures.estimate.session_intervals,
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}
