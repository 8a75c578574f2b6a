//! `headcount features`: what can be asked for.

use clap::Args;

use super::connection::TableArgs;
use super::range::{FormatArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount features --local --last 30d
  headcount features --from 2026-03-01 --to 2026-03-31 --csv > features.csv";

/// `headcount features`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Features {
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
