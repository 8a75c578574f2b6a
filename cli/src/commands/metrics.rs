//! `headcount metrics`: the figures of a range of days.

use clap::Args;
use headcount_core::event::Object;
use headcount_query::platform::Previous;
use headcount_query::{PlatformMetrics, get_platform_metrics};
use serde_json::Value;

use super::asking::{of_range, percent, print};
use crate::args::QuestionArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::figures::{at, figure, labels, paths};
use crate::output::{numbers::whole, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount metrics --local --last 7d
  headcount metrics --from 2026-03-01 --to 2026-03-31 --compare
  headcount metrics --from 2026-03-01 --to 2026-03-31 --json | jq .total.activeUsers";

/// `headcount metrics`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Metrics {
    /// Show what changed against as many days directly before
    #[arg(long)]
    pub(crate) compare: bool,
    /// When, where and how.
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
}

/// Days that stand side by side.
const DAYS_ABREAST: usize = 7;

/// Runs it.
pub(crate) async fn run(args: Metrics, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let compare = args.compare;
    let question = |deps, range| async move { get_platform_metrics(&deps, range, compare).await };
    let answer = of_range(&args.question, interrupt, question).await?;
    print(answer, args.question.format, |metrics| {
        let changes = metrics.previous.as_ref().map(|previous| changes(metrics, previous));
        Ok(tables(metrics)?.iter().map(Table::to_string).chain(changes).collect())
    })
}

/// The figures of the range beside those of as many days before.
fn changes(metrics: &PlatformMetrics, previous: &Previous) -> String {
    let (before, after, change) = (&previous.total, &metrics.total, &previous.change);
    let cost = |dollars: f64| format!("${dollars:.2}");
    let mut table = Table::new(["figure", "before", "now", "change"]);
    for (name, before, after, change) in [
        ("active users", whole(before.active_users), whole(after.active_users), change.active_users),
        ("users ever", whole(before.total_users), whole(after.total_users), change.total_users),
        ("new users", whole(before.new_signups_24h), whole(after.new_signups_24h), change.new_signups),
        ("sessions", whole(before.sessions.count), whole(after.sessions.count), change.sessions),
        ("AI cost", cost(before.ai_usage.total_cost), cost(after.ai_usage.total_cost), change.ai_cost),
        ("errors", whole(before.errors.total), whole(after.errors.total), change.errors),
        ("rejected", whole(before.rejected), whole(after.rejected), change.rejected),
    ] {
        let change = change.map_or_else(|| "-".to_owned(), percent);
        table.row([name.to_owned(), before, after, change]);
    }
    format!("against {} to {}:\n\n{table}", previous.from, previous.to)
}

/// Every figure of every day, and of the range; a few days to a table.
pub(super) fn tables(metrics: &PlatformMetrics) -> Result<Vec<Table>, Failure> {
    let Ok(Value::Object(total)) = serde_json::to_value(&metrics.total) else {
        return Err(Failure::new("the figures cannot be shown", "report this"));
    };
    let days: Vec<(String, Object)> =
        metrics.days.iter().map(|day| &day.metrics).map(|day| (day.date.to_string(), day.to_object())).collect();
    Ok(days.chunks(DAYS_ABREAST).map(|days| table(days, &total)).collect())
}

fn table(days: &[(String, Object)], total: &Object) -> Table {
    let header = [String::from("figure")].into_iter().chain(days.iter().map(|(date, _)| date.clone()));
    let mut table = Table::new(header.chain([String::from("total")]));
    let mut before = Vec::new();
    for path in paths(days.iter().map(|(_, day)| day).chain([total])) {
        let (headings, label) = labels(&before, &path);
        for heading in headings {
            table.row([heading]);
        }
        let figures = days.iter().map(|(_, day)| day).chain([total]).map(|day| figure(&path, &at(day, &path)));
        table.row([label].into_iter().chain(figures));
        before = path;
    }
    table
}

#[cfg(test)]
mod tests {
    use headcount_core::metrics::{DailyMetrics, Figures};
    use headcount_query::day::{Day, DayState};
    use headcount_query::estimate::UsersError;

    use super::*;

    #[test]
    fn days_and_their_total_stand_side_by_side() {
        let day = |date: &str, users: u64| {
            let mut day = DailyMetrics::empty(date.parse().unwrap());
            day.figures.active_users = users;
            day.figures.platforms.insert("web".into(), users);
            Day { state: DayState::Stored, metrics: day }
        };
        let days: Vec<_> = (1..=9).map(|n| day(&format!("2026-03-{n:02}"), n)).collect();
        let metrics = PlatformMetrics {
            from: days[0].metrics.date,
            to: days[8].metrics.date,
            today: days[8].metrics.date,
            time_zone: "UTC".into(),
            users_error: UsersError::default(),
            previous: None,
            total: Figures { active_users: 20, ..Figures::default() },
            days,
        };
        let tables = tables(&metrics).unwrap();
        assert_eq!(tables.len(), 2, "seven days abreast");
        let shown = tables[1].to_string();
        let row = |name: &str| {
            let line = shown.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("figure"), ["2026-03-08", "2026-03-09", "total"]);
        assert_eq!(row("activeUsers"), ["8", "9", "20"]);
        assert_eq!(row("web"), ["8", "9", "0"]);
    }
}
