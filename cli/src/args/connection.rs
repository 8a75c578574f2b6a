//! Which stream, which table, and as whom to ask: what the commands share.

use clap::Args;

use super::values;

/// The stream's name unless another is asked for.
pub(crate) const DEFAULT_STREAM: &str = "headcount-events";

/// The table's name unless another is asked for.
pub(crate) const DEFAULT_TABLE: &str = "headcount";

/// The port of the embedded Kinesis.
pub(crate) const KINESIS_PORT: u16 = 4567;

/// The port of the embedded DynamoDB.
pub(crate) const DYNAMODB_PORT: u16 = 8000;

/// The port of Headcount's own web server.
pub(crate) const WEB_PORT: u16 = 8600;

/// The port of the collector.
pub(crate) const COLLECTOR_PORT: u16 = 8700;

/// Where the stream is, and as whom to ask.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServiceArgs {
    /// Use a `headcount serve` on this machine's default ports, instead of the AWS environment
    #[arg(long)]
    pub(crate) local: bool,
    /// The AWS region [default: the AWS environment's]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
}

/// A stream, wherever it is. Under whichever heading it is flattened.
#[derive(Clone, Debug, Args)]
pub(crate) struct KinesisArgs {
    /// Where Kinesis is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) kinesis_endpoint: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STREAM)]
    pub(crate) stream: String,
}

/// A table, wherever it is. Under whichever heading it is flattened.
#[derive(Clone, Debug, Args)]
pub(crate) struct DynamoArgs {
    /// Where DynamoDB is [default: the AWS environment's]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) dynamodb_endpoint: Option<String>,
    /// The table's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TABLE)]
    pub(crate) table: String,
}

/// The table, or both of them, wherever they are. Under whichever heading it is flattened.
#[derive(Clone, Debug, Args)]
pub(crate) struct TablesArgs {
    /// That of the events.
    #[command(flatten)]
    pub(crate) dynamodb: DynamoArgs,
    /// The table of the figures, where it is another [default: the same]
    #[arg(long, value_name = "NAME")]
    pub(crate) metrics_table: Option<String>,
}

/// The event log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct LogArgs {
    /// Where the event log is: `s3://bucket`, `s3://bucket/prefix` or a folder [default with --local: that of the running
    /// `headcount serve`]
    #[arg(long, value_name = "PLACE", env = "HEADCOUNT_LOG")]
    pub(crate) log: Option<String>,
}

/// The stream.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct StreamArgs {
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which stream.
    #[command(flatten)]
    pub(crate) kinesis: KinesisArgs,
}

/// The table, or both of them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TableArgs {
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which tables.
    #[command(flatten)]
    pub(crate) tables: TablesArgs,
}

/// The table, or both of them, and the event log.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeploymentArgs {
    /// Which tables.
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
