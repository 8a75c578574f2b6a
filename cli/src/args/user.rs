//! `headcount user`: what can be asked for.

use clap::Args;

use super::connection::DeploymentArgs;
use super::range::{FormatArgs, PageArgs, RangeArgs};

const EXAMPLES: &str = "\
Examples:
  headcount user user-42 --local
  headcount user user-42 --last 90d --limit 100 --json
  headcount user user-42 --last 30d --from-log --log s3://my-bucket

Events come from the table's items. With --from-log every entry of the event log of these days is read, which takes a \
while: for deployments without event items, and for events whose items are not written yet.";

/// `headcount user`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct User {
    /// The user's id
    pub(crate) id: String,
    /// Read the event log instead of the table's items
    #[arg(long, conflicts_with = "page")]
    pub(crate) from_log: bool,
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
    pub(crate) deployment: DeploymentArgs,
}
