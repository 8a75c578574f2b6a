//! `headcount import`: history out of a file.

mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;
use headcount_aggregator::history::closed_days;
use headcount_follow::ItemOptions;
use headcount_store::dynamo::DynamoStore;

use self::report::Summary;
use super::prove::prove_added;
use super::rollup;
use crate::aggregation::{self, deadline};
use crate::args::ConsumerArgs;
use crate::consumption::{self, Asked};
use crate::failure::{Ending, Failure};
use crate::history::importing::import;
use crate::history::survey::survey;
use crate::interrupt::Interrupt;

const EXAMPLES: &str = "\
Examples:
  headcount import --local history.ndjson
  headcount import --event-types signup,purchase history.ndjson.gz
  headcount import --json history.ndjson.zst | jq .rejected

The file holds one event a line, plain, gzip or zstd, of any age. It is read twice: first to check it, then to append it to \
the event log. Importing the same file again counts nothing twice, however it is compressed, and resumes after Ctrl-C. \
Events without an `eventId` are recognized only in an identical file, so give each event one before you correct lines. \
Days that have figures whose log entries have expired are refused. A new deployment gets the time zone $REPORTING_ZONE, \
or UTC.";

/// `headcount import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file of newline-delimited events
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What is accepted, and where it is written.
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
}

/// Days that an error names; the others are counted.
const MAX_NAMED_DAYS: usize = 10;

type Aggregator = headcount_aggregator::Deps<DynamoStore>;

/// Runs it.
pub(crate) async fn run(args: Import, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let connecting = async {
        let mut consumer = consumption::deps(Asked {
            consumer: &args.consumer,
            lateness_days: None,
            stream_generation: None,
            items: ItemOptions::default(),
        })
        .await?;
        // However long ago it was: that is what history is.
        consumer.settings.rules = consumer.settings.rules.without_lateness_limit();
        let zone = consumer.deployment(deadline()).await.map_err(Failure::said)?.zone;
        Ok::<_, Failure>((consumer, zone))
    };
    let Some(connected) = interrupt.or(Box::pin(connecting)).await else { return Ok(Ending::Interrupted) };
    let (consumer, zone) = connected?;
    let aggregator = aggregation::deps_over(consumer.store.clone(), consumer.log.clone(), &args.consumer.table)?;
    let now_ms = consumer.clock.now_ms();

    let (path, rules, asked) = (args.file.clone(), consumer.settings.rules.clone(), interrupt.clone());
    let looking = tokio::task::spawn_blocking(move || survey(&path, &rules, zone, now_ms, &asked));
    let looked = looking.await.map_err(|error| Failure::new(format!("the file was not read ({error})"), "report this"));
    let Some(seen) = looked?? else { return Ok(Ending::Interrupted) };
    let Some(arrived_ms) = seen.newest_ms else {
        let what = format!("no {} of {} tells when it happened", seen.unit, args.file.display());
        return Err(Failure::new(what, "give each event a timestamp: milliseconds since 1970, or RFC 3339"));
    };
    let days = seen.days_touched(zone, arrived_ms);
    let Some(closed) = interrupt.or(Box::pin(refuse_closed(&aggregator, &days))).await else {
        return Ok(Ending::Interrupted);
    };
    closed?;

    let mut summary = Summary::begin(&args.file, &seen, zone, arrived_ms);
    let imported = Box::pin(import(&consumer, &args.file, &seen, arrived_ms, interrupt)).await?;
    summary.take(&imported);
    if !imported.interrupted {
        let aggregating = Box::pin(prove_added(&aggregator, &days));
        match interrupt.or(aggregating).await {
            Some(rolled_up) => summary.aggregated(rolled_up?, &days),
            None => summary.interrupted = true,
        }
    }
    report::print(&summary, args.json)?;
    Ok(summary.ending())
}

/// Fails where a day can take no more history: before anything is written.
async fn refuse_closed(aggregator: &Aggregator, days: &BTreeSet<NaiveDate>) -> Result<(), Failure> {
    let closed = closed_days(aggregator, days, deadline()).await.map_err(Failure::said)?;
    let Some((_, reason)) = closed.first_key_value() else { return Ok(()) };
    let named: Vec<String> = closed.keys().take(MAX_NAMED_DAYS).map(ToString::to_string).collect();
    let more = closed.len() - named.len();
    let more = if more > 0 { format!(" and {more} more days") } else { String::new() };
    Err(Failure::new(
        format!("nothing was imported: {}{more} can take no more events: {reason}", named.join(", ")),
        "remove the events of these days from the file",
    ))
}
