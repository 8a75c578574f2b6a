//! `headcount check`: what can be asked for.

use clap::Args;

use super::connection::{DEFAULT_STREAM, DEFAULT_TABLE, ServiceArgs};
use super::values;

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
    /// Where Kinesis is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) kinesis_endpoint: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STREAM)]
    pub(crate) stream: String,
    /// Where DynamoDB is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) dynamodb_endpoint: Option<String>,
    /// The table's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TABLE)]
    pub(crate) table: String,
    /// The table of the figures, where it is another [default: the same]
    #[arg(long, value_name = "NAME")]
    pub(crate) metrics_table: Option<String>,
}
