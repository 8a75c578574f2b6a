//! Figures out of what was counted: the very ones that a table would give.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days, days_before};
use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_core::merged::Merged;
use headcount_core::metrics::{DailyMetrics, DayInput, total};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_query::PlatformMetrics;
use headcount_query::day::{Day, DayState};
use headcount_query::estimate::UsersError;

use super::fold::Folded;
use crate::failure::Failure;

/// Days whose users a weekly figure unites.
const WEEK_DAYS: u64 = 7;

/// Days whose users a monthly figure unites.
const MONTH_DAYS: u64 = 30;

/// Days from the first to the last, at most: events of 1970 and of now in one file are a mistake.
const MAX_DAYS: i64 = 20_000;

/// The figures of every day from the first to the last that has any; of today, where nothing was counted.
pub(crate) fn figures(folded: &Folded, zone: Tz, now_ms: i64) -> Result<PlatformMetrics, Failure> {
    let today = day_of(zone, now_ms).unwrap_or_default();
    let from = folded.days.keys().next().copied().unwrap_or(today);
    let to = folded.days.keys().next_back().copied().unwrap_or(today);
    if (to - from).num_days() > MAX_DAYS {
        let what = format!("the events lie between {from} and {to}, more than {MAX_DAYS} days");
        return Err(Failure::new(what, "look for wrong timestamps among the earliest ones"));
    }
    let days: Vec<Day> = days(from, to).map(|date| day(folded, date)).collect();
    let metrics: Vec<DailyMetrics> = days.iter().map(|day| day.metrics.clone()).collect();
    let mut users = union(folded, from, to);
    let mut sessions = SessionSample::default();
    for merged in folded.days.values() {
        sessions.merge(&merged.sessions);
    }
    let total = total(&metrics, &mut users, &sessions);
    let (users_error, time_zone) = (UsersError::of(&total), zone.name().to_owned());
    Ok(PlatformMetrics { from, to, today, time_zone, total, users_error, days, previous: None })
}

fn day(folded: &Folded, date: NaiveDate) -> Day {
    let total_users = folded.new_users.range(..=date).map(|(_, count)| count).sum();
    let Some(merged) = folded.days.get(&date) else {
        let mut metrics = DailyMetrics::empty(date);
        metrics.figures.total_users = total_users;
        return Day { state: DayState::Missing, metrics };
    };
    let Merged { counters, sessions, .. } = merged;
    let mut users = union(folded, date, date);
    let reach = |count| union(folded, days_before(date, count - 1), date).estimate().round() as u64;
    let metrics = DailyMetrics::of_day(&DayInput {
        date,
        counters,
        users: users.estimate().round() as u64,
        users_relative_standard_error: users.relative_standard_error(),
        sessions,
        weekly_users: reach(WEEK_DAYS),
        monthly_users: reach(MONTH_DAYS),
        new_users: folded.new_users.get(&date).copied().unwrap_or(0),
        total_users,
        sources_set_aside: 0,
        is_final: false,
        verified: false,
    });
    Day { state: DayState::Live, metrics }
}

fn union(folded: &Folded, from: NaiveDate, to: NaiveDate) -> UserSketch {
    let mut union = UserSketch::new(DEFAULT_SKETCH_PRECISION).expect("the default precision is one");
    for users in folded.days.range(from..=to).filter_map(|(_, merged)| merged.users.as_ref()) {
        union.merge(users);
    }
    union
}
