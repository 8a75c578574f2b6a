//! Figures out of what was counted: the very ones that a table gives of proven days.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days, days_before};
use headcount_core::limits::{ACCOUNT_SKETCH_PRECISION, DEFAULT_SKETCH_PRECISION};
use headcount_core::metrics::{DailyMetrics, total};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_proof::tally::Tally;
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
    let (mut users, mut accounts) = (users_of(folded, from, to), accounts_of(folded, from, to));
    let mut total = total(&metrics, &mut users, &mut accounts, &SessionSample::default());
    let mut united = Tally::default();
    folded.days.values().for_each(|counted| united.unite(&counted.tally));
    total.set_exact(united.users(), united.accounts(), &united.sessions());
    let models: Vec<String> = total.ai_usage.by_model.keys().cloned().collect();
    total.set_exact_latencies(&united.latencies(models.iter().map(String::as_str)));
    let (users_error, time_zone) = (UsersError::of(&total), zone.name().to_owned());
    Ok(PlatformMetrics { from, to, today, time_zone, total, users_error, days, previous: None })
}

fn day(folded: &Folded, date: NaiveDate) -> Day {
    let total_users = folded.new_users.range(..=date).map(|(_, count)| count).sum();
    let Some(counted) = folded.days.get(&date) else {
        let mut metrics = DailyMetrics::empty(date);
        metrics.figures.total_users = total_users;
        return Day { state: DayState::Missing, metrics };
    };
    let reach = |count, of: fn(&Folded, NaiveDate, NaiveDate) -> UserSketch| {
        of(folded, days_before(date, count - 1), date).estimate().round() as u64
    };
    // Exact, and yet not proven: a file may hold any part of a day.
    let mut metrics = DailyMetrics::of_exact(date, &counted.tally.figures());
    metrics.figures.weekly_active_users = reach(WEEK_DAYS, users_of);
    metrics.figures.monthly_active_users = reach(MONTH_DAYS, users_of);
    metrics.figures.weekly_active_accounts = reach(WEEK_DAYS, accounts_of);
    metrics.figures.monthly_active_accounts = reach(MONTH_DAYS, accounts_of);
    metrics.figures.new_signups_24h = folded.new_users.get(&date).copied().unwrap_or(0);
    metrics.figures.total_users = total_users;
    Day { state: DayState::Live, metrics }
}

fn users_of(folded: &Folded, from: NaiveDate, to: NaiveDate) -> UserSketch {
    union(folded.days.range(from..=to).map(|(_, counted)| &counted.users), DEFAULT_SKETCH_PRECISION)
}

fn accounts_of(folded: &Folded, from: NaiveDate, to: NaiveDate) -> UserSketch {
    union(folded.days.range(from..=to).map(|(_, counted)| &counted.accounts), ACCOUNT_SKETCH_PRECISION)
}

fn union<'a>(sketches: impl Iterator<Item = &'a UserSketch>, precision: u8) -> UserSketch {
    let mut union = UserSketch::new(precision).expect("these precisions are usual");
    sketches.for_each(|sketch| union.merge(sketch));
    union
}
