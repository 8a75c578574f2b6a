//! `headcount check`: what of a deployment breaks a promise or wastes money.

mod aws;
mod load;

use std::time::Duration;

use clap::Args;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use headcount_store::dynamo::set_up::compare;
use serde_json::json;
use tokio::time::Instant;

use crate::args::{KINESIS_PORT, KinesisArgs, ServiceArgs, TablesArgs};
use crate::check::finding::{Finding, Severity};
use crate::check::rules::findings;
use crate::check::seen::{Prover, Seen};
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::{connect, output};

const EXAMPLES: &str = "\
Examples:
  headcount check --stack headcount              what the template deployed, as it is now
  headcount check --stream shop-events --table shop
  headcount check --local                        the stream and the table of a running `headcount serve`
  headcount check --stack headcount --json

Nothing is changed. Exit code 1 where a promise is broken.";

/// `headcount check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// The stack that the template was deployed as: names the stream, the tables and the functions
    #[arg(long, value_name = "NAME", conflicts_with_all = ["local", "stream", "table", "metrics_table"])]
    pub(crate) stack: Option<String>,
    /// Print what was found as one JSON object
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
}

/// How long the services may take to answer, all in all.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    stream: String,
    tables: Tables,
    /// Known only of a stack.
    aggregator: Option<String>,
    /// The prover's name, or what the stack lacks to prove days; known only of a stack.
    prover: Option<Result<String, &'static str>>,
}

/// Runs it.
pub(crate) async fn run(args: Check, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let Some(found) = interrupt.or(look(&args)).await else { return Ok(Ending::Interrupted) };
    let found = found?;
    if args.json {
        output::json(&json!({"findings": found}))?;
    } else {
        output::line(&text(&found))?;
    }
    let breaks = found.iter().any(|finding| finding.severity == Severity::BreaksPromise);
    Ok(if breaks { Ending::Differences } else { Ending::Fine })
}

async fn look(args: &Check) -> Result<Vec<Finding>, Failure> {
    let given = || Names {
        stream: args.kinesis.stream.clone(),
        tables: connect::tables(&args.tables),
        aggregator: None,
        prover: None,
    };
    let aws = connect::options(&args.services, None, KINESIS_PORT);
    let names = match &args.stack {
        Some(stack) => aws::names(&aws, stack).await?,
        None => given(),
    };
    let kinesis = connect::kinesis(&args.services, &args.kinesis);
    let dynamodb = connect::dynamodb(&args.services, &args.tables.dynamodb);
    let (stream, arn) = aws::stream(&kinesis, &names.stream).await?;
    let mut seen = Seen { stream, table: names.tables.events.clone(), ..Seen::default() };
    if !args.services.local {
        seen.mappings = Some(aws::mappings(&aws, &arn).await?);
        if let Some(name) = &names.aggregator {
            seen.aggregator = Some(aws::function(&aws, name).await?);
        }
        seen.prover = match &names.prover {
            None => Prover::Unknown,
            Some(Err(lacks)) => Prover::Missing(lacks),
            Some(Ok(name)) => Prover::Scheduled(aws::function(&aws, name).await?),
        };
    }
    let connection = connect(&dynamodb).await;
    let reports = compare(&connection, &names.tables, Instant::now() + PATIENCE).await.map_err(Failure::said)?;
    let of_tables = reports.into_iter().flat_map(|report| {
        let table = report.table;
        report.differences.into_iter().map(move |difference| Finding::of_table(&table, difference))
    });
    let of_tables: Vec<_> = of_tables.collect();
    // A table of other keys has no figures of ours.
    if of_tables.iter().all(|finding| finding.severity != Severity::BreaksPromise) {
        load::look(&DynamoStore::new(connection, names.tables), &mut seen).await?;
    }
    let mut all = of_tables;
    all.extend(findings(&seen));
    all.sort_by_key(|finding| finding.severity);
    Ok(all)
}

fn text(found: &[Finding]) -> String {
    if found.is_empty() {
        return "nothing breaks a promise or wastes money".to_owned();
    }
    let mut lines = Vec::new();
    for Finding { severity, what, why, remedy } in found {
        let sign = match severity {
            Severity::BreaksPromise => "BREAKS A PROMISE",
            Severity::WastesMoney => "wastes money",
            Severity::Note => "note",
        };
        lines.push(format!("{sign}: {what}\n  why: {why}\n  what to do: {remedy}"));
    }
    lines.join("\n")
}
