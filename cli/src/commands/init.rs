//! `headcount init`: stream and table, made where they are missing, compared where they are there; and the event log, looked at.

mod stream;

use std::time::Duration;

use clap::Args;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::set_up::{Difference, SetUp, TableReport, set_up};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::{KinesisArgs, LogArgs, ServiceArgs, TablesArgs};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount init --log s3://my-events            stream and table in the AWS environment's account and region
  headcount init --shards 4 --retention-hours 168
  headcount init --on-demand --json
  headcount init --fix                           also switch on what an existing table lacks
  headcount init --local

What exists is compared and left as it is; doing it again changes nothing. Exit code 1 where something differs in a way
that breaks a promise. The bucket of the event log is only looked at: docs/aws.md has the commands that make one.";

/// `headcount init`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// The shards of a new stream: what each takes, and what that costs, is told by `headcount cost`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) shards: i32,
    /// Make a stream that scales by itself instead: it starts with four shards, and costs more until it is large
    #[arg(long, conflicts_with_all = ["shards", "local"])]
    pub(crate) on_demand: bool,
    /// How long the stream keeps records for a consumer that is down; the aggregator's `RETENTION_HOURS` must say the same
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i32).range(24..=8_760))]
    pub(crate) retention_hours: i32,
    /// Do not keep backups of the figures from which any second of the last 35 days can be restored
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Switch on what exists without it: expiry of items, point-in-time recovery, a longer retention
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print what was found and done as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// Which tables.
    #[command(flatten)]
    pub(crate) tables: TablesArgs,
    /// Which event log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How long new streams and tables may take to be ready.
const PATIENCE: Duration = Duration::from_mins(5);

/// One thing that was set up.
struct Part {
    kind: &'static str,
    name: String,
    created: bool,
    /// What else is to be told of it.
    state: Option<String>,
    fixed: Vec<&'static str>,
    differences: Vec<Difference>,
}

impl From<TableReport> for Part {
    fn from(report: TableReport) -> Self {
        let TableReport { table, created, fixed, differences } = report;
        Self { kind: "table", name: table, created, state: None, fixed, differences }
    }
}

/// Runs it.
pub(crate) async fn run(args: Init, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let Some(parts) = interrupt.or(all(&args)).await else { return Ok(Ending::Interrupted) };
    let parts = parts?;
    if args.json {
        output::json(&parts.iter().map(as_json).collect::<Vec<_>>())?;
    } else {
        output::line(&parts.iter().map(as_text).collect::<Vec<_>>().join("\n"))?;
    }
    let breaks = parts.iter().flat_map(|part| &part.differences).any(|difference| difference.breaks);
    Ok(if breaks { Ending::Differences } else { Ending::Fine })
}

async fn all(args: &Init) -> Result<Vec<Part>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let kinesis = connect::kinesis(&args.services, &args.kinesis);
    let dynamodb = connect::dynamodb(&args.services, &args.tables.dynamodb);
    let mut parts = vec![stream::set_up(args, &kinesis, deadline).await?];
    let tables = connect::tables(&args.tables);
    let wanted = SetUp { recovery: !args.no_recovery, fix: args.fix };
    let reports = set_up(&connect(&dynamodb).await, &tables, wanted, deadline).await.map_err(Failure::said)?;
    parts.extend(reports.into_iter().map(Part::from));
    match &args.log.log {
        Some(place) => parts.push(log(args, place, deadline).await?),
        // A running `headcount serve` has its own.
        None if args.services.local => {}
        None => output::note(
            "the event log needs a bucket, which is not made here: docs/aws.md (Without the template) has the commands; \
             give --log s3://<bucket> to have it looked at",
        ),
    }
    Ok(parts)
}

/// The event log, which must be there: its bucket has settings that a command line makes better.
async fn log(args: &Init, place: &str, deadline: Instant) -> Result<Part, Failure> {
    let sources = connect::log(&args.services, &args.log).await?.sources(deadline).await.map_err(Failure::said)?;
    let state = match sources.len() {
        0 => "exists, and is empty".to_owned(),
        1 => "exists, with entries of 1 source".to_owned(),
        count => format!("exists, with entries of {count} sources"),
    };
    let (name, differences) = (place.to_owned(), Vec::new());
    Ok(Part { kind: "log", name, created: false, state: Some(state), fixed: Vec::new(), differences })
}

fn as_json(part: &Part) -> Value {
    let difference = |one: &Difference| {
        json!({
            "what": one.what, "found": one.found, "wanted": one.wanted,
            "breaksPromises": one.breaks, "remedy": one.remedy,
        })
    };
    json!({
        "kind": part.kind,
        "name": part.name,
        "created": part.created,
        "fixed": part.fixed,
        "differences": part.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}

fn as_text(part: &Part) -> String {
    let found = match (&part.state, part.created, part.differences.is_empty()) {
        (Some(state), ..) => state,
        (None, true, _) => "made",
        (None, false, true) => "exists, as it would have been made",
        (None, false, false) => "exists, and differs",
    };
    let mut lines = vec![format!("{} {}: {found}", part.kind, part.name)];
    lines.extend(part.fixed.iter().map(|what| format!("  switched on: {what}")));
    for Difference { what, found, wanted, breaks, remedy } in &part.differences {
        let sign = if *breaks { "BREAKS A PROMISE: " } else { "" };
        let remedy = if remedy.is_empty() { String::new() } else { format!(": {remedy}") };
        lines.push(format!("  {sign}{what}: {found}, not {wanted}{remedy}"));
    }
    lines.join("\n")
}
