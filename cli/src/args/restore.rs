//! `headcount restore`: what can be asked for.

use clap::Args;

use super::connection::DeploymentArgs;

const EXAMPLES: &str = "\
Examples:
  headcount restore --table headcount-restored --log s3://my-bucket          a table restored from a backup, or a new one
  headcount restore --table headcount-restored --log s3://my-bucket --json

Makes a table whole from the event log: it gets a new number, so that nothing in it counts as done, then every entry of the \
log is followed, and every day is rolled up. Days whose entries have expired get the figures of their proof.

Run it before the functions use the table, and let nothing else write to it meanwhile. It may be interrupted and run again. \
Exit code 1 if an entry was not followed or a day was not rolled up.

What the log no longer has does not come back: event items of entries that have expired, and profiles of users who were seen only \
there, so that no day counts them as new. A table restored from a backup keeps those that it has.";

/// `headcount restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Restore {
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
