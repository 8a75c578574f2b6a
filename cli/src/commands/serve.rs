//! `headcount serve`: the whole pipeline on this machine, for events of your own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use clap::Args;
use headcount_aggregator::follow::SourceFollowing;
use headcount_consumer::config::{MAX_LATENESS_DAYS, MAX_RETENTION_DAYS, MIN_RETENTION_DAYS};
use headcount_core::calendar::day_of;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::validate::Rules;
use headcount_dashboard::{Access, Health, router};
use headcount_local::error::LocalError;
use headcount_local::keep_files_private;
use headcount_local::machine::{Condition, Functions, Lag, Machine, MachineError, MachineOptions, TableLag};
use headcount_local::mapping::Progress;
use headcount_producer::KinesisStream;
use headcount_query::Deps;
use headcount_runtime::aws::StaticCredentials;
use headcount_runtime::clock::Clock;
use serde_json::{Value, json};

use super::collector::PostingArgs;
use crate::args::{
    COLLECTOR_PORT, DEFAULT_STREAM, DEFAULT_TABLE, DYNAMODB_PORT, ItemArgs, KINESIS_PORT, PriceArgs, Programs,
    RuleArgs, WEB_PORT,
};
use crate::collecting::{Collecting, settings};
use crate::connect::LOG_FIELD;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;
use crate::web::{Web, access, limits};

/// Fewest and most days of the event log.
const MIN_RETENTION: i64 = MIN_RETENTION_DAYS as i64;
const MAX_RETENTION: i64 = MAX_RETENTION_DAYS as i64;

/// Most shards of an embedded stream.
const MAX_SHARDS: i64 = 64;

const EXAMPLES: &str = "\
Examples:
  headcount serve                       keeps nothing, until Ctrl-C
  headcount serve --data-dir ./data     what was accepted outlives restarts and kills
  headcount serve --data-dir ./data --no-event-items     faster and smaller, without single events in the table
  headcount serve --zone Europe/Berlin --window 5 --ip-policy drop
  headcount serve --event-types signup,purchase --lateness-days 30     events of your own types, up to 30 days late
  headcount serve --allow-origin http://localhost:3000     pages of this origin may post to the collector
  headcount serve --aws-bind 0.0.0.0 --aws-keys keys.txt     SDKs of other machines, with this key pair
  headcount serve --lambda              the functions as processes, as on AWS; RUST_LOG says what they log";

