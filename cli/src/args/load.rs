//! `headcount load`: what can be asked for.

use clap::Args;

use super::connection::{DynamoArgs, KinesisArgs, ServiceArgs};

const EXAMPLES: &str = "\
Examples:
  headcount load --local --rate 500 --seconds 30         to a running `headcount serve`
  headcount load --rate 2000 --seconds 300 --stream clicks --table clicks --json

The events are real ones to the deployment: they are stored and counted. Use one that is made for it. Whatever else sends
events meanwhile makes these look counted too early.";

/// `headcount load`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Load {
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// For so many seconds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Users to draw from
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: u32,
    /// How long to wait for the last event to be counted, in seconds
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) patience: u32,
    /// Print what was measured as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
    /// Which table.
    #[command(flatten)]
    pub(crate) dynamodb: DynamoArgs,
}
