//! `headcount import`: what can be asked for.

use std::path::PathBuf;

use clap::Args;

use super::connection::TableArgs;
use super::rules::RuleArgs;

const EXAMPLES: &str = "\
Examples:
  headcount import --local history.ndjson
  headcount import --event-types signup,purchase history.ndjson.gz
  headcount import --json history.ndjson.zst | jq .rejected

The file holds one event a line, plain, gzip or zstd, however old. It is read twice: first to learn what it is, then to \
bring it in. Importing it again counts nothing twice, whatever it is compressed with, and goes on where Ctrl-C ended \
it. Events without an `eventId` are known again only in the very same file, so give each one before you correct lines. \
Events of the stream that are in the file as well are known by `eventId` and `timestamp` as long as they are stored, 90 \
days; a day of which some are gone already is refused. A table that was never used gets the time zone $REPORTING_ZONE, \
or UTC.";

/// `headcount import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file of newline-delimited events
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
