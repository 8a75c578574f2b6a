//! `headcount rebuild`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::DeploymentArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount rebuild --local --date 2026-03-01              after `verify` found a damaged source
  headcount rebuild --date 2026-03-01 --date 2026-03-02
  headcount rebuild --date 2026-03-01 --log s3://my-bucket --json

Counts every source of the day again from the event log, then aggregates the day. The consumer may keep running. A day \
whose log entries have begun to expire is refused.";

/// `headcount rebuild`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rebuild {
    /// A day, YYYY-MM-DD; may be given again
    #[arg(long = "date", value_name = "DATE", required = true, value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
