//! Lines as a table.

use std::fmt::Write as _;

use super::line::{Goal, Line};

/// What stands at the end of a line that misses its goal.
const MISSED: &str = "<-- MISSED";

const HEADER: [&str; 7] = ["name", "measured", "ours", "peer", "ratio", "goal", ""];

/// The table, and how many goals were met.
pub(super) fn render(lines: &[Line]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(lines.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..HEADER.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let goals = lines.iter().filter(|line| line.goal.is_some()).count();
    let missed = lines.iter().filter(|line| !line.meets_goal()).count();
    let _ = writeln!(text, "{} of {goals} goals met", goals - missed);
    text
}

fn row(line: &Line) -> [String; 7] {
    let peer = line.peer.as_ref().map(|peer| format!("{} ({})", number(peer.figure), peer.name));
    let goal = line.goal.map(|goal| match goal {
        Goal::AtMost(most) => format!("<= {}", number(most)),
        Goal::AtLeast(least) => format!(">= {}", number(least)),
        Goal::RatioAtMost(most) => format!("ratio <= {}", number(most)),
        Goal::RatioAtLeast(least) => format!("ratio >= {}", number(least)),
    });
    let mark = if line.meets_goal() { "" } else { MISSED };
    [
        line.name.clone(),
        line.measures.clone(),
        format!("{} {}", number(line.ours), line.unit),
        peer.unwrap_or_default(),
        line.ratio().map(number).unwrap_or_default(),
        goal.unwrap_or_default(),
        mark.to_owned(),
    ]
}

/// Three digits that say something; thousands apart.
fn number(figure: f64) -> String {
    let decimals = match figure.abs() {
        below if below < 1.0 => 4,
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{figure:.decimals$}");
    let (whole, rest) =
        text.split_once('.').map_or((&*text, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::line::Peer;

    #[test]
    fn numbers_are_short_and_thousands_apart() {
        for (figure, text) in [
            (0.5, "0.5000"),
            (2.347, "2.35"),
            (23.41, "23.4"),
            (999.6, "1,000"),
            (-1_234_567.0, "-1,234,567"),
            (-123.0, "-123"),
        ] {
            assert_eq!(number(figure), text);
        }
    }

    #[test]
    fn a_missed_goal_is_marked_and_counted() {
        let line = |ours, goal| Line {
            name: "n".into(),
            measures: "what".into(),
            unit: "ms".into(),
            ours,
            peer: Some(Peer { name: "other 1.0".into(), figure: 20.0 }),
            goal,
        };
        let table =
            render(&[line(10.0, Some(Goal::AtMost(20.0))), line(30.0, Some(Goal::RatioAtMost(1.0))), line(7.0, None)]);
        let lines: Vec<_> = table.lines().collect();
        assert!(!lines[1].contains(MISSED) && lines[1].contains("10.0 ms") && lines[1].contains("0.5000"), "{table}");
        assert!(lines[2].ends_with(MISSED) && lines[2].contains("20.0 (other 1.0)"), "{table}");
        assert_eq!(lines[4], "1 of 2 goals met");
    }
}
