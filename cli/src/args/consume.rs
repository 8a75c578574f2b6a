//! `headcount consume`: what can be asked for.

use std::path::PathBuf;

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;

use super::connection::{KinesisArgs, LogArgs, TableArgs};
use super::{ItemArgs, PriceArgs, RuleArgs};

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
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
