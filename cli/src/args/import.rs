//! `headcount import`: what can be asked for.

use std::path::PathBuf;

use clap::Args;

use super::connection::{LogArgs, TableArgs};
use super::prices::PriceArgs;
use super::rules::RuleArgs;

const EXAMPLES: &str = "\
Examples:
  headcount import --local history.ndjson
  headcount import --event-types signup,purchase history.ndjson.gz
  headcount import --json history.ndjson.zst | jq .rejected

The file holds one event a line, plain, gzip or zstd, of any age. It is read twice: first to check it, then to append it to \
the event log. Importing the same file again counts nothing twice, however it is compressed, and resumes after Ctrl-C. \
Events without an `eventId` are recognized only in an identical file, so give each event one before you correct lines. \
Days that have figures whose log entries have expired are refused. A new deployment gets the time zone $REPORTING_ZONE, \
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
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
