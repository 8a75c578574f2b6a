//! `headcount verify`: compare a day's counters with the event log.

use chrono::NaiveDate;
use clap::Args;
use headcount_aggregator::verify::{SourceVerification, StoredProof};
use headcount_aggregator::{AggregateError, Deps, Verification};
use headcount_core::calendar::day_of;
use headcount_store::dynamo::DynamoStore;
use headcount_store::meta;
use serde::Serialize;

use crate::aggregation::{deadline, deps};
use crate::args::{DeploymentArgs, values};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount verify --local                       today, as far as it is counted
  headcount verify --date 2026-03-01 --log s3://my-bucket --json    exit code 1 if a counter differs

Reads the day's events from the event log and counts them again. Nothing is changed.";

/// `headcount verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// The day, YYYY-MM-DD; today in the reporting zone where none is given
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) date: Option<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// The outcome as JSON: what was found, and whether it is good.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    passed: bool,
    events: u64,
    in_flight: u64,
    #[serde(flatten)]
    verification: &'a Verification,
}

impl<'a> Answer<'a> {
    fn of(verification: &'a Verification) -> Self {
        Self {
            passed: verification.passed(),
            events: verification.events(),
            in_flight: verification.in_flight(),
            verification,
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: Verify, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let work = async {
        let deps = deps(&args.deployment).await?;
        let date = match args.date {
            Some(date) => date,
            None => today(&deps).await?,
        };
        headcount_aggregator::verify(&deps, date, deadline()).await.map_err(Failure::said)
    };
    let Some(outcome) = interrupt.or(Box::pin(work)).await else { return Ok(Ending::Interrupted) };
    let verification = outcome?;
    if args.json {
        output::json(&Answer::of(&verification))?;
    } else {
        report(&verification)?;
    }
    Ok(if verification.passed() { Ending::Fine } else { Ending::Differences })
}

/// Today, in the deployment's zone.
async fn today(deps: &Deps<DynamoStore>) -> Result<NaiveDate, Failure> {
    let meta = meta::read(&deps.store, &deps.jitter, deadline()).await.map_err(Failure::said)?;
    let zone = meta.ok_or_else(|| Failure::said(AggregateError::NoDeployment))?.deployment.zone;
    Ok(day_of(zone, deps.clock.now_ms()).unwrap_or_default())
}

/// Prints every difference, what is in flight apart, and the outcome in a line.
pub(crate) fn report(verification: &Verification) -> Result<(), Failure> {
    let tables = [differences(verification), in_flight(verification)];
    for table in tables.iter().filter(|table| !table.is_empty()) {
        output::line(&format!("{table}\n"))?;
    }
    output::line(&outcome(verification))
}

fn differences(verification: &Verification) -> Table {
    let mut table = Table::new(["source", "counter", "stored", "by the log"]).left(1);
    for source in &verification.sources {
        if let Some(part) = &source.damaged {
            table.row([source.source.clone(), format!("DAMAGED: {part}")]);
        }
        for entry in &source.damaged_entries {
            table.row([source.source.clone(), format!("entry {}: {}", entry.entry, entry.detail)]);
        }
        for difference in &source.differences {
            let (stored, recounted) = (whole(difference.stored), whole(difference.recounted));
            table.row([source.source.clone(), difference.counter.clone(), stored, recounted]);
        }
    }
    table
}

/// Events behind the last entry that was followed are no differences: they are counted when the table catches up.
fn in_flight(verification: &Verification) -> Table {
    let mut table = Table::new(["source", "counted", "in flight"]);
    for source in verification.sources.iter().filter(|source| source.in_flight > 0) {
        table.row([source.source.clone(), whole(source.events), whole(source.in_flight)]);
    }
    table
}

fn outcome(verification: &Verification) -> String {
    let Verification { date, sources, repeated, proof } = verification;
    let mut text = if verification.passed() {
        let events = whole(verification.events());
        format!("{date}: verified: every counter equals its {events} events in {} sources", sources.len())
    } else {
        let bad = sources.iter().filter(|source| !source.passed()).count();
        format!("{date}: NOT VERIFIED: {bad} of {} sources differ from the event log", sources.len())
    };
    if verification.in_flight() > 0 {
        text += &format!("; {} more are in flight", whole(verification.in_flight()));
    }
    if *repeated > 0 {
        text += &format!("; {} of them are repetitions, which only proven figures leave out", whole(*repeated));
    }
    match proof {
        StoredProof::None => {}
        StoredProof::Earlier => text += "; more was counted since its proof: headcount prove",
        StoredProof::Same => text += "; its proof says the same",
        StoredProof::Differs => text += "; its stored PROOF DIFFERS from the log",
    }
    if !verification.passed() {
        text += &format!("; {}", remedy(verification));
    }
    text
}

/// What to do about a day that differs. What the log itself has lost cannot be counted again.
fn remedy(verification: &Verification) -> String {
    let date = verification.date;
    if verification.sources.iter().all(SourceVerification::passed) {
        return format!("prove it again: headcount prove --date {date}");
    }
    if verification.sources.iter().all(|source| source.damaged.is_none() && source.differences.is_empty()) {
        return "restore the damaged entries from a backup or an earlier version of the object, then run headcount rebuild"
            .to_owned();
    }
    format!("count it again: headcount rebuild --date {date}")
}

#[cfg(test)]
mod tests {
    use headcount_aggregator::follow::DamagedEntry;
    use headcount_core::counters::Difference;

    use super::*;

    fn source(name: &str, differences: Vec<Difference>) -> SourceVerification {
        SourceVerification {
            source: name.into(),
            as_of: 7,
            events: 12_000,
            in_flight: 3,
            damaged: None,
            damaged_entries: vec![],
            differences,
        }
    }

    fn day(sources: Vec<SourceVerification>) -> Verification {
        Verification { date: "2026-03-01".parse().unwrap(), sources, repeated: 0, proof: StoredProof::None }
    }

    #[test]
    fn a_good_day_is_one_line() {
        let mut day = day(vec![source("s/0", vec![]), source("s/1", vec![])]);
        assert!(differences(&day).is_empty());
        let wanted = "2026-03-01: verified: every counter equals its 24,000 events in 2 sources; 6 more are in flight";
        assert_eq!(outcome(&day), wanted);
        day.repeated = 2;
        day.proof = StoredProof::Same;
        let said = outcome(&day);
        assert!(
            said.ends_with("2 of them are repetitions, which only proven figures leave out; its proof says the same"),
            "{said}"
        );
        day.proof = StoredProof::Differs;
        let said = outcome(&day);
        assert!(!day.passed() && said.ends_with("headcount prove --date 2026-03-01"), "{said}");
    }

    #[test]
    fn every_difference_is_a_row_and_the_remedy_is_named() {
        let difference = Difference { counter: "featureUsage.search".into(), stored: 12_345, recounted: 12_346 };
        let mut broken = source("s/2", vec![]);
        broken.damaged = Some("the counters".into());
        let day = day(vec![source("s/0", vec![]), source("s/1", vec![difference]), broken]);
        let wanted = "\
source  counter                stored  by the log
------  ---------------------  ------  ----------
s/1     featureUsage.search    12,345      12,346
s/2     DAMAGED: the counters";
        assert_eq!(differences(&day).to_string(), wanted);
        assert!(outcome(&day).starts_with("2026-03-01: NOT VERIFIED: 2 of 3 sources"), "{}", outcome(&day));
        assert!(outcome(&day).ends_with("headcount rebuild --date 2026-03-01"), "{}", outcome(&day));
        let json = serde_json::to_value(Answer::of(&day)).unwrap();
        assert_eq!((&json["passed"], &json["sources"][1]["differences"][0]["stored"]), (&false.into(), &12_345.into()));
        assert_eq!(json["inFlight"], 9);
    }

    #[test]
    fn what_the_log_has_lost_is_named_and_nothing_is_counted_again() {
        let mut lost = source("s/0", vec![]);
        lost.damaged_entries.push(DamagedEntry { entry: 5, detail: "it is missing".into() });
        let day = day(vec![lost]);
        assert!(differences(&day).to_string().contains("entry 5: it is missing"));
        assert!(outcome(&day).contains("restore the damaged entries"), "{}", outcome(&day));
    }

    #[test]
    fn what_is_in_flight_stands_apart() {
        let mut settled = source("s/1", vec![]);
        settled.in_flight = 0;
        let wanted = "\
source  counted  in flight
------  -------  ---------
s/0      12,000          3";
        assert_eq!(in_flight(&day(vec![source("s/0", vec![]), settled])).to_string(), wanted);
    }
}
