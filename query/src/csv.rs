//! Answers as comma-separated values (RFC 4180): a line for each day, model, event or rejected occurrence.

use std::collections::HashSet;

use headcount_core::event::Object;
use serde::Serialize;
use serde_json::Value;

use crate::ai::AiReport;
use crate::budgets::BudgetReport;
use crate::engagement::UserEngagement;
use crate::features::FeatureUsage;
use crate::platform::PlatformMetrics;
use crate::rejections::RejectedEvents;
use crate::timeline::UserEvents;

/// What a cell of text must not begin with: spreadsheets take it for a formula, and names come from outside.
const FORMULA_BEGINNINGS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The columns that say what a line is about.
const FIRST: [&str; 7] = ["date", "state", "kind", "name", "timestamp", "eventId", "arrivedAt"];

/// An answer that is lines of values.
pub trait Lines: Serialize {
    /// One object a line. What is nested becomes columns of its own, named by its path.
    fn lines(&self) -> Vec<Object>;
}

/// Without what single accounts, features and users spent, which would be thousands of columns: [`AiReport`] has lines of these.
impl Lines for PlatformMetrics {
    fn lines(&self) -> Vec<Object> {
        let mut days = objects(&self.days);
        for ai in days.iter_mut().filter_map(|day| day.get_mut("aiUsage")?.as_object_mut()) {
            for name in SPENDERS {
                ai.remove(name);
            }
        }
        days
    }
}

/// The figures of AI use that list accounts, features and users.
pub const SPENDERS: [&str; 3] = ["byAccount", "byFeature", "byUser"];

impl Lines for FeatureUsage {
    fn lines(&self) -> Vec<Object> {
        objects(&self.days)
    }
}

impl Lines for UserEngagement {
    fn lines(&self) -> Vec<Object> {
        objects(&self.days)
    }
}

/// Models first, then accounts, features and users: `kind` tells them apart.
impl Lines for AiReport {
    fn lines(&self) -> Vec<Object> {
        let kinds = [
            ("model", objects(&self.models)),
            ("account", objects(&self.accounts)),
            ("feature", objects(&self.features)),
            ("user", objects(&self.users)),
        ];
        let of_kind = |(kind, mut lines): (&str, Vec<Object>)| {
            for line in &mut lines {
                line.insert("kind".to_owned(), kind.into());
            }
            lines
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }
}

impl Lines for BudgetReport {
    fn lines(&self) -> Vec<Object> {
        objects(&self.budgets)
    }
}

impl Lines for UserEvents {
    fn lines(&self) -> Vec<Object> {
        as_text(objects(&self.events), &["eventData", "metadata"])
    }
}

impl Lines for RejectedEvents {
    fn lines(&self) -> Vec<Object> {
        as_text(objects(&self.rejected), &["problems"])
    }
}

fn objects(items: &[impl Serialize]) -> Vec<Object> {
    let object = |item| match serde_json::to_value(item) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    items.iter().filter_map(object).collect()
}

/// These fields as JSON in one cell: what is in them is made up by others, and would make columns without end.
fn as_text(mut lines: Vec<Object>, fields: &[&str]) -> Vec<Object> {
    for line in &mut lines {
        for field in fields {
            if let Some(value) = line.get_mut(*field) {
                *value = Value::String(value.to_string());
            }
        }
    }
    lines
}

/// The answer as text with a header line. Lines end with CR LF.
pub fn csv(answer: &impl Lines) -> String {
    let lines: Vec<Vec<(String, Value)>> = answer.lines().into_iter().map(flat).collect();
    let (mut columns, mut known) = (Vec::new(), HashSet::new());
    for (name, _) in lines.iter().flatten() {
        if known.insert(name) {
            columns.push(name);
        }
    }
    columns.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let mut text = row(columns.iter().map(|name| cell(&Value::String((*name).clone()))));
    for line in &lines {
        text += &row(columns.iter().map(|name| {
            let found = line.iter().find(|(known, _)| known == *name);
            found.map_or_else(String::new, |(_, value)| cell(value))
        }));
    }
    text
}

fn flat(object: Object) -> Vec<(String, Value)> {
    let mut cells = Vec::new();
    for (name, value) in object {
        flatten(name, value, &mut cells);
    }
    cells
}

fn flatten(path: String, value: Value, cells: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(format!("{path}.{name}"), value, cells);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.into_iter().enumerate() {
                flatten(format!("{path}.{at:02}"), value, cells);
            }
        }
        value => cells.push((path, value)),
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",") + "\r\n"
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let guard = if text.starts_with(FORMULA_BEGINNINGS) { "'" } else { "" };
    let text = format!("{guard}{}", text.replace('"', "\"\""));
    if text.contains([',', '"', '\n', '\r']) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize)]
    struct Given(Vec<Value>);

    impl Lines for Given {
        fn lines(&self) -> Vec<Object> {
            objects(&self.0)
        }
    }

    #[test]
    fn columns_are_those_of_all_lines_and_cells_are_quoted() {
        let given = Given(vec![
            json!({"date": "2026-03-01", "features": {"a,b": 1, "=cmd()": 2}, "last": null}),
            json!({"date": "say \"hi\"", "features": {"c": 0.5}, "hours": [1, 2]}),
        ]);
        let text = csv(&given);
        let wanted = "date,features.=cmd(),\"features.a,b\",last,features.c,hours.00,hours.01\r\n\
                      2026-03-01,2,1,,,,\r\n\
                      \"say \"\"hi\"\"\",,,,0.5,1,2\r\n";
        assert_eq!(text, wanted);
        for (text, wanted) in [("=1+1", "'=1+1"), ("-x", "'-x"), ("plain", "plain"), ("@a,b", "\"'@a,b\"")] {
            assert_eq!(quoted(text), wanted);
        }
        assert_eq!(csv(&Given(Vec::new())), "\r\n");
    }
}
