//! `headcount ai`: what can be asked for.

use clap::Args;

use super::connection::TableArgs;
use super::range::{FormatArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount ai --local --last 30d
  headcount ai --from 2026-03-01 --to 2026-03-31 --json | jq .costPerUser";

/// `headcount ai`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ai {
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
