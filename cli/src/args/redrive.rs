//! `headcount redrive`: what can be asked for.

use clap::Args;
use headcount_consumer::config::MAX_LATENESS_DAYS;

use super::connection::TableArgs;
use super::rules::RuleArgs;

const EXAMPLES: &str = "\
Examples:
  headcount redrive --local ./failures
  headcount redrive s3://my-bucket/failures               what Lambda kept, in S3
  headcount redrive --delete --json s3://my-bucket/failures

Invocations that a mapping gave up on are handled again, by the very consumer, with their own records: what of them was \
counted before is not counted again. Then the days that they touch are aggregated. Repeating it is harmless. They are \
looked for below aws/lambda/ in the place, as Lambda names them. Give the rules that the deployment's consumer has.";

/// `headcount redrive`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Redrive {
    /// The failure destination: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "FOLDER|s3://BUCKET/PREFIX")]
    pub(crate) place: String,
    /// Remove each invocation once all of it is counted and its days are aggregated
    #[arg(long)]
    pub(crate) delete: bool,
    /// How long one invocation is tried again while the table does not take it, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub(crate) patience: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Days before its arrival that an event may lie, as the consumer has it [default: the variable `LATENESS_DAYS`, or 7]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=MAX_LATENESS_DAYS))]
    pub(crate) lateness_days: Option<i64>,
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
