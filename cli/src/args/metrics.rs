//! `headcount metrics`: what can be asked for.

use clap::Args;

use super::connection::TableArgs;
use super::range::{FormatArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount metrics --local --last 7d
  headcount metrics --from 2026-03-01 --to 2026-03-31 --compare
  headcount metrics --from 2026-03-01 --to 2026-03-31 --json | jq .total.activeUsers";

/// `headcount metrics`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Metrics {
    /// Show what changed against as many days directly before
    #[arg(long)]
    pub(crate) compare: bool,
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// When.
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