/// `headcount serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Keep the event log, the table and every accepted record here [default: nowhere, all is gone when it stops]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where records that still fail after 22 hours are kept, for `headcount redrive`: a folder, or `s3://bucket/prefix` [default:
    /// `failures` in the data directory; without one they are retried without end, for nothing could keep them]
    #[arg(long, value_name = "PLACE")]
    pub(crate) failures: Option<String>,
    /// The address that the figures listen on; where other machines can connect, a read token is needed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The address that the Kinesis and DynamoDB endpoints listen on; any but this machine's own needs --aws-keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) aws_bind: IpAddr,
    /// A file with an access key id on its first line and the secret on its second: the Kinesis and DynamoDB endpoints then answer
    /// only requests signed with them (Signature Version 4) [default: any signature is accepted]
    #[arg(long, value_name = "FILE")]
    pub(crate) aws_keys: Option<PathBuf>,
    /// The port of Kinesis; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = KINESIS_PORT)]
    pub(crate) kinesis_port: u16,
    /// The port of DynamoDB; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = DYNAMODB_PORT)]
    pub(crate) dynamodb_port: u16,
    /// The port of the figures and of `/healthz`; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = WEB_PORT)]
    pub(crate) port: u16,
    /// Who reads figures must give the token in this file [default: the variable `HEADCOUNT_READ_TOKEN`, if set]
    #[arg(long, value_name = "FILE")]
    pub(crate) read_token_file: Option<PathBuf>,
    /// The port of the collector, which takes events over HTTP; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = COLLECTOR_PORT)]
    pub(crate) collector_port: u16,
    /// The address that the collector listens on; any but this machine's own needs write keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) collector_bind: IpAddr,
    /// Accept only as many events as can be counted within so many seconds, shared fairly between clients; 0 accepts all
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) count_within: u64,
    /// The stream's shards
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    pub(crate) shards: u32,
    /// The time zone whose days the figures are of (IANA name); fixed when a table is first used [default: UTC]
    #[arg(long, value_name = "TZ")]
    pub(crate) zone: Option<Tz>,
    /// The project's name, kept in a new table
    #[arg(long, value_name = "NAME", default_value = "headcount")]
    pub(crate) project: String,
    /// Batching window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) window: u64,
    /// Additional event types, comma-separated; at most 50
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) event_types: Vec<String>,
    /// Maximum age of an event on arrival, in days
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_LATENESS_MS / DAY_MS,
        value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: i64,
    /// What is kept of addresses: keep, truncate (to /24 or /48) or drop
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    pub(crate) ip_policy: IpPolicy,
    /// User ids that name nobody, comma-separated, case-insensitive; their events count for no user. A lone comma is none
    /// [default: the variable `PLACEHOLDER_IDS`, or undefined, null, NaN, [object Object] and the like]
    #[arg(long, value_name = "IDS")]
    pub(crate) placeholder_ids: Option<String>,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
    /// Which items to write.
    #[command(flatten)]
    pub(crate) items: ItemArgs,
    /// Days that the event log keeps its entries; fixed when a data directory is first used [default: 90]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(MIN_RETENTION..=MAX_RETENTION))]
    pub(crate) event_retention_days: Option<u32>,
    /// Tells a recreated stream from the first one: a name that changes when the stream is deleted and created again
    #[arg(long, value_name = "NAME")]
    pub(crate) stream_generation: Option<String>,
    /// Who may post to the collector.
    #[command(flatten)]
    pub(crate) posting: PostingArgs,
    /// Run consumer and aggregator as the programs that Lambda runs, from this folder [default: that of this command]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "")]
    pub(crate) lambda: Option<Programs>,
}

/// How long a stopping pipeline may take for the records that it has accepted, where nothing else keeps them.
const DRAIN_PATIENCE: Duration = Duration::from_mins(2);

/// And where a data directory does: they are counted after the next start.
const KEPT_DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// Characters of a secret access key, at least: shorter ones can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// How long events may wait to be counted, where nothing else was asked for.
pub(super) const COUNT_WITHIN: Duration = Duration::from_mins(1);

/// The table may be silent for so long.
const SILENCE: Duration = Duration::from_secs(5);

/// For how long an error counts.
const RECENTLY: Duration = Duration::from_mins(1);

/// With fewer free bytes nothing can be written soon.
const LEAST_DISK: u64 = 16 << 20;

/// With fewer free bytes it is time to make room.
const LITTLE_DISK: u64 = 512 << 20;

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
    let rules = rules.with_prices(args.prices.table_or_shipped()?);
    keep_files_private();
    let count_within = Duration::from_secs(args.count_within);
    let patience = if args.data_dir.is_some() { KEPT_DRAIN_PATIENCE } else { DRAIN_PATIENCE };
    let aws_keys = args.aws_keys.as_deref().map(aws_keys).transpose()?;
    let machine = Machine::start(MachineOptions {
        data_dir: args.data_dir,
        failures: args.failures,
        kinesis_addr: SocketAddr::new(args.aws_bind, args.kinesis_port),
        dynamodb_addr: SocketAddr::new(args.aws_bind, args.dynamodb_port),
        aws_keys,
        limits: limits(),
        count_within,
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
    let web = answer(&machine, addr, access, count_within).await?;
    let stream = KinesisStream::new(&machine.admitted_kinesis(), machine.stream_name(), &machine.kinesis_endpoint());
    let collector_addr = SocketAddr::new(args.collector_bind, args.collector_port);
    let collecting =
        Collecting::start(collector_addr, "--collector-port", collector, stream, Some(Box::new(machine.load())))
            .await?;
    output::line(&endpoints(&machine, &web, Some(&collecting)))?;
    interrupt.asked().await;
    collecting.stop().await;
    close(machine, web, patience).await?;
    Ok(Ending::Fine)
}

/// The key pair in a file.
fn aws_keys(file: &Path) -> Result<StaticCredentials, Failure> {
    let unusable = |what: String| {
        let remedy = "name a file with an access key id on its first line and the secret on its second, as made by `openssl rand \
                      -hex 20`";
        Failure::new(format!("--aws-keys {} {what}", file.display()), remedy)
    };
    let text = std::fs::read_to_string(file).map_err(|error| unusable(format!("cannot be read ({error})")))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [id, secret] if secret.len() >= MIN_SECRET_BYTES && text.is_ascii() && !id.contains(['/', ',', '=']) => {
            let (access_key_id, secret_access_key) = (id.to_owned(), secret.to_owned());
            Ok(StaticCredentials { access_key_id, secret_access_key, session_token: None })
        }
        _ => Err(unusable(format!("is not a key id and a secret of at least {MIN_SECRET_BYTES} characters"))),
    }
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
            Failure::new(error.to_string(), "choose an address of this machine (--aws-bind), or another port")
        }
        error => Failure::said(error),
    }
}

