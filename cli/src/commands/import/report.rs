//! What an import did, for people and for programs.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_aggregator::RollUp;
use headcount_aggregator::roll_up::DayRollUp;
use headcount_core::calendar::day_of;
use serde::Serialize;

use super::rollup;
use crate::content::Unit;
use crate::failure::{Ending, Failure};
use crate::history::importing::Imported;
use crate::history::survey::{Marked, RejectedLine, Survey};
use crate::output::{self, numbers::whole, table::Table};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    file: String,
    /// The source that is this file.
    source: String,
    /// What is numbered: lines, or the elements of arrays.
    unit: Unit,
    lines: u64,
    blank: u64,
    /// Events that were appended to the event log.
    appended: u64,
    /// Lines that an earlier import of this very file had appended.
    already_there: u64,
    /// Events that other lines of the file hold as well.
    duplicates: u64,
    /// Events of the file that break a rule, also where an earlier import had appended them.
    rejected: u64,
    /// The day on which the rejected ones count.
    rejected_on: Option<NaiveDate>,
    /// The first lines that were rejected.
    rejected_lines: Vec<RejectedLine>,
    unknown_fields: u64,
    without_event_id: Marked,
    without_time: Marked,
    ahead: Marked,
    /// Whether Ctrl-C ended it, and after which line.
    pub(crate) interrupted: bool,
    last_line: u64,
    /// The days that the file touches, as they were aggregated.
    days: Vec<DayRollUp>,
    #[serde(skip)]
    aggregation: Option<Ending>,
}

impl Summary {
    pub(super) fn begin(file: &Path, seen: &Survey, zone: Tz, arrived_ms: i64) -> Self {
        Self {
            file: file.display().to_string(),
            source: seen.source().to_string(),
            unit: seen.unit,
            lines: seen.lines,
            blank: seen.blank,
            appended: 0,
            already_there: 0,
            duplicates: 0,
            rejected: seen.rejected,
            rejected_on: day_of(zone, arrived_ms).filter(|_| seen.rejected > 0),
            rejected_lines: seen.listed.clone(),
            unknown_fields: 0,
            without_event_id: seen.without_id,
            without_time: seen.without_time,
            ahead: seen.ahead,
            interrupted: false,
            last_line: 0,
            days: Vec::new(),
            aggregation: None,
        }
    }

    pub(super) fn take(&mut self, imported: &Imported) {
        let consumed = &imported.consumed;
        (self.appended, self.already_there) = (consumed.appended, consumed.redelivered);
        (self.duplicates, self.unknown_fields) = (consumed.duplicates, consumed.unknown_fields);
        (self.interrupted, self.last_line) = (imported.interrupted, imported.last_line);
    }

    pub(super) fn aggregated(&mut self, rolled_up: RollUp, touched: &BTreeSet<NaiveDate>) {
        self.aggregation = Some(rollup::ending(&rolled_up));
        let mut seen = BTreeSet::new();
        // What a day came to when it was named stands before what following others changed of it.
        self.days =
            rolled_up.days.into_iter().filter(|day| touched.contains(&day.date) && seen.insert(day.date)).collect();
    }

    pub(super) fn ending(&self) -> Ending {
        match (self.interrupted, self.aggregation) {
            (true, _) => Ending::Interrupted,
            (false, Some(Ending::Fine)) if self.rejected == 0 => Ending::Fine,
            (false, _) => Ending::Differences,
        }
    }
}

/// Prints the summary to standard output, and to standard error what a person should know beside it.
pub(super) fn print(summary: &Summary, as_json: bool) -> Result<(), Failure> {
    for line in &summary.rejected_lines {
        output::note(&format!("{} {}: {}", summary.unit, line.line, line.problems.join("; ")));
    }
    for note in notes(summary) {
        output::note(&note);
    }
    if as_json { output::json(summary) } else { output::line(&table(summary).to_string()) }
}

fn table(summary: &Summary) -> Table {
    let mut table = Table::new(["what", "count"]);
    let mut count = |name: &str, count: u64| table.row([name.to_owned(), whole(count)]);
    count(&format!("{}s", summary.unit), summary.lines);
    if summary.blank > 0 {
        count("  blank", summary.blank);
    }
    count("appended", summary.appended);
    count("already there", summary.already_there);
    count("duplicates", summary.duplicates);
    count("rejected", summary.rejected);
    count("days", summary.days.len() as u64);
    table
}

fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    let listed = summary.rejected_lines.len();
    if summary.rejected > listed as u64 && listed > 0 {
        notes.push(format!(
            "{} events were rejected in all; those of the first {listed} {}s are shown",
            whole(summary.rejected),
            summary.unit
        ));
    }
    if let Some(date) = summary.rejected_on {
        notes.push(format!(
            "rejected events count on {date}, the day of the newest event; their reasons are kept 30 days"
        ));
    }
    let marked = |marked: &Marked, what: &str| {
        let told = |first| format!("{} events {what}, the first in {} {first}", whole(marked.events), summary.unit);
        marked.first_line.map(told)
    };
    notes.extend(marked(
        &summary.without_event_id,
        &format!(
            "have no eventId: they are recognized only in an identical file, and count twice if {}s before them change",
            summary.unit
        ),
    ));
    notes.extend(marked(&summary.without_time, "tell no time: they take that of the newest event"));
    notes.extend(marked(
        &summary.ahead,
        "lie more than 15 minutes ahead, and were rejected: correct them before you import this file after that time",
    ));
    if summary.interrupted {
        notes.push(format!(
            "interrupted after {} {}: import the file again to go on, and to aggregate its days",
            summary.unit,
            whole(summary.last_line)
        ));
        return notes;
    }
    if summary.appended == 0 && summary.already_there > 0 {
        notes.push("nothing is new: this file was imported before".to_owned());
    }
    for day in &summary.days {
        notes.extend(rollup::problems(day).map(|note| format!("{}: {note}", day.date)));
    }
    notes
}

#[cfg(test)]
mod tests;
