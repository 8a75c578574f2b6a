//! `headcount redrive`: what can be asked for.

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;

use super::connection::{LogArgs, TableArgs};
use super::prices::PriceArgs;
use super::rules::RuleArgs;

const EXAMPLES: &str = "\
Examples:
  headcount redrive --local ./failures
  headcount redrive s3://my-bucket/failures               what Lambda kept, in S3
  headcount redrive --delete --json s3://my-bucket/failures

Appends the records that an event source mapping gave up on to the event log, brings the table up to date and aggregates \
the days they touch. Running it again appends nothing twice. Invocations are looked for below aws/lambda/, as Lambda names \
them. Give the same rules as the deployment's consumer has.";

/// `headcount redrive`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Redrive {
    /// The failure destination: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "FOLDER|s3://BUCKET/PREFIX")]
    pub(crate) place: String,
    /// Delete each invocation once it is in the event log and in the table
    #[arg(long)]
    pub(crate) delete: bool,
    /// How long to retry one invocation while log or table fail, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub(crate) patience: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Tells a recreated stream from the first one, as the consumer's `STREAM_GENERATION`
    #[arg(long, value_name = "NAME", env = "STREAM_GENERATION")]
    pub(crate) stream_generation: Option<String>,
    /// Maximum age of an event on arrival, in days, as the consumer has it [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
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
