//! `headcount metrics`: what can be asked for.

use chrono::NaiveDate;
use clap::Args;

use super::connection::TableArgs;
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount metrics --local --from 2026-03-01 --to 2026-03-07
  headcount metrics --from 2026-03-01 --to 2026-03-31 --json | jq .total.activeUsers";

/// `headcount metrics`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Metrics {
    /// The first day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) from: NaiveDate,
    /// The last day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(crate) to: NaiveDate,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
