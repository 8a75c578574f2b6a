//! `headcount user`: what can be asked for.

use clap::Args;

use super::connection::{LogArgs, TableArgs};
use super::range::{FormatArgs, PageArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount user user-42 --local
  headcount user user-42 --last 90d --limit 100 --json";

/// `headcount user`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct User {
    /// The user's id
    pub(crate) id: String,
    /// Which page.
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// When.
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
