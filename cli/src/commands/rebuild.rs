//! `headcount rebuild`: days counted again from the event log.

use chrono::NaiveDate;
use clap::Args;
use headcount_aggregator::Rebuild as Rebuilt;
use headcount_aggregator::rebuild::RebuiltDay;
use headcount_aggregator::roll_up::{DayRollUp, Outcome};
use serde::Serialize;

use super::rollup;
use crate::aggregation::{deadline, deps};
use crate::args::{DeploymentArgs, values};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount rebuild --local --date 2026-03-01              after `verify` found a damaged source
  headcount rebuild --date 2026-03-01 --date 2026-03-02
  headcount rebuild --date 2026-03-01 --log s3://my-bucket --json

Counts every source of the day again from the event log, then aggregates the day. The consumer may keep running. A day \
whose log entries have begun to expire is refused.";

/// `headcount rebuild`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rebuild {
    /// A day, YYYY-MM-DD; may be given again
    #[arg(long = "date", value_name = "DATE", required = true, value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// The outcome as JSON: what was done, and whether all of it is good.
#[derive(Serialize)]
struct Answer<'a> {
    complete: bool,
    #[serde(flatten)]
    rebuilt: &'a Rebuilt,
}

/// Runs it.
pub(crate) async fn run(args: Rebuild, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let work = async {
        let deps = deps(&args.deployment).await?;
        headcount_aggregator::rebuild(&deps, &args.dates, deadline()).await.map_err(Failure::said)
    };
    let Some(outcome) = interrupt.or(Box::pin(work)).await else {
        output::note("interrupted: what was written is whole; run it again to go on");
        return Ok(Ending::Interrupted);
    };
    let rebuilt = outcome?;
    let complete = is_complete(&rebuilt);
    if args.json {
        output::json(&Answer { complete, rebuilt: &rebuilt })?;
    } else {
        rebuilt.days.iter().try_for_each(|day| report(day, &rebuilt))?;
        for note in following(&rebuilt) {
            output::note(&note);
        }
    }
    Ok(if complete { Ending::Fine } else { Ending::Differences })
}

/// Whether every source of every day was counted again, from entries that can all be read, and is in the figures.
fn is_complete(rebuilt: &Rebuilt) -> bool {
    let is_whole = |day: &RebuiltDay| day.sources.iter().all(|source| source.damaged.is_empty());
    rebuilt.is_complete() && rebuilt.days.iter().all(is_whole) && rollup::ending(&rebuilt.roll_up) == Ending::Fine
}

fn report(day: &RebuiltDay, rebuilt: &Rebuilt) -> Result<(), Failure> {
    let table = sources(day);
    if !table.is_empty() {
        output::line(&table.to_string())?;
    }
    output::line(&summary(day, rebuilt))
}

fn sources(day: &RebuiltDay) -> Table {
    let mut table = Table::new(["source", "events", "outcome"]).left(2);
    for source in &day.sources {
        let outcome = if source.changed { "written" } else { "as it was" };
        let lost = source.damaged.iter().map(|one| format!("; entry {}: {}", one.entry, one.detail));
        let outcome = std::iter::once(outcome.to_owned()).chain(lost).collect::<String>();
        table.row([source.source.clone(), whole(source.events), outcome]);
    }
    table
}

fn summary(day: &RebuiltDay, rebuilt: &Rebuilt) -> String {
    let date = day.date;
    if let Some(error) = &day.error {
        return format!("{date}: NOT REBUILT: {error}");
    }
    let mut text = format!("{date}: {} sources counted again", whole(day.sources.len() as u64));
    if let Some(own) = rebuilt.roll_up.days.iter().find(|own| own.date == date) {
        text += &format!("; {}", figures(own));
    }
    text
}

fn figures(day: &DayRollUp) -> String {
    match &day.outcome {
        Outcome::Written => "its figures were written".to_owned(),
        Outcome::Unchanged => "its figures are what they were".to_owned(),
        Outcome::Superseded => "its figures were made of newer counts by somebody else".to_owned(),
        Outcome::Empty => "no figures: it has no events".to_owned(),
        Outcome::Failed { error } => format!("its figures were NOT written: {error}"),
    }
}

/// What a person should know of other days, and of what is not in the figures yet.
fn following(rebuilt: &Rebuilt) -> Vec<String> {
    let is_named = |date| rebuilt.days.iter().any(|day| day.date == date);
    let failed = rebuilt.roll_up.failed().filter(|(date, _)| !is_named(*date));
    let failed = failed.map(|(date, error)| format!("{date}, which follows them, was NOT aggregated: {error}"));
    failed.chain(rollup::behind(&rebuilt.roll_up.following)).collect()
}

#[cfg(test)]
mod tests {
    use headcount_aggregator::RollUp;
    use headcount_aggregator::follow::DamagedEntry;
    use headcount_aggregator::rebuild::RebuiltSource;

    use super::*;

    fn rebuilt(damaged: Vec<DamagedEntry>, error: Option<&str>) -> Rebuilt {
        let source =
            |name: &str, changed, damaged| RebuiltSource { source: name.into(), events: 1_200, changed, damaged };
        let day = RebuiltDay {
            date: "2026-03-01".parse().unwrap(),
            sources: vec![source("s/0", true, damaged), source("s/1", false, vec![])],
            error: error.map(str::to_owned),
        };
        Rebuilt { days: vec![day], roll_up: RollUp { days: vec![], ..RollUp::default() } }
    }

    #[test]
    fn what_was_done_and_what_is_lost_is_named() {
        let lost = rebuilt(vec![DamagedEntry { entry: 3, detail: "it is missing".into() }], None);
        let wanted = "\
source  events  outcome
------  ------  -------------------------------
s/0      1,200  written; entry 3: it is missing
s/1      1,200  as it was";
        assert_eq!(sources(&lost.days[0]).to_string(), wanted);
        assert_eq!(summary(&lost.days[0], &lost), "2026-03-01: 2 sources counted again");
        assert!(!is_complete(&lost));
        assert!(is_complete(&rebuilt(vec![], None)));
    }

    #[test]
    fn a_day_that_is_refused_says_why() {
        let refused = rebuilt(vec![], Some("too old"));
        assert_eq!(summary(&refused.days[0], &refused), "2026-03-01: NOT REBUILT: too old");
        assert!(!is_complete(&refused));
        let json = serde_json::to_value(Answer { complete: false, rebuilt: &refused }).unwrap();
        assert_eq!((&json["complete"], &json["days"][0]["error"]), (&false.into(), &"too old".into()));
    }
}
