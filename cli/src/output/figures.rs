//! Daily figures as rows of a table: every field that a day has, whichever these are.

use std::collections::BTreeSet;

use headcount_core::event::Object;
use headcount_query::csv::SPENDERS;
use serde_json::Value;

use super::numbers::{cell, decimal};

/// The order of the fields; what is not named here follows in the order of the alphabet.
const ORDER: [&str; 23] = [
    "activeUsers",
    "dailyActiveUsers",
    "weeklyActiveUsers",
    "monthlyActiveUsers",
    "totalUsers",
    "newSignups24h",
    "activeAccounts",
    "weeklyActiveAccounts",
    "monthlyActiveAccounts",
    "averageSessionDuration",
    "sessions",
    "eventsByType",
    "featureUsage",
    "contentCreated",
    "aiUsage",
    "errors",
    "platforms",
    "accounts",
    "eventsByHour",
    "rejected",
    "duplicates",
    "eventsWithoutUser",
    "eventsWithoutSession",
];

/// The field that heads the columns and is no figure.
const DATE: &str = "date";

/// Where a figure stands: `["aiUsage", "byModel", "haiku", "tokens"]`.
pub(crate) type Path = Vec<String>;

/// The figures in `days`, in the order in which people read them.
pub(crate) fn paths<'a>(days: impl IntoIterator<Item = &'a Object>) -> Vec<Path> {
    let mut paths = BTreeSet::new();
    for day in days {
        for (name, value) in day.iter().filter(|(name, _)| *name != DATE) {
            // Thousands of rows, of which `headcount ai` shows the first.
            let is_shown = |path: &Path| path.len() < 2 || path[0] != "aiUsage" || !SPENDERS.contains(&&*path[1]);
            let rank = ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len());
            collect(value, &mut vec![name.clone()], &mut |path| {
                if !is_shown(path) {
                    return;
                }
                // Totals stand before what they are made of.
                let depths: Vec<(bool, String)> =
                    path.iter().enumerate().map(|(at, name)| (at + 1 < path.len(), name.clone())).collect();
                paths.insert((rank, depths));
            });
        }
    }
    paths.into_iter().map(|(_, path)| path.into_iter().map(|(_, name)| name).collect()).collect()
}

fn collect(value: &Value, path: &mut Path, take: &mut impl FnMut(&Path)) {
    let mut descend = |name: String, value: &Value| {
        path.push(name);
        collect(value, path, take);
        path.pop();
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| descend(name.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| descend(format!("{at:02}"), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => take(path),
    }
}

/// The figure at `path`; zero where the day does not name it: a feature that nobody used.
pub(crate) fn at<'d>(day: &'d Object, path: &[String]) -> Value {
    let step = |value: &'d Value, name: &String| match value {
        Value::Object(fields) => fields.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    let found = path.split_first().and_then(|(first, rest)| rest.iter().try_fold(day.get(first)?, step));
    found.cloned().unwrap_or(Value::from(0))
}

/// The rows that a figure adds below the one before: headings of new groups, then its own label, all indented.
pub(crate) fn labels(before: &[String], path: &[String]) -> (Vec<String>, String) {
    let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
    let indented = |depth: usize| format!("{}{}", "  ".repeat(depth), path[depth]);
    let own = path.len().saturating_sub(1);
    let headings = (shared.min(own)..own).map(indented).collect();
    (headings, format!("{}{}", indented(own), unit(&path[own])))
}

fn unit(name: &str) -> &'static str {
    match name {
        "averageSessionDuration" | "p50" | "p95" => " (ms)",
        "cost" | "totalCost" => " (USD)",
        _ => "",
    }
}

/// The figure for a cell.
pub(crate) fn figure(path: &[String], value: &Value) -> String {
    match (path.last().map(String::as_str), value.as_f64()) {
        (Some("averageSessionDuration"), Some(ms)) => decimal(ms, 1),
        (Some("cost" | "totalCost"), Some(dollars)) => decimal(dollars, 4),
        _ => cell(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn path(text: &str) -> Path {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn every_figure_of_any_day_has_its_place() {
        let days = [
            object(json!({"date": "x", "zeta": 1, "eventsByHour": [1, 2], "activeUsers": 3})),
            object(json!({"contentCreated": {"total": 1, "byType": {"note": 1}}, "rejected": 0})),
        ];
        let wanted = [
            "activeUsers",
            "contentCreated.total",
            "contentCreated.byType.note",
            "eventsByHour.00",
            "eventsByHour.01",
            "rejected",
            "zeta",
        ];
        assert_eq!(paths(&days).iter().map(|path| path.join(".")).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_real_day_is_shown_whole() {
        let day = headcount_core::metrics::DailyMetrics::empty(chrono::NaiveDate::MIN).to_object();
        let paths = paths([&day]);
        for wanted in ["activeUsers", "sessions.p95", "aiUsage.totalCost", "eventsByHour.23", "final", "verified"] {
            assert!(paths.contains(&path(wanted)), "{wanted}");
        }
        let tops: BTreeSet<&String> = paths.iter().map(|path| &path[0]).collect();
        let shown = day.iter().filter(|(_, value)| !value.as_object().is_some_and(Object::is_empty)).count();
        assert_eq!(tops.len(), shown - 1, "all but the date");
        for name in ORDER {
            assert!(day.contains_key(name), "{name} is no field of a day");
        }
    }

    #[test]
    fn a_name_that_a_day_does_not_know_is_zero() {
        let day = object(json!({"featureUsage": {"a": 2}, "eventsByHour": [7], "final": true}));
        for (name, wanted) in [
            ("featureUsage.a", json!(2)),
            ("featureUsage.b", json!(0)),
            ("eventsByHour.00", json!(7)),
            ("eventsByHour.01", json!(0)),
            ("final", json!(true)),
            ("none.at.all", json!(0)),
        ] {
            assert_eq!(at(&day, &path(name)), wanted, "{name}");
        }
    }

    #[test]
    fn groups_are_headed_once() {
        let (headings, label) = labels(&path("platforms.web"), &path("aiUsage.byModel.m.cost"));
        assert_eq!(
            (headings, label),
            (vec!["aiUsage".into(), "  byModel".into(), "    m".into()], "      cost (USD)".into())
        );
        let (headings, label) = labels(&path("aiUsage.byModel.m.cost"), &path("aiUsage.byModel.m.tokens"));
        assert_eq!((headings.len(), label.as_str()), (0, "      tokens"));
        assert_eq!(labels(&[], &path("rejected")), (vec![], "rejected".into()));
    }

    #[test]
    fn figures_are_rounded_for_people() {
        for (name, value, wanted) in [
            ("averageSessionDuration", json!(61_234.567), "61,234.6"),
            ("aiUsage.totalCost", json!(1.234_567_8), "1.2346"),
            ("activeUsers", json!(12_345), "12,345"),
            ("final", json!(false), "no"),
        ] {
            assert_eq!(figure(&path(name), &value), wanted);
        }
    }
}
