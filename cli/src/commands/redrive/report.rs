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
    /// All of it is in the event log and in the table.
    Counted,
    /// All of it is in the event log, but the table is not up to date with it.
    Behind {
        /// Why.
        problem: String,
    },
    /// Not all of it could be appended to the event log.
    Stuck {
        /// The sequence number of the first record that is not in the log for certain.
        record: String,
    },
    /// A day that it touches takes no more events.
    Refused {
        /// Which, and why.
        problem: String,
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
    /// The shard that the records are from.
    pub(super) origin: Option<String>,
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
            origin: None,
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
        let is_in = |day: &DayRollUp| !matches!(day.outcome, Outcome::Failed { .. });
        let of_date = |date: &NaiveDate| self.aggregated.iter().find(|day| day.date == *date);
        one.fate == Fate::Counted && one.days.iter().all(|date| of_date(date).is_some_and(is_in))
    }

    pub(super) fn ending(&self) -> Ending {
        if self.interrupted {
            return Ending::Interrupted;
        }
        let is_good = |one: &Handled| self.is_done(one) && one.not_removed.is_none();
        if self.handled.iter().all(is_good) { rollup::ending_of(&self.aggregated) } else { Ending::Differences }
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
    let header = ["invocation", "outcome", "records", "events", "there already", "duplicates", "rejected"];
    let mut table = Table::new(header).left(1);
    for one in &summary.handled {
        let outcome = match (&one.fate, one.removed) {
            (Fate::Counted, true) => "counted, removed",
            (Fate::Counted, false) => "counted",
            (Fate::Behind { .. }, _) => "in the log, table behind",
            (Fate::Stuck { .. }, _) => "NOT ALL APPENDED",
            (Fate::Refused { .. }, _) => "REFUSED",
            (Fate::Unreadable { .. }, _) => "NOT READ",
        };
        let Consumed { appended, redelivered, duplicates, rejected, .. } = one.consumed;
        let counts = [one.records, appended, redelivered, duplicates, rejected].map(whole);
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
                "{}: record {record} and those after it cannot be appended: check that the log's storage answers, then run \
                 this again",
                one.key
            )),
            Fate::Behind { problem } => notes.push(format!(
                "{}: in the event log, but not in the table yet ({problem}): run this again, or wait for the aggregator",
                one.key
            )),
            Fate::Refused { problem } | Fate::Unreadable { problem } => notes.push(format!("{}: {problem}", one.key)),
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
        notes.extend(rollup::problems(day).map(|note| format!("{}: {note}", day.date)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(key: &str, fate: Fate, day: &str) -> Handled {
        let consumed = Consumed { appended: 2, redelivered: 1, ..Consumed::default() };
        let days = BTreeSet::from([day.parse().unwrap()]);
        Handled { origin: Some("events/s-0".into()), records: 3, consumed, days, ..Handled::new(key.into(), fate) }
    }

    fn day(text: &str, outcome: Outcome) -> DayRollUp {
        DayRollUp {
            date: text.parse().unwrap(),
            outcome,
            became_final: false,
            sources: 1,
            sources_refolded: vec![],
            sources_set_aside: vec![],
            sketches_set_aside: vec![],
        }
    }

    fn summary(handled: Vec<Handled>, days: Vec<DayRollUp>) -> Summary {
        Summary { handled, aggregated: days, ..Summary::new("failures") }
    }

    #[test]
    fn an_invocation_is_done_when_it_is_in_the_figures() {
        let counted = handled("a", Fate::Counted, "2026-03-01");
        for (days, done) in [
            (vec![day("2026-03-01", Outcome::Written)], true),
            (vec![day("2026-03-01", Outcome::Unchanged)], true),
            (vec![day("2026-03-01", Outcome::Failed { error: "no".into() })], false),
            (vec![], false),
        ] {
            let summary = summary(vec![counted.clone()], days);
            assert_eq!(summary.is_done(&counted), done, "{summary:?}");
            assert_eq!(summary.ending() == Ending::Fine, done, "{summary:?}");
        }
        for fate in [
            Fate::Stuck { record: "9".into() },
            Fate::Behind { problem: "throttled".into() },
            Fate::Refused { problem: "too old".into() },
        ] {
            let bad = handled("a", fate, "2026-03-01");
            let bad = summary(vec![bad], vec![day("2026-03-01", Outcome::Written)]);
            assert_eq!(bad.ending(), Ending::Differences);
            assert_eq!(notes(&bad).len(), 1);
        }
    }

    #[test]
    fn what_could_not_be_read_is_named_and_the_others_are_told() {
        let unreadable = Handled::new("b".into(), Fate::Unreadable { problem: "no JSON".into() });
        let both = vec![handled("a", Fate::Counted, "2026-03-01"), unreadable];
        let summary = summary(both, vec![day("2026-03-01", Outcome::Written)]);
        let wanted = "\
invocation  outcome   records  events  there already  duplicates  rejected
----------  --------  -------  ------  -------------  ----------  --------
a           counted         3       2              1           0         0
b           NOT READ        0       0              0           0         0";
        assert_eq!(table(&summary).to_string(), wanted);
        assert_eq!(notes(&summary), ["b: no JSON"]);
        assert_eq!(summary.ending(), Ending::Differences);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(
            (&json["invocations"][0]["outcome"], &json["invocations"][0]["appended"]),
            (&"counted".into(), &2.into())
        );
        assert_eq!(json["invocations"][1]["problem"], "no JSON");
    }
}