/// Begins to show figures, and to answer `/healthz`.
pub(super) async fn answer(
    machine: &Machine,
    addr: SocketAddr,
    access: Access,
    count_within: Duration,
) -> Result<Web, Failure> {
    let (progress, lag, consumer) = (machine.progress(), machine.lag(), machine.consumer_fleet());
    let condition = machine.condition();
    // Health is told to everybody who can connect; where the log lies only to this machine.
    let log = addr.ip().is_loopback().then(|| machine.log_folder().display().to_string());
    let health = Health::from_fn(move || {
        let now_ms = Clock::system().now_ms();
        let mut health = health(&progress.borrow(), &lag.borrow(), &condition.borrow(), count_within, now_ms);
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
async fn close(machine: Machine, web: Web, patience: Duration) -> Result<(), Failure> {
    output::note("stopping: counting what was accepted");
    web.stop().await;
    machine.drain_and_stop(patience).await.map_err(Failure::said)
}

/// How it is, in one word, and what is wrong. Only what does not work now is failing; docs/operating.md has the rules.
fn status(
    progress: &Progress,
    condition: &Condition,
    count_within: Duration,
    now_ms: i64,
) -> (&'static str, Option<String>) {
    let since = |at_ms: i64| Duration::from_millis(now_ms.saturating_sub(at_ms).max(0).unsigned_abs());
    let failing = [
        progress.any_problem(),
        condition
            .silent_since_ms
            .filter(|at_ms| since(*at_ms) >= SILENCE)
            .map(|at_ms| format!("the table has not worked for {} s", since(at_ms).as_secs())),
        condition.disk_free.filter(|free| *free < LEAST_DISK).map(|free| {
            format!("the disk is full ({free} bytes are free): free some space, or move the data directory")
        }),
        condition
            .put_failed_ms
            .filter(|at_ms| since(*at_ms) < RECENTLY)
            .map(|_| "events could not be written to the data directory and were not accepted".to_owned()),
    ];
    if let Some(problem) = failing.into_iter().flatten().next() {
        return (Health::FAILING, Some(problem));
    }
    let patience = if count_within.is_zero() { COUNT_WITHIN } else { count_within };
    let degraded = [
        condition.oldest_ms.filter(|at_ms| since(*at_ms) > patience).map(|at_ms| {
            format!(
                "the oldest of {} events has waited {} s to be counted",
                condition.uncounted,
                since(at_ms).as_secs()
            )
        }),
        condition
            .disk_free
            .filter(|free| *free < LITTLE_DISK)
            .map(|free| format!("only {free} bytes are free on the disk")),
        condition.last_error.as_ref().filter(|(at_ms, _)| since(*at_ms) < RECENTLY).map(|(_, error)| error.clone()),
    ];
    match degraded.into_iter().flatten().next() {
        Some(problem) => (Health::DEGRADED, Some(problem)),
        None => (Health::OK, None),
    }
}

/// How it is, in words and numbers.
fn health(progress: &Progress, lag: &TableLag, condition: &Condition, count_within: Duration, now_ms: i64) -> Value {
    let (status, problem) = status(progress, condition, count_within, now_ms);
    let error = condition.last_error.as_ref();
    let error = error.map(|(at_ms, message)| json!({"secondsAgo": (now_ms - at_ms) / 1_000, "message": message}));
    json!({
        "status": status,
        "problem": problem,
        "accepted": condition.accepted,
        "counted": condition.accepted.saturating_sub(condition.uncounted),
        "backlog": condition.uncounted,
        "millisBehind": condition.oldest_ms.map_or(0, |at_ms| (now_ms - at_ms).max(0)),
        "mostWaiting": condition.most_waiting,
        "diskFreeBytes": condition.disk_free,
        "lastError": error,
        "records": progress.records,
        "batches": progress.batches,
        "failures": progress.failures,
        "kept": progress.kept,
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

    const NOW_MS: i64 = 1_800_000_000_000;

    fn told(progress: &Progress, condition: &Condition) -> Value {
        health(progress, &TableLag::default(), condition, COUNT_WITHIN, NOW_MS)
    }

    #[test]
    fn health_is_what_was_accepted_and_not_counted() {
        let oldest_ms = Some(NOW_MS - 22_000);
        let condition = Condition { accepted: 60_000, uncounted: 59_000, oldest_ms, ..Condition::default() };
        let told = told(&Progress::default(), &condition);
        assert_eq!(
            (&told["accepted"], &told["counted"], &told["backlog"]),
            (&60_000.into(), &1_000.into(), &59_000.into())
        );
        assert_eq!((&told["millisBehind"], &told["status"]), (&22_000.into(), &"ok".into()));
    }

    #[test]
    fn each_rule_has_its_status() {
        let ago = |seconds: i64| Some(NOW_MS - seconds * 1_000);
        let none = Condition::default;
        let note = |seconds: i64| ago(seconds).map(|at_ms| (at_ms, "it broke".to_owned()));
        for (condition, status, problem) in [
            (none(), "ok", ""),
            (Condition { silent_since_ms: ago(1), last_error: note(0), ..none() }, "degraded", "it broke"),
            (Condition { silent_since_ms: ago(5), ..none() }, "failing", "has not worked for 5 s"),
            (Condition { disk_free: Some(LEAST_DISK - 1), ..none() }, "failing", "disk is full"),
            (Condition { disk_free: Some(LITTLE_DISK - 1), ..none() }, "degraded", "are free"),
            (Condition { put_failed_ms: ago(59), ..none() }, "failing", "not accepted"),
            (Condition { put_failed_ms: ago(61), last_error: note(61), ..none() }, "ok", ""),
            (Condition { uncounted: 7, oldest_ms: ago(61), ..none() }, "degraded", "oldest of 7 events"),
            (Condition { last_error: note(59), ..none() }, "degraded", "it broke"),
        ] {
            let told = told(&Progress::default(), &condition);
            assert_eq!(told["status"], status, "{condition:?}");
            assert!(told["problem"].as_str().unwrap_or_default().contains(problem), "{told}");
        }
    }

    #[test]
    fn a_shard_that_does_not_go_on_is_told() {
        let (mut progress, mut shard) = (Progress::default(), ShardProgress::default());
        progress.shards.insert("a".into(), shard.clone());
        shard.problem = Some("the table is away".into());
        progress.shards.insert("b".into(), shard);
        let failing = told(&progress, &Condition::default());
        assert_eq!((&failing["status"], &failing["problem"]), (&json!("failing"), &json!("the table is away")));
    }

    #[test]
    fn followers_that_are_behind_are_told() {
        let behind = Lag { entries: 3, events: Some(40), millis: 2_500, worst_source: Some("events/0".to_owned()) };
        let lag = TableLag { items: behind, ..TableLag::default() };
        let health = health(&Progress::default(), &lag, &Condition::default(), COUNT_WITHIN, NOW_MS);
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
        assert!(failure.contains("203.0.113.7:8000") && failure.contains("--aws-bind"), "{failure}");
    }
}
