//! `headcount check`: what can be asked for.

use clap::Args;

use super::connection::{KinesisArgs, ServiceArgs, TablesArgs};

const EXAMPLES: &str = "\
Examples:
  headcount check --stack headcount              what the template deployed, as it is now
  headcount check --stream shop-events --table shop
  headcount check --local                        the stream and the table of a running `headcount serve`
  headcount check --stack headcount --json

Nothing is changed. Exit code 1 where a promise is broken.";

/// `headcount check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// The stack that the template was deployed as: names the stream, the tables and the functions
    #[arg(long, value_name = "NAME", conflicts_with_all = ["local", "stream", "table", "metrics_table"])]
    pub(crate) stack: Option<String>,
    /// Print what was found as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// Which tables.
    #[command(flatten)]
    pub(crate) tables: TablesArgs,
}
