//! What a redrive did, for people and for programs.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_aggregator::RollUp;
use headcount_aggregator::roll_up::{DayRollUp, Outcome};
use serde::Serialize;

use super::rollup;
use crate::consumption::Consumed;
use crate::failure::{Ending, Failure};
use crate::output::{self, numbers::whole, table::Table};

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub(super) enum Fate {
    /// All of it is counted.
    Counted,
    /// The table did not take all of it.
    Stuck {
        /// The sequence number of the first record that is not counted for certain.
        record: String,
    },
    /// Nothing of it could be handled.
    Unreadable {
        /// Why.
        problem: String,
    },
}

/// One invocation, handled again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handled {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) fate: Fate,
    pub(super) source: Option<String>,
    pub(super) records: u64,
    #[serde(flatten)]
    pub(super) consumed: Consumed,
    /// The days on which something of it counts.
    pub(super) days: BTreeSet<NaiveDate>,
    pub(super) removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_removed: Option<String>,
}

impl Handled {
    pub(super) fn new(key: String, fate: Fate) -> Self {
        Self {
            key,
            fate,
            source: None,
            records: 0,
            consumed: Consumed::default(),
            days: BTreeSet::new(),
            removed: false,
            not_removed: None,
        }
    }
}

/// What a redrive did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    place: String,
    #[serde(rename = "invocations")]
    pub(super) handled: Vec<Handled>,
    /// The days that they touch, as they were aggregated, and those that follow them.
    #[serde(rename = "days")]
    aggregated: Vec<DayRollUp>,
    pub(super) interrupted: bool,
}

impl Summary {
    pub(super) fn new(place: &str) -> Self {
        Self { place: place.to_owned(), handled: Vec::new(), aggregated: Vec::new(), interrupted: false }
    }

    /// Every day on which something counts.
    pub(super) fn days(&self) -> BTreeSet<NaiveDate> {
        self.handled.iter().flat_map(|one| &one.days).copied().collect()
    }

    pub(super) fn aggregated(&mut self, rolled_up: RollUp) {
        self.aggregated = rolled_up.days;
    }

    /// Whether all of an invocation is counted, and in the figures of its days.
    pub(super) fn is_done(&self, one: &Handled) -> bool {
        let is_in = |day: &DayRollUp| !matches!(day.outcome, Outcome::Failed { .. }) && day.sources_waiting.is_empty();
        let of_date = |date: &NaiveDate| self.aggregated.iter().find(|day| day.date == *date);
        one.fate == Fate::Counted && one.days.iter().all(|date| of_date(date).is_some_and(is_in))
    }

    pub(super) fn ending(&self) -> Ending {
        if self.interrupted {
            return Ending::Interrupted;
        }
        let is_good = |one: &Handled| self.is_done(one) && one.not_removed.is_none();
        let rolled_up = RollUp { days: self.aggregated.clone() };
        if self.handled.iter().all(is_good) { rollup::ending(&rolled_up) } else { Ending::Differences }
    }
}

/// Prints the summary to standard output, and to standard error what a person should know beside it.
pub(super) fn print(summary: &Summary, as_json: bool) -> Result<(), Failure> {
    for note in notes(summary) {
        output::note(&note);
    }
    if as_json {
        return output::json(summary);
    }
    if summary.handled.is_empty() && !summary.interrupted {
        return output::line(&format!("nothing is kept below {}/aws/lambda/", summary.place));
    }
    output::line(&table(summary).to_string())
}

fn table(summary: &Summary) -> Table {
    let header = ["invocation", "outcome", "records", "inserted", "there already", "duplicates", "rejected"];
    let mut table = Table::new(header).left(1);
    for one in &summary.handled {
        let outcome = match (&one.fate, one.removed) {
            (Fate::Counted, true) => "counted, removed",
            (Fate::Counted, false) => "counted",
            (Fate::Stuck { .. }, _) => "NOT ALL COUNTED",
            (Fate::Unreadable { .. }, _) => "NOT READ",
        };
        let Consumed { inserted, redelivered, duplicates, rejected, .. } = one.consumed;
        let counts = [one.records, inserted, redelivered, duplicates, rejected].map(whole);
        table.row([one.key.clone(), outcome.to_owned()].into_iter().chain(counts));
    }
    table
}

fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    for one in &summary.handled {
        match &one.fate {
            Fate::Counted => {}
            Fate::Stuck { record } => notes.push(format!(
                "{}: the table takes neither record {record} nor those after it: see whether it is throttled, then run \
                 this again",
                one.key
            )),
            Fate::Unreadable { problem } => notes.push(format!("{}: {problem}", one.key)),
        }
        notes.extend(one.not_removed.iter().map(|error| format!("{}: counted, but not removed: {error}", one.key)));
    }
    if summary.interrupted {
        let days = summary.days().len() as u64;
        notes.push(format!(
            "interrupted after {} invocations: run it again to go on, and to aggregate the {} days they touch",
            whole(summary.handled.len() as u64),
            whole(days)
        ));
    }
    for day in &summary.aggregated {
        let ordinary = |note: &String| note == "closed" || note == "verified";
        let told = rollup::notes(day).into_iter().filter(|note| !ordinary(note));
        notes.extend(told.map(|note| format!("{}: {note}", day.date)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(key: &str, fate: Fate, day: &str) -> Handled {
        let consumed = Consumed { inserted: 2, redelivered: 1, ..Consumed::default() };
        let days = BTreeSet::from([day.parse().unwrap()]);
        Handled { source: Some("events/s-0".into()), records: 3, consumed, days, ..Handled::new(key.into(), fate) }
    }

    fn day(text: &str, outcome: Outcome, waiting: &[&str]) -> DayRollUp {
        DayRollUp {
            date: text.parse().unwrap(),
            outcome,
            closed: false,
            sources: 1,
            sources_set_aside: vec![],
            sources_recounted: vec![],
            sources_waiting: waiting.iter().map(|source| (*source).to_owned()).collect(),
            sketches_set_aside: vec![],
            verification: None,
            verification_error: None,
        }
    }

    fn summary(handled: Vec<Handled>, days: Vec<DayRollUp>) -> Summary {
        Summary { handled, aggregated: days, ..Summary::new("failures") }
    }

    #[test]
    fn an_invocation_is_done_when_it_is_in_the_figures() {
        let counted = handled("a", Fate::Counted, "2026-03-01");
        for (days, done) in [
            (vec![day("2026-03-01", Outcome::Written, &[])], true),
            (vec![day("2026-03-01", Outcome::Unchanged, &[])], true),
            (vec![day("2026-03-01", Outcome::Written, &["events/s-0"])], false),
            (vec![day("2026-03-01", Outcome::Failed { error: "no".into() }, &[])], false),
            (vec![], false),
        ] {
            let summary = summary(vec![counted.clone()], days);
            assert_eq!(summary.is_done(&counted), done, "{summary:?}");
            assert_eq!(summary.ending() == Ending::Fine, done, "{summary:?}");
        }
        let stuck = handled("a", Fate::Stuck { record: "9".into() }, "2026-03-01");
        let stuck = summary(vec![stuck], vec![day("2026-03-01", Outcome::Written, &[])]);
        assert_eq!(stuck.ending(), Ending::Differences);
    }

    #[test]
    fn what_could_not_be_read_is_named_and_the_others_are_told() {
        let unreadable = Handled::new("b".into(), Fate::Unreadable { problem: "no JSON".into() });
        let both = vec![handled("a", Fate::Counted, "2026-03-01"), unreadable];
        let summary = summary(both, vec![day("2026-03-01", Outcome::Written, &[])]);
        let wanted = "\
invocation  outcome   records  inserted  there already  duplicates  rejected
----------  --------  -------  --------  -------------  ----------  --------
a           counted         3         2              1           0         0
b           NOT READ        0         0              0           0         0";
        assert_eq!(table(&summary).to_string(), wanted);
        assert_eq!(notes(&summary), ["b: no JSON"]);
        assert_eq!(summary.ending(), Ending::Differences);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(
            (&json["invocations"][0]["outcome"], &json["invocations"][0]["inserted"]),
            (&"counted".into(), &2.into())
        );
        assert_eq!(json["invocations"][1]["problem"], "no JSON");
    }
}
