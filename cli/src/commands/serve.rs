//! `headcount serve`: the whole pipeline on this machine, for events of your own.

use std::net::SocketAddr;
use std::time::Duration;

use headcount_aggregator::follow::SourceFollowing;
use headcount_core::calendar::day_of;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_dashboard::{Access, Health, router};
use headcount_local::error::LocalError;
use headcount_local::machine::{Functions, Lag, Machine, MachineError, MachineOptions, TableLag};
use headcount_local::mapping::Progress;
use headcount_producer::KinesisStream;
use headcount_query::Deps;
use headcount_runtime::clock::Clock;
use serde_json::{Value, json};

use crate::args::{DEFAULT_STREAM, DEFAULT_TABLE, Programs, RuleArgs, Serve};
use crate::collecting::{Collecting, settings};
use crate::connect::LOG_FIELD;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;
use crate::web::{Web, access};

/// How long a stopping pipeline may take for the records that it has accepted.
const DRAIN_PATIENCE: Duration = Duration::from_mins(2);

/// Sources whose positions are told, at most.
const MAX_SOURCES: usize = 100;

/// Runs it.
pub(crate) async fn run(args: Serve, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let addr = SocketAddr::new(args.bind, args.port);
    let access = access(addr, args.read_token_file.as_deref())?;
    let event_types = Some(args.event_types.join(","));
    let own_rules = RuleArgs { event_types, ip_policy: Some(args.ip_policy), placeholder_ids: args.placeholder_ids };
    let collector = settings(&args.posting, &own_rules, Some(args.lateness_days))?;
    let lateness_ms = args.lateness_days * DAY_MS;
    let rules = Rules::new(args.event_types, Some(lateness_ms), MAX_EARLINESS_MS, args.ip_policy);
    let rules = own_rules.with_placeholder_ids(rules.map_err(Failure::said)?)?;
    let machine = Machine::start(MachineOptions {
        data_dir: args.data_dir,
        failures: args.failures,
        kinesis_addr: SocketAddr::new(args.bind, args.kinesis_port),
        dynamodb_addr: SocketAddr::new(args.bind, args.dynamodb_port),
        stream: DEFAULT_STREAM.to_owned(),
        shards: args.shards,
        table: DEFAULT_TABLE.to_owned(),
        zone: args.zone,
        project: args.project,
        rules,
        functions: functions(args.lambda)?,
        window: Duration::from_secs(args.window),
        items: args.items.options(),
        log_retention_days: args.event_retention_days,
        stream_generation: args.stream_generation,
        ..MachineOptions::default()
    })
    .await
    .map_err(cannot_start)?;
    let web = answer(&machine, addr, access).await?;
    let client = headcount_local::clients::kinesis(&machine.kinesis_endpoint());
    let stream = KinesisStream::new(&client, machine.stream_name(), &machine.kinesis_endpoint());
    let collector_addr = SocketAddr::new(args.collector_bind, args.collector_port);
    let collecting = Collecting::start(collector_addr, "--collector-port", collector, stream).await?;
    output::line(&endpoints(&machine, &web, Some(&collecting)))?;
    interrupt.asked().await;
    collecting.stop().await;
    close(machine, web).await?;
    Ok(Ending::Fine)
}

/// How the functions run.
fn functions(programs: Option<Programs>) -> Result<Functions, Failure> {
    let folder = match programs {
        None => return Ok(Functions::InProcess),
        Some(Programs::In(folder)) => folder,
        Some(Programs::BesideCommand) => {
            let beside = std::env::current_exe().ok().and_then(|command| Some(command.parent()?.to_owned()));
            beside.ok_or_else(|| {
                Failure::new("it cannot be told where this command lies", "name the functions' folder: --lambda DIR")
            })?
        }
    };
    let mut functions = Functions::in_folder(&folder).map_err(Failure::said)?;
    if let (Functions::Processes { environment, .. }, Ok(filter)) = (&mut functions, std::env::var("RUST_LOG")) {
        environment.push(("RUST_LOG".to_owned(), filter));
    }
    Ok(functions)
}

/// An address of another machine, say, or a port that only root may have: the stand-ins do not know which option.
fn cannot_start(error: MachineError) -> Failure {
    match error {
        MachineError::Local(error @ LocalError::Bind { .. }) => {
            Failure::new(error.to_string(), "choose an address of this machine (--bind), or another port")
        }
        error => Failure::said(error),
    }
}

/// Begins to show figures, and to answer `/healthz`.
pub(super) async fn answer(machine: &Machine, addr: SocketAddr, access: Access) -> Result<Web, Failure> {
    let (progress, lag, consumer) = (machine.progress(), machine.lag(), machine.consumer_fleet());
    // Health is told to everybody who can connect; where the log lies only to this machine.
    let log = addr.ip().is_loopback().then(|| machine.log_folder().display().to_string());
    let health = Health::from_fn(move || {
        let mut health = health(&progress.borrow(), &lag.borrow());
        if let Some(log) = &log {
            health[LOG_FIELD] = log.clone().into();
        }
        if let Some(consumer) = &consumer {
            let processes = consumer.processes();
            health["functionProcesses"] = processes.iter().map(|process| process.id).collect();
        }
        health
    });
    Web::start(addr, router(Deps::new(machine.store().clone()), access, health)).await
}

