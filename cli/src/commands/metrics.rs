//! `headcount metrics`: the figures of a range of days.

use headcount_core::event::Object;
use headcount_query::{Deps, PlatformMetrics, Range, get_platform_metrics};
use serde_json::Value;

use crate::args::Metrics;
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::figures::{at, figure, labels, paths};
use crate::output::{self, table::Table};

/// Days that stand side by side.
const DAYS_ABREAST: usize = 7;

/// Runs it.
pub(crate) async fn run(args: Metrics, interrupt: &Interrupt) -> Result<Ending, Failure> {
    if args.from > args.to {
        return Err(Failure::Usage(format!("--from {} lies after --to {}", args.from, args.to)));
    }
    let work = async {
        let store = connect::table(&args.table).await?;
        let range = Range::new(args.from, args.to).map_err(Failure::said)?;
        get_platform_metrics(&Deps::new(store), range, false).await.map_err(Failure::said)
    };
    let Some(outcome) = interrupt.or(work).await else { return Ok(Ending::Interrupted) };
    let metrics = outcome?;
    if args.json {
        output::json(&metrics)?;
    } else {
        for table in tables(&metrics)? {
            output::line(&format!("{table}\n"))?;
        }
    }
    Ok(Ending::Fine)
}

/// Every figure of every day, and of the range; a few days to a table.
fn tables(metrics: &PlatformMetrics) -> Result<Vec<Table>, Failure> {
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
