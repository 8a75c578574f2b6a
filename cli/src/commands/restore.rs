//! `headcount restore`: a table made whole from the event log.

use clap::Args;
use headcount_aggregator::restore::{Restored, Step, restore};
use headcount_aggregator::roll_up::Outcome;
use serde::Serialize;

use super::rollup;
use crate::aggregation::{deps, restore_deadline};
use crate::args::DeploymentArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  headcount restore --table headcount-restored --log s3://my-bucket          a table restored from a backup, or a new one
  headcount restore --table headcount-restored --log s3://my-bucket --json

Makes a table whole from the event log: it gets a new number, so that nothing in it counts as done, then every entry of the \
log is followed, and every day is rolled up. Days whose entries have expired get the figures of their proof.

Run it before the functions use the table, and let nothing else write to it meanwhile. It may be interrupted and run again. \
Exit code 1 if an entry was not followed or a day was not rolled up.

What the log no longer has does not come back: event items of entries that have expired, and profiles of users who were seen only \
there, so that no day counts them as new. A table restored from a backup keeps those that it has.";

/// `headcount restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Restore {
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
    restored: &'a Restored,
}

/// Runs it.
pub(crate) async fn run(args: Restore, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let table = &args.deployment.table.tables.dynamodb.table;
    output::note(&format!(
        "giving the table {table} a new number, then following the event log from its first entry; no function may use the table \
         meanwhile"
    ));
    let mut shown: Option<(Step, Progress)> = None;
    let on_progress = |now: headcount_aggregator::restore::RestoreProgress| {
        if shown.as_ref().is_none_or(|(step, _)| *step != now.step)
            && let Some((_, ended)) = shown.replace((now.step, begin(now.step, now.of, now.of_events)))
        {
            ended.finish();
        }
        if let Some((_, progress)) = &mut shown {
            progress.set(if is_of_events(now.step) { now.events } else { now.done });
        }
    };
    let work = async {
        let deps = deps(&args.deployment).await?;
        restore(&deps, on_progress, restore_deadline()).await.map_err(Failure::said)
    };
    let outcome = interrupt.or(Box::pin(work)).await;
    if let Some((_, progress)) = shown {
        progress.finish();
    }
    let Some(outcome) = outcome else {
        output::note("interrupted: the table is not whole yet; run it again before any function uses the table");
        return Ok(Ending::Interrupted);
    };
    let restored = outcome?;
    let complete = is_complete(&restored);
    if args.json {
        output::json(&Answer { complete, restored: &restored })?;
    } else {
        output::line(&sources(&restored).to_string())?;
        output::line(&summary(&restored))?;
    }
    for note in notes(&restored) {
        output::note(&note);
    }
    Ok(if complete { Ending::Fine } else { Ending::Differences })
}

fn begin(step: Step, of: u64, of_events: u64) -> Progress {
    match step {
        Step::Looking => Progress::start("entries found", None),
        Step::Proofs => Progress::start("proofs put back", Some(of)),
        Step::Figures => Progress::start("events counted", Some(of_events)),
        Step::Items => Progress::start("events whose items are written", Some(of_events)),
        Step::Days => Progress::start("days rolled up", Some(of)),
    }
}

fn is_of_events(step: Step) -> bool {
    matches!(step, Step::Figures | Step::Items)
}

/// Whether all that the log has is in the table, from entries that can all be read.
fn is_complete(restored: &Restored) -> bool {
    restored.is_complete() && restored.following.sources.iter().all(|source| source.damaged.is_empty())
}

fn sources(restored: &Restored) -> Table {
    let mut table = Table::new(["source", "entries", "events", "oldest entry"]);
    for source in &restored.sources {
        let (entries, events) = (whole(source.entries), whole(source.events));
        table.row([source.source.clone(), entries, events, whole(source.oldest)]);
    }
    table
}

fn summary(restored: &Restored) -> String {
    let Restored { entries, events, proofs, days, .. } = restored;
    let figures = days.iter().filter(|day| matches!(day.outcome, Outcome::Written | Outcome::Unchanged)).count();
    format!(
        "{} events of {} entries followed, {} proofs put back, figures of {} days",
        whole(*events),
        whole(*entries),
        whole(*proofs as u64),
        whole(figures as u64)
    )
}

/// What is not in the table, and why.
fn notes(restored: &Restored) -> Vec<String> {
    let mut notes = Vec::new();
    let dates = |dates: &[chrono::NaiveDate]| dates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    for day in &restored.days {
        if let Outcome::Failed { error } = &day.outcome {
            notes.push(format!("{} was NOT rolled up: {error}", day.date));
        }
    }
    for source in &restored.following.sources {
        for damaged in &source.damaged {
            notes.push(format!("entry {} of {} is in no figure: {}", damaged.entry, source.source, damaged.detail));
        }
    }
    if restored.cut().next().is_some() {
        notes.push(
            "entries have expired: users who were seen only in these count among total users only if the table had their profiles, \
             and their event items are not written again"
                .to_owned(),
        );
    }
    if !restored.from_proofs.is_empty() {
        notes.push(format!("figures of their proofs: {}", dates(&restored.from_proofs)));
    }
    if !restored.unproven.is_empty() {
        notes.push(format!(
            "may lack events of expired entries, for they were never proven: {}",
            dates(&restored.unproven)
        ));
    }
    notes.extend(rollup::behind(&restored.following));
    notes
}

#[cfg(test)]
mod tests {
    use headcount_aggregator::Following;
    use headcount_aggregator::restore::RestoredSource;

    use super::*;

    fn restored(oldest: u64) -> Restored {
        let source = RestoredSource { source: "events/shard".into(), entries: 1_200, events: 34_000, oldest };
        Restored {
            sources: vec![source],
            entries: 1_200,
            events: 34_000,
            proofs: 3,
            from_proofs: Vec::new(),
            unproven: Vec::new(),
            following: Following::default(),
            days: Vec::new(),
        }
    }

    #[test]
    fn what_was_done_is_told() {
        let whole = restored(1);
        assert_eq!(summary(&whole), "34,000 events of 1,200 entries followed, 3 proofs put back, figures of 0 days");
        assert!(is_complete(&whole) && notes(&whole).is_empty());
        assert!(sources(&whole).to_string().contains("1,200"));
    }

    #[test]
    fn what_cannot_come_back_is_told() {
        let date = "2026-03-01".parse().unwrap();
        let cut = Restored { from_proofs: vec![date], unproven: vec![date], ..restored(9) };
        let notes = notes(&cut).join("\n");
        for part in ["entries have expired", "figures of their proofs: 2026-03-01", "never proven: 2026-03-01"] {
            assert!(notes.contains(part), "{notes}");
        }
    }
}
