//! `headcount redrive`: what a mapping gave up on, appended to the log by the consumer itself.

mod report;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::Args;
use headcount_aggregator::history::closed_days;
use headcount_consumer::batch::Batch;
use headcount_consumer::chunk::Chunk;
use headcount_consumer::config::MAX_LATENESS_DAYS;
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::HandleError;
use headcount_core::calendar::day_of;
use headcount_core::origin::Source;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_local::failures::Failures;
use headcount_store::dynamo::DynamoStore;
use tokio::time::{Duration, Instant};

use self::report::{Fate, Handled, Summary};
use super::prove::prove_added;
use super::rollup;
use crate::aggregation::{self, deadline};
use crate::args::ConsumerArgs;
use crate::consumption::{self, Asked, append, follow};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  headcount redrive --local ./failures
  headcount redrive s3://my-bucket/failures               what Lambda kept, in S3
  headcount redrive --delete --json s3://my-bucket/failures

Appends the records that an event source mapping gave up on to the event log, brings the table up to date and aggregates \
the days they touch. Running it again appends nothing twice. Invocations are looked for below aws/lambda/, as Lambda names \
them. Give the same rules as the deployment's consumer has.";

/// `headcount redrive`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Redrive {
    /// The failure destination: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "FOLDER|s3://BUCKET/PREFIX")]
    pub(crate) place: String,
    /// Delete each invocation once it is in the event log and in the table
    #[arg(long)]
    pub(crate) delete: bool,
    /// How long to retry one invocation while log or table fail, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub(crate) patience: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Tells a recreated stream from the first one, as the consumer's `STREAM_GENERATION`
    #[arg(long, value_name = "NAME", env = "STREAM_GENERATION")]
    pub(crate) stream_generation: Option<String>,
    /// Maximum age of an event on arrival, in days, as the consumer has it [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
    /// What is accepted, and where it is written.
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
}

/// Seconds of a minute.
const MINUTE: u64 = 60;

/// Runs it.
pub(crate) async fn run(args: Redrive, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let failures = Failures::open(&args.place).map_err(Failure::said)?;
    let connecting = async {
        let keys = failures.list().await.map_err(Failure::said)?;
        let consumer = consumption::deps(Asked {
            consumer: &args.consumer,
            lateness_days: args.lateness_days,
            stream_generation: args.stream_generation.as_deref(),
            items: ItemOptions::default(),
        });
        let consumer = consumer.await?;
        let zone = consumer.deployment(deadline()).await.map_err(Failure::said)?.zone;
        Ok::<_, Failure>((keys, consumer, zone))
    };
    let Some(connected) = interrupt.or(Box::pin(connecting)).await else { return Ok(Ending::Interrupted) };
    let (keys, consumer, zone) = connected?;
    let aggregator = aggregation::deps_over(consumer.store.clone(), consumer.log.clone(), &args.consumer.table)?;
    let redriving = Redriving {
        failures: &failures,
        consumer: &consumer,
        aggregator: &aggregator,
        zone,
        patience: Duration::from_secs(args.patience * MINUTE),
    };
    let mut summary = Summary::new(&failures.to_string());
    redriving.all(keys, &mut summary, interrupt).await?;
    if !summary.interrupted {
        match interrupt.or(Box::pin(prove_added(&aggregator, &summary.days()))).await {
            Some(rolled_up) => summary.aggregated(rolled_up?),
            None => summary.interrupted = true,
        }
    }
    if args.delete {
        remove(&failures, &mut summary).await;
    }
    report::print(&summary, args.json)?;
    Ok(summary.ending())
}

struct Redriving<'a> {
    failures: &'a Failures,
    consumer: &'a Deps<DynamoStore>,
    aggregator: &'a headcount_aggregator::Deps<DynamoStore>,
    zone: Tz,
    /// How long one invocation may take.
    patience: Duration,
}

