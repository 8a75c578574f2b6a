//! `headcount consume`: what can be asked for.

use std::path::PathBuf;

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;

use super::RuleArgs;
use super::connection::{KinesisArgs, TableArgs};

const EXAMPLES: &str = "\
Examples:
  headcount consume --data-dir ./consume                the AWS environment's stream into its table, until Ctrl-C
  headcount consume --data-dir ./consume --once         what is in the stream now, then it ends
  headcount consume --kinesis-endpoint http://127.0.0.1:4567 --dynamodb-endpoint http://127.0.0.1:8000 --once

It does the work of the Lambda function and of its event source mapping. A stream and a table have one consumer: never run \
it beside another, or beside a deployed one. Give the rules that the deployment's consumer has. Figures come from \
headcount rollup.";

/// `headcount consume`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Consume {
    /// Keep here how far it has come [default: nowhere; it begins at the stream's oldest record, and counts nothing twice]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where records that still fail after 22 hours are kept, for `headcount redrive`: a folder, or `s3://bucket/prefix` [default:
    /// none; they are retried without end]
    #[arg(long, value_name = "PLACE")]
    pub(crate) failures: Option<String>,
    /// The longest that records are gathered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub(crate) window: u64,
    /// End when every record that is in the stream now is counted
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Days before its arrival that an event may lie [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