/// Counts what was accepted and stops everything.
pub(super) async fn close(machine: Machine, web: Web) -> Result<(), Failure> {
    output::note("stopping: counting what was accepted");
    web.stop().await;
    machine.drain_and_stop(DRAIN_PATIENCE).await.map_err(Failure::said)
}

/// How the consumer is: failing while a shard, or the stream itself, does not go on. And how far the table is behind the log.
fn health(progress: &Progress, lag: &TableLag) -> Value {
    let behind = progress.shards.values().map(|shard| shard.millis_behind).max().unwrap_or(0);
    let of_shards = progress.shards.values().filter_map(|shard| shard.problem.as_deref());
    let problem = progress.problem.as_deref().or_else(|| of_shards.into_iter().next());
    json!({
        "status": if problem.is_none() { Health::OK } else { "failing" },
        "problem": problem,
        "records": progress.records,
        "batches": progress.batches,
        "failures": progress.failures,
        "kept": progress.kept,
        "backlog": progress.backlog,
        "millisBehind": behind,
        "followers": {"figures": follower(&lag.figures), "items": follower(&lag.items)},
        "sources": lag.following.sources.iter().take(MAX_SOURCES).map(source).collect::<Vec<_>>(),
    })
}

/// How far one follower is behind the log, all sources together.
fn follower(lag: &Lag) -> Value {
    json!({
        "entriesBehind": lag.entries,
        "eventsBehind": lag.events,
        "secondsBehind": lag.millis / 1_000,
        "worstSource": lag.worst_source,
    })
}

/// Where the followers of one source are.
fn source(source: &SourceFollowing) -> Value {
    json!({
        "source": source.source,
        "entry": source.newest,
        "figures": source.figures.entry,
        "items": source.items.entry,
        "problem": source.error,
    })
}

/// How to reach everything, to be copied.
pub(super) fn endpoints(machine: &Machine, web: &Web, collecting: Option<&Collecting>) -> String {
    let (kinesis, dynamodb, health) = (machine.kinesis_endpoint(), machine.dynamodb_endpoint(), web.endpoint());
    let collector = collecting.map_or_else(String::new, |one| format!("\n  collector {}/v1/events", one.endpoint()));
    let stream = machine.stream_name();
    let (zone, log) = (machine.deployment().zone, machine.log_folder().display());
    let today = day_of(zone, Clock::system().now_ms()).unwrap_or_default();
    format!(
        "\
Headcount serves. Ctrl-C counts what was accepted, and stops.
  Kinesis   {kinesis}   stream {stream}
  DynamoDB  {dynamodb}   table {DEFAULT_TABLE}, days of {zone}
  event log {log}
  healthz   {health}/healthz{collector}
  figures   {health}/   and as JSON: {health}/api/openapi.json

From any AWS SDK, or the aws command:
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
  export AWS_ENDPOINT_URL_KINESIS={kinesis} AWS_ENDPOINT_URL_DYNAMODB={dynamodb}
  aws kinesis put-record --stream-name {stream} --partition-key user-1 --cli-binary-format raw-in-base64-out --data \\
    '{{\"userId\":\"user-1\",\"sessionId\":\"s-1\",\"eventType\":\"page_view\",\"metadata\":\
{{\"userAgent\":\"aws\",\"ipAddress\":\"192.0.2.1\",\"platform\":\"web\"}}}}'

From another terminal with the same two exports:
  export HEADCOUNT_LOG={log}
  headcount send events.ndjson
  headcount rollup && headcount metrics --from {today} --to {today}
"
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use headcount_local::mapping::ShardProgress;

    use super::*;

    #[test]
    fn a_shard_that_does_not_go_on_is_told() {
        let (mut progress, mut shard) = (Progress::default(), ShardProgress::default());
        (progress.records, shard.millis_behind) = (7, 40);
        progress.shards.insert("a".into(), shard.clone());
        let lag = TableLag::default();
        let fine = health(&progress, &lag);
        assert_eq!((&fine["status"], &fine["records"], &fine["millisBehind"]), (&json!("ok"), &json!(7), &json!(40)));
        shard.problem = Some("the table is away".into());
        progress.shards.insert("b".into(), shard);
        let failing = health(&progress, &lag);
        assert_eq!((&failing["status"], &failing["problem"]), (&json!("failing"), &json!("the table is away")));
    }

    #[test]
    fn followers_that_are_behind_are_told() {
        let behind = Lag { entries: 3, events: Some(40), millis: 2_500, worst_source: Some("events/0".to_owned()) };
        let lag = TableLag { items: behind, ..TableLag::default() };
        let health = health(&Progress::default(), &lag);
        let wanted = json!({"entriesBehind": 3, "eventsBehind": 40, "secondsBehind": 2, "worstSource": "events/0"});
        assert_eq!(health["followers"]["items"], wanted);
        assert_eq!((&health["followers"]["figures"]["entriesBehind"], &health["status"]), (&json!(0), &json!("ok")));
    }

    #[test]
    fn what_cannot_be_listened_on_names_the_option() {
        let error = LocalError::Bind {
            what: "table",
            addr: SocketAddr::from(([203, 0, 113, 7], 8000)),
            option: "--dynamodb-port",
            source: io::Error::from(io::ErrorKind::AddrNotAvailable),
        };
        let failure = cannot_start(error.into()).to_string();
        assert!(failure.contains("203.0.113.7:8000") && failure.contains("--bind"), "{failure}");
    }
}
