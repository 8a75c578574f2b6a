//! `headcount prove`: days counted exactly from the event log.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use clap::Args;
use headcount_aggregator::prove::{Asked, ProvenDate, Unfinished, prove_days};
use headcount_aggregator::roll_up::follow_up;
use headcount_aggregator::{Deps, ProofRun, RollUp};
use headcount_store::dynamo::DynamoStore;
use serde::Serialize;

use crate::aggregation::{deadline, deps};
use crate::args::{DeploymentArgs, values};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  headcount prove --local                                         today and yesterday, if anything was counted since
  headcount prove --date 2026-03-01 --date 2026-03-02 --local     these days, whatever is stored of them
  headcount prove --open --log s3://my-bucket --json              every day that changed since its proof

Counts the days exactly, from the event log: events once however often they were sent, users and sessions without
estimates, names without a bound. Stores the proof beside the log and in the table, and rolls the days up. Exit code 1 if
a partial differs from the log, entries cannot be read, or a day was not proven.";

/// `headcount prove`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prove {
    /// A day, YYYY-MM-DD; may be given more than once
    #[arg(long = "date", value_name = "DATE", value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// All days that have changed since their proof, however long ago they were
    #[arg(long, conflicts_with = "dates")]
    pub(crate) open: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// Days that a command added to and that are proven in one run: progress is shown between two.
const DAYS_AT_ONCE: usize = 30;

/// The outcome as JSON: what was proven, and whether all of it is good.
#[derive(Serialize)]
struct Answer<'a> {
    clean: bool,
    #[serde(flatten)]
    run: &'a ProofRun,
}

/// Runs it.
pub(crate) async fn run(args: Prove, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let asked = match (args.open, args.dates.is_empty()) {
        (true, _) => Asked::AllOpen,
        (false, true) => Asked::WithinBudget,
        (false, false) => Asked::Dates(args.dates),
    };
    let work = async {
        let deps = deps(&args.deployment).await?;
        prove_days(&deps, &asked, deadline()).await.map_err(Failure::said)
    };
    let Some(outcome) = interrupt.or(Box::pin(work)).await else {
        output::note("interrupted: run it again; the passes over the log of a large day that were counted are kept");
        return Ok(Ending::Interrupted);
    };
    let run = outcome?;
    let clean = run.is_clean();
    if args.json {
        output::json(&Answer { clean, run: &run })?;
    } else {
        report(&run)?;
    }
    Ok(if clean { Ending::Fine } else { Ending::Differences })
}

/// Proves and rolls up days that a command added to, and brings all days after them up to date. A day that is too large for it, or
/// fails, is left to the next nightly run.
pub(super) async fn prove_added(
    aggregator: &Deps<DynamoStore>,
    dates: &BTreeSet<NaiveDate>,
) -> Result<RollUp, Failure> {
    let all: Vec<NaiveDate> = dates.iter().copied().collect();
    let mut found = RollUp { days: Vec::new(), ..RollUp::default() };
    let Some(first) = all.first() else { return Ok(found) };
    let mut progress = Progress::start("aggregating days", Some(all.len() as u64));
    let mut done = 0;
    for dates in all.chunks(DAYS_AT_ONCE) {
        let asked = Asked::Changed(dates.to_vec());
        let run = Box::pin(prove_days(aggregator, &asked, deadline())).await.map_err(Failure::said)?;
        for day in &run.days {
            if let Some(error) = &day.error {
                output::note(&format!("{} is not proven yet: {error}", day.date));
            }
        }
        if let Some(rolled_up) = run.roll_up {
            found.following = rolled_up.following;
            found.days.extend(rolled_up.days);
        }
        done += dates.len() as u64;
        progress.set(done);
    }
    found.days.extend(Box::pin(follow_up(aggregator, *first, deadline())).await.map_err(Failure::said)?.days);
    progress.finish();
    Ok(found)
}

fn report(run: &ProofRun) -> Result<(), Failure> {
    if run.days.is_empty() && run.overdue.is_empty() {
        return output::line("nothing to prove: no event was counted since the last proofs");
    }
    for day in &run.days {
        let table = differences(day);
        if !table.is_empty() {
            output::line(&format!("{table}\n"))?;
        }
        output::line(&outcome(day))?;
    }
    for date in &run.overdue {
        output::line(&format!("{date}: entries that no proof counts EXPIRE within a week"))?;
    }
    Ok(())
}

fn differences(day: &ProvenDate) -> Table {
    let mut table = Table::new(["source", "counter", "stored", "by the log"]).left(1);
    for (source, differences) in &day.differences {
        for difference in differences {
            let (stored, recounted) = (whole(difference.stored), whole(difference.recounted));
            table.row([source.to_string(), difference.counter.clone(), stored, recounted]);
        }
    }
    table
}

fn outcome(day: &ProvenDate) -> String {
    let date = day.date;
    if let Some(error) = &day.error {
        return format!("{date}: NOT PROVEN: {error}");
    }
    if let Some(Unfinished { passes, of }) = day.unfinished {
        return format!("{date}: UNFINISHED: {passes} of {of} passes over the log are counted: run it again to go on");
    }
    let Some(number) = day.number else { return format!("{date}: the log has nothing of this day") };
    let (events, duplicates) = (whole(day.events), whole(day.duplicates));
    let mut text = format!("{date}: proof {number}: {events} events, {duplicates} duplicates");
    if day.damaged > 0 {
        let damaged = whole(day.damaged as u64);
        text += &format!(
            "; NOT APPLIED: {damaged} entries are missing or damaged: headcount verify --date {date} names them"
        );
    }
    if !day.differences.is_empty() {
        text += &format!("; {} partials DIFFER from the log: headcount rebuild --date {date}", day.differences.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use headcount_core::counters::Difference;
    use headcount_core::origin::Source;

    use super::*;

    fn day() -> ProvenDate {
        ProvenDate {
            date: "2026-03-01".parse().unwrap(),
            number: Some(4),
            events: 12_000,
            duplicates: 7,
            differences: [].into(),
            damaged: 0,
            unfinished: None,
            error: None,
        }
    }

    #[test]
    fn a_proven_day_is_one_line() {
        assert_eq!(outcome(&day()), "2026-03-01: proof 4: 12,000 events, 7 duplicates");
        assert!(differences(&day()).is_empty());
        let nothing = ProvenDate { number: None, ..day() };
        assert_eq!(outcome(&nothing), "2026-03-01: the log has nothing of this day");
        let failed = ProvenDate { error: Some("too old".into()), ..day() };
        assert_eq!(outcome(&failed), "2026-03-01: NOT PROVEN: too old");
        let unfinished = ProvenDate { unfinished: Some(Unfinished { passes: 3, of: 8 }), ..day() };
        assert!(outcome(&unfinished).contains("3 of 8 passes"), "{}", outcome(&unfinished));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        let difference = Difference { counter: "events".into(), stored: 5, recounted: 6 };
        let differences_found = [(Source::import(1), vec![difference])].into();
        let bad = ProvenDate { damaged: 2, differences: differences_found, ..day() };
        assert!(outcome(&bad).contains("NOT APPLIED: 2 entries"), "{}", outcome(&bad));
        assert!(outcome(&bad).ends_with("headcount rebuild --date 2026-03-01"), "{}", outcome(&bad));
        assert!(differences(&bad).to_string().contains("events"));
    }
}
