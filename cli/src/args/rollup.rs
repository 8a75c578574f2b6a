//! `headcount rollup`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::DeploymentArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount rollup --local                              every open day
  headcount rollup --date 2026-03-01 --date 2026-03-02  these days, open or not";

/// `headcount rollup`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rollup {
    /// A day, YYYY-MM-DD; may be given again [default: every open day]
    #[arg(long = "date", value_name = "DATE", value_parser = values::date)]
    pub(crate) dates: Vec<NaiveDate>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
