//! `headcount engagement`: how many come, how often, and how long they stay.

use headcount_query::engagement::UserEngagement;
use headcount_query::get_user_engagement;

use super::asking::{duration, of_range, percent, print};
use crate::args::Engagement;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{numbers::whole, sparkline::sparkline, table::Table};

/// Runs it.
pub(crate) async fn run(args: Engagement, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let question = |deps, range| async move { get_user_engagement(&deps, range).await };
    let answer = of_range(&args.range, &args.table, interrupt, question).await?;
    print(answer, args.format, |engagement| Ok(vec![summary(engagement), days(engagement)]))
}

fn summary(all: &UserEngagement) -> String {
    let series = sparkline(all.days.iter().map(|day| day.daily_active_users as f64));
    let mut table = Table::new(["figure", "value"]);
    let error = all.users_error;
    for (name, value) in [
        ("active users", format!("{} ± {} (95 %)", whole(all.active_users), whole(error.plus_minus))),
        ("  a day, on average", whole(all.daily_active_users)),
        ("  in the last 7 days", whole(all.weekly_active_users)),
        ("  in the last 30 days", whole(all.monthly_active_users)),
        ("stickiness (day / month)", percent(all.stickiness)),
        ("new users", whole(all.new_signups)),
        ("users ever", whole(all.total_users)),
        ("sessions", format!("{}{}", if all.sessions.exact { "" } else { "about " }, whole(all.sessions.count))),
        ("  average", duration(all.sessions.average_ms)),
        ("  median", duration(all.sessions.median_ms as f64)),
        ("  95 of 100 within", duration(all.sessions.p95_ms as f64)),
    ] {
        table.row([name.to_owned(), value]);
    }
    format!("{} to {}: {series}\n\n{table}", all.from, all.to)
}

fn days(all: &UserEngagement) -> String {
    let mut table =
        Table::new(["day", "users", "week", "month", "stickiness", "new", "sessions", "average", "figures"]).left(8);
    for day in &all.days {
        let state = match day.state {
            headcount_query::day::DayState::Missing => "none stored",
            headcount_query::day::DayState::Live => "live",
            headcount_query::day::DayState::Stored => "",
        };
        table.row([
            day.date.to_string(),
            whole(day.daily_active_users),
            whole(day.weekly_active_users),
            whole(day.monthly_active_users),
            percent(day.stickiness),
            whole(day.new_signups),
            whole(day.sessions.count),
            duration(day.sessions.average_ms),
            state.to_owned(),
        ]);
    }
    table.to_string()
}
