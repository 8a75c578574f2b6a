//! The demo's table: every figure of every day next to the truth.

use headcount_core::event::Object;

use super::compare::{Bounds, Verdict};
use crate::output::figures::{at, figure, labels, paths};
use crate::output::table::Table;

/// Days that stand side by side.
const DAYS_ABREAST: usize = 3;

/// One day, counted and true.
#[derive(Clone, Debug)]
pub(super) struct ComparedDay {
    /// The day, as a heading.
    pub(super) date: String,
    /// The figures of the table.
    pub(super) counted: Object,
    /// The figures of the generator.
    pub(super) truth: Object,
    /// How far they may be apart.
    pub(super) bounds: Bounds,
}

/// The tables of all days, and how many figures differ.
pub(super) fn tables(days: &[ComparedDay]) -> (Vec<Table>, usize) {
    let mut differing = 0;
    let tables = days.chunks(DAYS_ABREAST).map(|days| table(days, &mut differing)).collect();
    (tables, differing)
}

fn table(days: &[ComparedDay], differing: &mut usize) -> Table {
    let mut header = vec!["figure".to_owned()];
    for day in days {
        header.extend([day.date.clone(), "truth".to_owned(), String::new()]);
    }
    // The column of marks is text.
    let mut table = (0..days.len()).fold(Table::new(header), |table, day| table.left(3 * day + 3));
    let mut before = Vec::new();
    for path in paths(days.iter().flat_map(|day| [&day.counted, &day.truth])) {
        let (headings, label) = labels(&before, &path);
        for heading in headings {
            table.row([heading]);
        }
        let mut row = vec![label];
        for day in days {
            let (counted, truth) = (at(&day.counted, &path), at(&day.truth, &path));
            let verdict = day.bounds.judge(&path, &counted, &truth);
            *differing += usize::from(verdict == Verdict::Differs);
            let truth = if verdict == Verdict::Shown { String::new() } else { figure(&path, &truth) };
            row.extend([figure(&path, &counted), truth, verdict.mark().to_owned()]);
        }
        table.row(row);
        before = path;
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn day(date: &str, counted: serde_json::Value, truth: serde_json::Value) -> ComparedDay {
        let object = |value: serde_json::Value| value.as_object().unwrap().clone();
        ComparedDay { date: date.into(), counted: object(counted), truth: object(truth), bounds: Bounds::default() }
    }

    #[test]
    fn every_figure_stands_next_to_the_truth() {
        let days = [
            day(
                "2026-03-01",
                json!({"activeUsers": 201, "platforms": {"web": 3}, "rejected": 5}),
                json!({"activeUsers": 200, "platforms": {"web": 3}, "rejected": 0}),
            ),
            day(
                "2026-03-02",
                json!({"activeUsers": 9, "platforms": {}, "rejected": 0}),
                json!({"activeUsers": 9, "platforms": {"ios": 1}, "rejected": 0}),
            ),
        ];
        let (tables, differing) = tables(&days);
        assert_eq!((tables.len(), differing), (1, 1));
        let wanted = "\
figure       2026-03-01  truth     2026-03-02  truth
-----------  ----------  -----  -  ----------  -----  -------
activeUsers         201    200  ~           9      9  =
platforms
  ios                 0      0  =           0      1  DIFFERS
  web                 3      3  =           0      0  =
rejected              5                     0";
        assert_eq!(tables[0].to_string(), wanted);
    }

    #[test]
    fn many_days_are_several_tables() {
        let days = vec![day("2026-03-01", json!({"rejected": 1}), json!({})); 7];
        let (tables, differing) = tables(&days);
        assert_eq!((tables.len(), differing), (3, 0));
    }
}
