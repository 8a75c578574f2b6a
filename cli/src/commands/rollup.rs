//! `headcount rollup`: aggregate now.

use headcount_aggregator::roll_up::{DayRollUp, Outcome, RollUp};

use crate::aggregation::{deadline, deps};
use crate::args::Rollup;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, table::Table};

/// Runs it.
pub(crate) async fn run(args: Rollup, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let work = async {
        let deps = deps(&args.table).await?;
        let dates = (!args.dates.is_empty()).then_some(args.dates.as_slice());
        headcount_aggregator::roll_up(&deps, dates, deadline()).await.map_err(Failure::said)
    };
    let Some(outcome) = interrupt.or(work).await else { return Ok(Ending::Interrupted) };
    let rolled_up = outcome?;
    if args.json {
        output::json(&rolled_up)?;
    } else if rolled_up.days.is_empty() {
        output::line("no day needed anything")?;
    } else {
        output::line(&table(&rolled_up).to_string())?;
    }
    Ok(ending(&rolled_up))
}

/// Whether every day's figures are complete and proven as far as they were looked at.
pub(crate) fn ending(rolled_up: &RollUp) -> Ending {
    if rolled_up.days.iter().all(is_fine) { Ending::Fine } else { Ending::Differences }
}

fn is_fine(day: &DayRollUp) -> bool {
    let failed = matches!(day.outcome, Outcome::Failed { .. });
    let differs = day.verification.as_ref().is_some_and(|verification| !verification.passed());
    !failed && !differs && day.sources_set_aside.is_empty() && day.verification_error.is_none()
}

fn table(rolled_up: &RollUp) -> Table {
    let mut table = Table::new(["date", "outcome", "sources", "notes"]).left(1).left(3);
    for day in &rolled_up.days {
        let outcome = match &day.outcome {
            Outcome::Written => "written",
            Outcome::Unchanged => "unchanged",
            Outcome::Superseded => "newer there",
            Outcome::Empty => "no events",
            Outcome::Failed { .. } => "FAILED",
        };
        table.row([day.date.to_string(), outcome.to_owned(), day.sources.to_string(), notes(day).join("; ")]);
    }
    table
}

/// What a person should know of a day.
pub(super) fn notes(day: &DayRollUp) -> Vec<String> {
    let mut notes = Vec::new();
    if let Outcome::Failed { error } = &day.outcome {
        notes.push(error.clone());
    }
    if day.closed {
        notes.push("closed".to_owned());
    }
    match &day.verification {
        Some(verification) if verification.passed() => notes.push("verified".to_owned()),
        Some(_) => notes.push(format!("DIFFERS from its events: headcount verify --date {}", day.date)),
        None => {}
    }
    notes.extend(day.verification_error.iter().map(|error| format!("not verified: {error}")));
    notes.extend(day.sources_recounted.iter().map(|source| format!("recounted {}", source.source)));
    notes.extend(day.sources_waiting.iter().map(|source| format!("{source} waits for a recount")));
    notes.extend(day.sources_set_aside.iter().map(|source| format!("set aside {}: {}", source.source, source.reason)));
    notes.extend(day.sketches_set_aside.iter().map(|day| format!("the sketches of {day} are damaged")));
    notes
}
