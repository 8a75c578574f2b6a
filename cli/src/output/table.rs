//! Tables of plain text, their columns aligned.

use std::fmt;

use super::visible;

/// What stands between two columns.
const GAP: &str = "  ";

/// A table. The first column is left-aligned, the others are numbers and so right-aligned, unless asked otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    left: Vec<usize>,
}

impl Table {
    /// A table with these column heads.
    pub(crate) fn new<H: Into<String>>(header: impl IntoIterator<Item = H>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new(), left: vec![0] }
    }

    /// Aligns the column (from 0) to the left: it is text.
    pub(crate) fn left(mut self, column: usize) -> Self {
        self.left.push(column);
        self
    }

    /// Adds a row. It may be shorter than the header.
    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let shown = |cell: C| visible(&cell.into()).replace('\n', "\\n");
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn widths(&self) -> Vec<usize> {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let columns = lines().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            lines().filter_map(|cells| cells.get(column)).map(|cell: &String| cell.chars().count()).max()
        };
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

/// Without a newline at the end, and without blanks at the ends of lines.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        for (index, cells) in [&self.header, &rule].into_iter().chain(&self.rows).enumerate() {
            let mut text = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
                let gap = if column > 0 { GAP } else { "" };
                text += gap;
                text +=
                    &if self.left.contains(&column) { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") };
            }
            let newline = if index > 0 { "\n" } else { "" };
            write!(f, "{newline}{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new(["figure", "day", "note"]).left(2);
        table.row(["users", "1,234", "ok"]);
        table.row(["größe", "7"]);
        assert!(!table.is_empty());
        let wanted = "\
figure    day  note
------  -----  ----
users   1,234  ok
größe       7";
        assert_eq!(table.to_string(), wanted);
    }

    #[test]
    fn a_name_breaks_no_line() {
        let mut table = Table::new(["name", "count"]);
        table.row(["a\nb\tc", "1"]);
        table.row(["\u{202e}x", "2"]);
        let wanted = "\
name       count
---------  -----
a\\nb\\tc        1
\\u{202e}x      2";
        assert_eq!(table.to_string(), wanted);
    }

    #[test]
    fn an_empty_table_is_its_header() {
        let table = Table::new(["a", "bc"]);
        assert!(table.is_empty());
        assert_eq!(table.to_string(), "a  bc\n-  --");
    }
}
