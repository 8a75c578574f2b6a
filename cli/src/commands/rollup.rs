//! `headcount rollup`: aggregate now.

use chrono::NaiveDate;
use clap::Args;
use headcount_aggregator::Following;
use headcount_aggregator::follow::SourceFollowing;
use headcount_aggregator::roll_up::{DayRollUp, Outcome, RollUp};

use crate::aggregation::{deadline, deps};
use crate::args::{DeploymentArgs, values};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount rollup --local                              every open day
  headcount rollup --date 2026-03-01 --date 2026-03-02  these days, open or not";

/// `headcount rollup`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rollup {
    /// A day, YYYY-MM-DD; may be given again [default: every open day]
    #[arg(long = "date", value_name = "DATE", value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

/// Runs it.
pub(crate) async fn run(args: Rollup, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let work = async {
        let deps = deps(&args.deployment).await?;
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
    for note in behind(&rolled_up.following) {
        output::note(&note);
    }
    Ok(ending(&rolled_up))
}

/// Whether every day's figures are made of all that could be followed. What is appended meanwhile is no failure.
pub(crate) fn ending(rolled_up: &RollUp) -> Ending {
    let followed = rolled_up.following.sources.iter().all(|source| source.error.is_none() && source.damaged.is_empty());
    if followed { ending_of(&rolled_up.days) } else { Ending::Differences }
}

/// The same of the days alone.
pub(super) fn ending_of(days: &[DayRollUp]) -> Ending {
    let is_fine = |day: &DayRollUp| !matches!(day.outcome, Outcome::Failed { .. }) && day.sources_set_aside.is_empty();
    if days.iter().all(is_fine) { Ending::Fine } else { Ending::Differences }
}

/// What of the event log is not in the figures.
pub(super) fn behind(following: &Following) -> Vec<String> {
    let mut notes = Vec::new();
    for source in &following.sources {
        let SourceFollowing { source: name, figures, damaged, error, .. } = source;
        if source.is_behind() {
            let (entries, why) = (whole(figures.entries_behind), error.as_deref().unwrap_or("run it again to go on"));
            notes.push(format!("{entries} entries of {name} are not in the figures yet: {why}"));
        }
        let told = damaged.iter().map(|one| format!("entry {} of {name} is in no figure: {}", one.entry, one.detail));
        notes.extend(told);
    }
    notes
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
        let became_final = day.became_final.then(|| "final".to_owned());
        let notes: Vec<_> = became_final.into_iter().chain(problems(day)).collect();
        table.row([day.date.to_string(), outcome.to_owned(), day.sources.to_string(), notes.join("; ")]);
    }
    table
}

/// What a person should know of a day.
pub(super) fn problems(day: &DayRollUp) -> impl Iterator<Item = String> {
    let failed = match &day.outcome {
        Outcome::Failed { error } => Some(error.clone()),
        Outcome::Written | Outcome::Unchanged | Outcome::Superseded | Outcome::Empty => None,
    };
    let refolded = day.sources_refolded.iter().map(|source| format!("{source} was damaged and is counted again"));
    let set_aside =
        day.sources_set_aside.iter().map(|source| format!("set aside {}: {}", source.source, source.reason));
    let sketches = day.sketches_set_aside.iter().map(|day| format!("the sketches of {day} are damaged"));
    failed.into_iter().chain(refolded).chain(set_aside).chain(sketches)
}
