//! `headcount consume`: the event source mapping and its consumer on this machine, for any stream and any table.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use headcount_consumer::deps::Feed;
use headcount_local::failures::Failures;
use headcount_local::machine::Consumer;
use headcount_local::mapping::options::{GIVE_UP_AGE, MAX_BATCH_SIZE};
use headcount_local::mapping::{FailurePolicy, Mapping, MappingOptions, Progress};
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::connect::sdk_config;
use serde_json::json;

use crate::aggregation::deadline;
use crate::args::Consume;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, consumption, output};

/// Runs it.
pub(crate) async fn run(args: Consume, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let Some(started) = interrupt.or(Box::pin(start(&args))).await else { return Ok(Ending::Interrupted) };
    let mapping = started?;
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
    report(&mapping.stop().await, args.json)?;
    Ok(ending)
}

async fn start(args: &Consume) -> Result<Mapping, Failure> {
    let settings = consumption::settings(&args.table, &args.rules, args.lateness_days, Feed::Mapping)?;
    let deps = consumption::deps(&args.table, settings).await?;
    // A table that must not be used is told now, not by every batch.
    deps.deployment(deadline()).await.map_err(Failure::said)?;
    let options = connect::kinesis(&args.table.services, &args.kinesis);
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
    Mapping::start(client, options, Consumer::InProcess(Box::new(deps))).await.map_err(Failure::said)
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
