//! `headcount init`: stream and table, made where they are missing, compared where they are there.

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
    fixed: Vec<&'static str>,
    differences: Vec<Difference>,
}

impl From<TableReport> for Part {
    fn from(report: TableReport) -> Self {
        let TableReport { table, created, fixed, differences } = report;
        Self { kind: "table", name: table, created, fixed, differences }
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
    Ok(parts)
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
    let found = match (part.created, part.differences.is_empty()) {
        (true, _) => "made",
        (false, true) => "exists, as it would have been made",
        (false, false) => "exists, and differs",
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