impl Redriving<'_> {
    /// Handles each invocation, one after the other; what cannot be read is named, and the others go on.
    async fn all(&self, keys: Vec<String>, summary: &mut Summary, interrupt: &Interrupt) -> Result<(), Failure> {
        let mut progress = Progress::start("redriving invocations", Some(keys.len() as u64));
        for (done, key) in (1..).zip(keys) {
            let Some(handled) = interrupt.or(Box::pin(self.one(key))).await else {
                summary.interrupted = true;
                break;
            };
            summary.handled.push(handled?);
            progress.set(done);
        }
        progress.finish();
        Ok(())
    }

    async fn one(&self, key: String) -> Result<Handled, Failure> {
        let batch = match self.read(&key).await {
            Ok(batch) => batch,
            Err(problem) => return Ok(Handled::new(key, Fate::Unreadable { problem })),
        };
        let Some(batch) = batch else { return Ok(Handled::new(key, Fate::Counted)) };
        let (source, origin, records) = (batch.source.clone(), batch.origin.to_string(), batch.records.len() as u64);
        let mut days = event_days(&batch, &self.consumer.settings.rules, self.zone);
        let arrivals: BTreeSet<_> = batch.records.iter().filter_map(|one| day_of(self.zone, one.arrived_ms)).collect();
        let all_days = days.union(&arrivals).copied().collect();
        let until = Instant::now() + self.patience;
        let closed = closed_days(self.aggregator, &all_days, until).await.map_err(Failure::said)?;
        if let Some((date, why)) = closed.first_key_value() {
            let fate = Fate::Refused { problem: format!("{date} takes no more events: {why}") };
            return Ok(Handled { origin: Some(origin), records, ..Handled::new(key, fate) });
        }
        let consumed = match append(self.consumer, batch, until).await {
            Ok(consumed) => consumed,
            Err(error @ HandleError::Batch(_)) => {
                return Ok(Handled::new(key, Fate::Unreadable { problem: error.to_string() }));
            }
            // Nothing could be done with any other invocation either.
            Err(error) => return Err(Failure::said(error)),
        };
        let fate = match &consumed.failed_from {
            Some(record) => Fate::Stuck { record: record.as_str().to_owned() },
            None => match follow(self.consumer, &source, until).await {
                Ok(()) => Fate::Counted,
                Err(problem) => Fate::Behind { problem },
            },
        };
        if consumed.rejected > 0 || consumed.redelivered > 0 {
            days.extend(arrivals);
        }
        Ok(Handled { origin: Some(origin), records, consumed, days, ..Handled::new(key, fate) })
    }

    /// The records that are kept under the key, as a source of their own; none where the invocation had none.
    async fn read(&self, key: &str) -> Result<Option<Batch>, String> {
        let kept = self.failures.read(key).await.map_err(|error| error.to_string())?;
        let Some(payload) = kept.payload else {
            let told = "it describes records without holding them, as a queue or topic is told: they are only in the \
                        stream, until its retention ends";
            return Err(told.to_owned());
        };
        let generation = self.consumer.settings.stream_generation.as_deref();
        let batch = Batch::parse(payload, generation).map_err(|error| error.to_string())?;
        Ok(batch.map(|Batch { origin, records, .. }| Batch::new(Source::redrive(key), origin, records)))
    }
}

/// The days of the batch's valid events.
fn event_days(batch: &Batch, rules: &Rules, zone: Tz) -> BTreeSet<NaiveDate> {
    let mut days = BTreeSet::new();
    let mut rest = &batch.records[..];
    while !rest.is_empty() {
        let chunk = Chunk::open(&batch.origin, rest);
        let decoded = chunk.decode(rules);
        let events = decoded.iter().flat_map(|decoded| &decoded.content.events);
        days.extend(events.filter_map(|(_, event)| day_of(zone, event.timestamp_ms)));
        rest = &rest[chunk.records().len()..];
    }
    days
}

/// Deletes what is in the log and in the table. What cannot be deleted is handled again the next time, which is harmless.
async fn remove(failures: &Failures, summary: &mut Summary) {
    for handled in summary.handled.iter_mut().filter(|handled| handled.fate == Fate::Counted) {
        let removed = failures.remove(&handled.key).await;
        handled.removed = removed.is_ok();
        handled.not_removed = removed.err().map(|error| error.to_string());
    }
}
