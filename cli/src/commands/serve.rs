//! `headcount serve`: the whole pipeline on this machine, for events of your own.

use std::net::SocketAddr;
use std::time::Duration;

use headcount_core::limits::{DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_local::machine::{Machine, MachineOptions};
use headcount_local::mapping::Progress;
use serde_json::{Value, json};

use crate::args::{DEFAULT_STREAM, DEFAULT_TABLE, Serve};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;
use crate::web::Web;

/// How long a stopping pipeline may take for the records that it has accepted.
const DRAIN_PATIENCE: Duration = Duration::from_mins(2);

/// Runs it.
pub(crate) async fn run(args: Serve, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let rules = Rules::new(Vec::new(), Some(DEFAULT_LATENESS_MS), MAX_EARLINESS_MS, args.ip_policy);
    let machine = Machine::start(MachineOptions {
        data_dir: args.data_dir,
        kinesis_addr: SocketAddr::new(args.bind, args.kinesis_port),
        dynamodb_addr: SocketAddr::new(args.bind, args.dynamodb_port),
        stream: DEFAULT_STREAM.to_owned(),
        shards: args.shards,
        table: DEFAULT_TABLE.to_owned(),
        zone: args.zone,
        project: args.project,
        rules: rules.map_err(Failure::said)?,
        window: Duration::from_secs(args.window),
        ..MachineOptions::default()
    })
    .await
    .map_err(Failure::said)?;
    let web = open(&machine, SocketAddr::new(args.bind, args.port)).await?;
    interrupt.asked().await;
    close(machine, web).await?;
    Ok(Ending::Fine)
}

/// Begins to answer `/healthz`, and prints how to reach everything.
pub(super) async fn open(machine: &Machine, addr: SocketAddr) -> Result<Web, Failure> {
    let progress = machine.progress();
    let web = Web::start(addr, move || health(&progress.borrow())).await?;
    output::line(&endpoints(machine, &web))?;
    Ok(web)
}

/// Counts what was accepted and stops everything.
pub(super) async fn close(machine: Machine, web: Web) -> Result<(), Failure> {
    output::note("stopping: counting what was accepted");
    web.stop().await;
    machine.drain_and_stop(DRAIN_PATIENCE).await.map_err(Failure::said)
}

fn health(progress: &Progress) -> Value {
    let behind = progress.shards.values().map(|shard| shard.millis_behind).max().unwrap_or(0);
    json!({
        "status": "ok",
        "records": progress.records,
        "batches": progress.batches,
        "failures": progress.failures,
        "millisBehind": behind,
    })
}

fn endpoints(machine: &Machine, web: &Web) -> String {
    let (kinesis, dynamodb, health) = (machine.kinesis_endpoint(), machine.dynamodb_endpoint(), web.endpoint());
    let stream = machine.stream_name();
    let zone = machine.deployment().zone;
    format!(
        "\
Headcount serves. Ctrl-C counts what was accepted, and stops.
  Kinesis   {kinesis}   stream {stream}
  DynamoDB  {dynamodb}   table {DEFAULT_TABLE}, days of {zone}
  healthz   {health}/healthz

From any AWS SDK, or the aws command:
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
  export AWS_ENDPOINT_URL_KINESIS={kinesis} AWS_ENDPOINT_URL_DYNAMODB={dynamodb}
  aws kinesis put-record --stream-name {stream} --partition-key user-1 --cli-binary-format raw-in-base64-out --data \\
    '{{\"userId\":\"user-1\",\"sessionId\":\"s-1\",\"eventType\":\"page_view\",\"metadata\":\
{{\"userAgent\":\"aws\",\"ipAddress\":\"192.0.2.1\",\"platform\":\"web\"}}}}'

From another terminal with the same two exports:
  headcount send events.ndjson
  headcount rollup && headcount metrics --from 2026-03-01 --to 2026-03-07
"
    )
}
