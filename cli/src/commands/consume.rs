//! `headcount consume`: the event source mapping and its consumer on this machine, for any stream and any table.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;
use headcount_local::failures::Failures;
use headcount_local::keep_files_private;
use headcount_local::machine::{Consumer, InProcess};
use headcount_local::mapping::options::{GIVE_UP_AGE, MAX_BATCH_SIZE};
use headcount_local::mapping::{FailurePolicy, Mapping, MappingOptions, Progress};
use headcount_runtime::aws::sdk_config;
use headcount_runtime::retry::Jitter;
use serde_json::json;
use tokio::time::Instant;

use crate::aggregation::deadline;
use crate::args::{ConsumerArgs, ItemArgs, KinesisArgs};
use crate::consumption::{self, Asked};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount consume --log s3://my-bucket --data-dir ./consume          until Ctrl-C
  headcount consume --log s3://my-bucket --data-dir ./consume --once   what is in the stream now, then exit
  headcount consume --log ./log --kinesis-endpoint http://127.0.0.1:4567 --dynamodb-endpoint http://127.0.0.1:8000 --once

Does the work of the Lambda function and its event source mapping. Do not run it alongside another consumer of the same \
stream. Give the same rules as the deployment's consumer has. Run headcount rollup for the figures.";

/// `headcount consume`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Consume {
    /// Where to keep the position in the stream [default: nowhere; it starts at the oldest record and counts nothing twice]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where records that still fail after 22 hours are kept, for `headcount redrive`: a folder, or `s3://bucket/prefix` [default:
    /// none; they are retried without end]
    #[arg(long, value_name = "PLACE")]
    pub(crate) failures: Option<String>,
    /// Batching window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) window: u64,
    /// Exit when every record that is in the stream now is counted
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Tells a recreated stream from the first one: a name that changes when the stream is deleted and created again
    #[arg(long, value_name = "NAME", env = "STREAM_GENERATION")]
    pub(crate) stream_generation: Option<String>,
    /// Which items to write.
    #[command(flatten)]
    pub(crate) items: ItemArgs,
    /// Maximum age of an event on arrival, in days [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// What is accepted, and where it is written.
    #[command(flatten)]
    pub(crate) consumer: ConsumerArgs,
}

/// How long the table may take in the end.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Runs it.
pub(crate) async fn run(args: Consume, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let Some(started) = interrupt.or(Box::pin(start(&args))).await else { return Ok(Ending::Interrupted) };
    let (mapping, consumer) = started?;
    output::note(&format!("consuming {}; Ctrl-C stops after the batches under way", args.kinesis.stream));
    let ending = if args.once {
        match interrupt.or(mapping.drain()).await {
            Some(drained) => drained.map(|()| Ending::Fine).map_err(Failure::said)?,
            None => Ending::Interrupted,
        }
    } else {
        interrupt.asked().await;
        Ending::Fine
    };
    let progress = mapping.stop().await;
    if let Err(problem) = consumer.settle(Instant::now() + SETTLE_TIMEOUT).await {
        output::note(&format!("the table is behind the event log ({problem}): run headcount rollup to catch up"));
    }
    report(&progress, args.json)?;
    Ok(ending)
}

async fn start(args: &Consume) -> Result<(Mapping, Arc<InProcess>), Failure> {
    keep_files_private();
    let asked = Asked {
        consumer: &args.consumer,
        lateness_days: args.lateness_days,
        stream_generation: args.stream_generation.as_deref(),
        items: args.items.options(),
    };
    let deps = consumption::deps(asked).await?;
    // A log or table that must not be used is told now, not by every batch.
    let deployment = deps.deployment(deadline()).await.map_err(Failure::said)?;
    deps.table(&deployment, deadline()).await.map_err(Failure::said)?;
    let options = connect::kinesis(&args.consumer.table.services, &args.kinesis);
    let client = Client::new(&sdk_config(&options).await);
    let jitter = Jitter::from_entropy();
    let failure = match &args.failures {
        Some(place) => {
            FailurePolicy::give_up_older_than(GIVE_UP_AGE, Failures::open(place).map_err(Failure::said)?, jitter)
        }
        None => FailurePolicy::retry_without_end(jitter).bisecting(),
    };
    let options = MappingOptions {
        batch_size: MAX_BATCH_SIZE,
        window: Duration::from_secs(args.window),
        failure,
        data_dir: args.data_dir.clone(),
        ..MappingOptions::new(&args.kinesis.stream)
    };
    let consumer = Arc::new(InProcess::new(deps));
    let mapping = Mapping::start(client, options, Consumer::InProcess(consumer.clone())).await;
    Ok((mapping.map_err(Failure::said)?, consumer))
}

fn report(progress: &Progress, as_json: bool) -> Result<(), Failure> {
    let Progress { records, batches, failures, kept, .. } = progress;
    if as_json {
        return output::json(&json!({
            "records": records, "batches": batches, "failures": failures, "kept": kept,
        }));
    }
    let kept = if *kept > 0 { format!("; {kept} given up and kept") } else { String::new() };
    output::line(&format!("{records} records handled in {batches} batches, {failures} calls failed{kept}"))
}
