//! `headcount engagement`: what can be asked for.

use clap::Args;

use super::connection::TableArgs;
use super::range::{FormatArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount engagement --local --last 30d
  headcount engagement --last 90d --json | jq .stickiness";

/// `headcount engagement`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Engagement {
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
