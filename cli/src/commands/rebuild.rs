//! `headcount rebuild`: days made again from their raw events.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use headcount_aggregator::recount::RecountedSource;
use headcount_aggregator::roll_up::{DayRollUp, Outcome};
use serde::Serialize;

use super::rollup;
use crate::aggregation::{deadline, deps};
use crate::args::Rebuild;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;

/// What became of one day.
#[derive(Serialize)]
#[serde(untagged)]
enum Day {
    Rebuilt(Box<headcount_aggregator::Rebuild>),
    Refused { date: NaiveDate, error: String },
}

/// The outcome as JSON: what was done, and whether all of it is good.
#[derive(Serialize)]
struct Answer<'a> {
    complete: bool,
    days: &'a [Day],
}

impl Day {
    /// Whether every source was recounted and the figures are made of all of them.
    fn is_complete(&self) -> bool {
        match self {
            Self::Rebuilt(day) => day.is_complete() && rollup::ending(&day.roll_up) == Ending::Fine,
            Self::Refused { .. } => false,
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: Rebuild, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let Some(connected) = interrupt.or(deps(&args.table)).await else { return Ok(Ending::Interrupted) };
    let deps = connected?;
    let dates: BTreeSet<NaiveDate> = args.dates.into_iter().collect();
    let mut progress = Progress::start("rebuilding days", Some(dates.len() as u64));
    let mut days = Vec::new();
    let mut ending = Ending::Fine;
    for date in dates {
        let work = Box::pin(headcount_aggregator::rebuild(&deps, date, deadline()));
        let Some(outcome) = interrupt.or(work).await else {
            progress.note(&format!("interrupted at {date}: what was written is whole; rebuild it again to go on"));
            ending = Ending::Interrupted;
            break;
        };
        // A day that is refused is no reason to leave the others as they are.
        let day = match outcome {
            Ok(day) => Day::Rebuilt(Box::new(day)),
            Err(error) => Day::Refused { date, error: error.to_string() },
        };
        days.push(day);
        progress.set(days.len() as u64);
    }
    progress.finish();
    let complete = ending == Ending::Fine && days.iter().all(Day::is_complete);
    if args.json {
        output::json(&Answer { complete, days: &days })?;
    } else {
        days.iter().try_for_each(report)?;
    }
    Ok(if complete || ending == Ending::Interrupted { ending } else { Ending::Differences })
}

fn report(day: &Day) -> Result<(), Failure> {
    let day = match day {
        Day::Rebuilt(day) => day,
        Day::Refused { date, error } => return output::line(&format!("{date}: NOT REBUILT: {error}")),
    };
    let table = sources(day);
    if !table.is_empty() {
        output::line(&table.to_string())?;
    }
    output::line(&summary(day))
}

fn sources(day: &headcount_aggregator::Rebuild) -> Table {
    let mut table = Table::new(["source", "outcome", "lost with its damaged counters"]).left(1).left(2);
    for RecountedSource { source, lost } in &day.sources_recounted {
        table.row([source.clone(), "recounted".to_owned(), lost.join(", ")]);
    }
    for source in &day.sources_waiting {
        table.row([source.clone(), "WAITS: it is too busy now".to_owned()]);
    }
    table
}

fn summary(day: &headcount_aggregator::Rebuild) -> String {
    let date = day.date;
    let mut text = format!("{date}: {} sources recounted", whole(day.sources_recounted.len() as u64));
    if let Some(own) = day.roll_up.days.iter().find(|own| own.date == date) {
        text += &format!("; {}", figures(own));
    }
    for (other, error) in day.roll_up.failed().filter(|(other, _)| *other != date) {
        text += &format!("; {other}, which follows it, was NOT aggregated: {error}");
    }
    if !day.carried_over.is_empty() {
        text += &format!("; events do not tell, and were carried over: {}", day.carried_over.join(", "));
    }
    if !day.sources_waiting.is_empty() {
        text += &format!("; {} sources wait: run it again", whole(day.sources_waiting.len() as u64));
    }
    text
}

fn figures(day: &DayRollUp) -> String {
    let outcome = match &day.outcome {
        Outcome::Written => "its figures were written",
        Outcome::Unchanged => "its figures are what they were",
        Outcome::Superseded => "its figures were made of newer counts by somebody else",
        Outcome::Empty => "no figures: it has no events",
        Outcome::Failed { error } => return format!("its figures were NOT written: {error}"),
    };
    let proof = match (&day.verification, &day.verification_error) {
        (Some(verification), _) if verification.passed() => ", final and verified",
        (Some(_), _) => ", which DIFFER from its events: headcount verify tells where",
        (None, Some(_)) => ", which could not be verified: run it again",
        (None, None) => "",
    };
    format!("{outcome}{proof}")
}

#[cfg(test)]
mod tests {
    use headcount_aggregator::RollUp;

    use super::*;

    fn rebuilt(lost: Vec<&'static str>, waiting: Vec<String>) -> headcount_aggregator::Rebuild {
        headcount_aggregator::Rebuild {
            date: "2026-03-01".parse().unwrap(),
            sources_recounted: vec![RecountedSource { source: "s/0".into(), lost }],
            sources_waiting: waiting,
            carried_over: vec!["duplicates"],
            roll_up: RollUp { days: vec![] },
        }
    }

    #[test]
    fn what_was_lost_and_what_waits_is_named() {
        let day = rebuilt(vec!["duplicates"], vec!["s/1".into()]);
        let wanted = "\
source  outcome                    lost with its damaged counters
----  -------------------------  ------------------------------
s/0   recounted                  duplicates
s/1   WAITS: it is too busy now";
        assert_eq!(sources(&day).to_string(), wanted);
        let wanted = "2026-03-01: 1 sources recounted; events do not tell, and were carried over: duplicates; 1 sources \
                      wait: run it again";
        assert_eq!(summary(&day), wanted);
        assert!(!Day::Rebuilt(Box::new(day)).is_complete());
        assert!(Day::Rebuilt(Box::new(rebuilt(vec![], vec![]))).is_complete());
    }

    #[test]
    fn the_answer_says_of_each_day_what_became_of_it() {
        let refused = Day::Refused { date: "2026-01-01".parse().unwrap(), error: "too old".into() };
        let days = [Day::Rebuilt(Box::new(rebuilt(vec![], vec![]))), refused];
        let json = serde_json::to_value(Answer { complete: false, days: &days }).unwrap();
        assert_eq!(json["days"][0]["sourcesRecounted"][0]["source"], "s/0");
        assert_eq!((&json["days"][1]["date"], &json["days"][1]["error"]), (&"2026-01-01".into(), &"too old".into()));
    }
}
