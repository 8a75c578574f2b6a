//! `headcount send`: what can be asked for.

use std::path::PathBuf;

use clap::Args;

use super::connection::StreamArgs;
use super::values::Source;

const EXAMPLES: &str = "\
Examples:
  headcount send --local events.ndjson                 to a running `headcount serve`
  zcat events.gz | headcount send --stream clicks -    to the stream `clicks` of your AWS account
  headcount send --failed left.ndjson events.ndjson    keeps what the stream refused, to send it again

An event without `eventId` and `timestamp` gets both before the first try, one with a `timestamp` alone gets an
`eventId`: a request that is repeated then counts once. Each line is one record; its `userId` is the partition key.";

/// `headcount send`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Send {
    /// The file of newline-delimited events, `-` for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) source: Source,
    /// Write the lines that the stream kept refusing to this file, as they were sent
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to.
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}
