//! `headcount init`: stream and table, made where they are missing, compared where they are there; and the event log, looked at.

use std::time::Duration;

use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::set_up::{Difference, SetUp, TableReport, set_up};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::Init;
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;

mod stream;

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
