//! `headcount prove`: days counted exactly from the event log.

use chrono::NaiveDate;
use headcount_aggregator::prove::{Asked, ProvenDate, Unfinished, prove_days};
use headcount_aggregator::{Deps, Following, ProofRun, RollUp};
use headcount_store::dynamo::DynamoStore;
use serde::Serialize;

use crate::aggregation::{deadline, deps};
use crate::args::Prove;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};

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

/// Proves and rolls up days that a command added to. A day that is too large for it, or fails, is left to the next nightly run.
pub(super) async fn prove_changed(aggregator: &Deps<DynamoStore>, dates: &[NaiveDate]) -> Result<RollUp, Failure> {
    let asked = Asked::Changed(dates.to_vec());
    let run = Box::pin(prove_days(aggregator, &asked, deadline())).await.map_err(Failure::said)?;
    for day in &run.days {
        if let Some(error) = &day.error {
            output::note(&format!("{} is not proven yet: {error}", day.date));
        }
    }
    let nothing = RollUp { following: Following::default(), days: Vec::new() };
    Ok(run.roll_up.unwrap_or(nothing))
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
