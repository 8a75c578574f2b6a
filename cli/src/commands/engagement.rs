//! `headcount engagement`: how many come, how often, and how long they stay.

use clap::Args;
use headcount_core::session_sample::Interval;
use headcount_query::engagement::{Sessions, UserEngagement};
use headcount_query::get_user_engagement;

use super::asking::{duration, of_range, percent, print};
use crate::args::QuestionArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{numbers::whole, sparkline::sparkline, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount engagement --local --last 30d
  headcount engagement --last 90d --json | jq .stickiness";

/// `headcount engagement`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Engagement {
    /// When, where and how.
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
}

/// Runs it.
pub(crate) async fn run(args: Engagement, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let question = |deps, range| async move { get_user_engagement(&deps, range).await };
    let answer = of_range(&args.question, interrupt, question).await?;
    print(answer, args.question.format, |engagement| Ok(vec![summary(engagement), days(engagement)]))
}

fn summary(all: &UserEngagement) -> String {
    let series = sparkline(all.days.iter().map(|day| day.daily_active_users as f64));
    let mut table = Table::new(["figure", "value"]);
    let error = all.users_error;
    let Sessions { count, average_ms, median_ms, p95_ms, intervals, .. } = all.sessions;
    let within = |shown, interval, figure| {
        let error = plus_minus(interval, figure);
        if error.is_empty() { shown } else { format!("{shown}{error} (95 %)") }
    };
    for (name, value) in [
        ("active users", format!("{} ± {} (95 %)", whole(all.active_users), whole(error.plus_minus))),
        ("  a day, on average", whole(all.daily_active_users)),
        ("  in the last 7 days", whole(all.weekly_active_users)),
        ("  in the last 30 days", whole(all.monthly_active_users)),
        ("stickiness (day / month)", percent(all.stickiness)),
        ("new users", whole(all.new_signups)),
        ("users ever", whole(all.total_users)),
        ("sessions", within(whole(count), intervals.count, count as f64)),
        ("  average", within(duration(average_ms), intervals.average_duration, average_ms)),
        ("  median", within(duration(median_ms as f64), intervals.p50, median_ms as f64)),
        ("  95 of 100 within", within(duration(p95_ms as f64), intervals.p95, p95_ms as f64)),
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
        let Sessions { count, average_ms, intervals, .. } = day.sessions;
        table.row([
            day.date.to_string(),
            whole(day.daily_active_users),
            whole(day.weekly_active_users),
            whole(day.monthly_active_users),
            percent(day.stickiness),
            whole(day.new_signups),
            whole(count) + &plus_minus(intervals.count, count as f64),
            duration(average_ms) + &plus_minus(intervals.average_duration, average_ms),
            state.to_owned(),
        ]);
    }
    table.to_string()
}

/// How far an estimate may be off in 95 of 100 cases, as a share of it; nothing where it is exact.
fn plus_minus(interval: Interval, figure: f64) -> String {
    match interval.share_of(figure) {
        0.0 => String::new(),
        share => format!(" ± {}", percent(share)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stands_beside_an_estimate_only() {
        assert_eq!(plus_minus(Interval { low: 98.0, high: 101.5 }, 100.0), " ± 2.0 %");
        assert_eq!(plus_minus(Interval { low: 100.0, high: 100.0 }, 100.0), "");
        assert_eq!(plus_minus(Interval::default(), 0.0), "");
    }
}
