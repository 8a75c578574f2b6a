//! `headcount verify`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::DeploymentArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount verify --local                       today, as far as it is counted
  headcount verify --date 2026-03-01 --log s3://my-bucket --json    exit code 1 if a counter differs

Reads the day's events from the event log and counts them again. Nothing is changed.";

/// `headcount verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// The day, YYYY-MM-DD; today in the reporting zone where none is given
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) date: Option<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
