//! `headcount prove`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::DeploymentArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount prove --local                                         today and yesterday, if anything was counted since
  headcount prove --date 2026-03-01 --date 2026-03-02 --local     these days, whatever is stored of them
  headcount prove --open --log s3://my-bucket --json              every day that changed since its proof

Counts the days exactly, from the event log: events once however often they were sent, users and sessions without
estimates, names without a bound. Stores the proof beside the log and in the table, and rolls the days up. Exit code 1 if
a partial differs from the log, entries cannot be read, or a day was not proven.";

/// `headcount prove`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prove {
    /// A day, YYYY-MM-DD; may be given more than once
    #[arg(long = "date", value_name = "DATE", value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// All days that have changed since their proof, however long ago they were
    #[arg(long, conflicts_with = "dates")]
    pub(crate) open: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
