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
  headcount send --pack --resume sent.json big.ndjson  a ninth of the bytes; after Ctrl-C the same command goes on

An event without `eventId` and `timestamp` gets both before the first try, one with a `timestamp` alone gets an
`eventId`: a request that is repeated then counts once. Each line is one record, its `userId` the partition key, unless `--pack` is given.

`--resume` keeps the number of the lines that are done, and what ids and times are made from: a line that is sent again
by another run is the same event. An array of events without ids in one line is the exception.";

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
    /// Send at most so many events a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// Requests on their way at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) concurrency: u8,
    /// Pack many events into one record, compressed: a ninth of the bytes
    #[arg(long, overrides_with = "no_pack")]
    pub(crate) pack: bool,
    /// One event a record; this is the default
    #[arg(long, overrides_with = "pack")]
    pub(crate) no_pack: bool,
    /// Keep in this file how far it is; where it exists, go on there
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to.
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}
