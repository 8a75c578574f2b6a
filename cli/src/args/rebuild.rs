//! `headcount rebuild`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::TableArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount rebuild --local --date 2026-03-01              after `verify` found a damaged source
  headcount rebuild --date 2026-03-01 --date 2026-03-02
  headcount rebuild --date 2026-03-01 --json | jq .days[].sourcesRecounted

Every source of the day is counted again from its stored events, then the day is aggregated. The consumer may go on \
meanwhile. What events cannot tell (duplicates) is carried over, and named where a damaged source has lost it. A day whose \
events may have begun to expire, 88 days after its end, is refused.";

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
    pub(crate) table: TableArgs,
}
