//! `headcount certificate`: what can be asked for.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;

use super::connection::{LogArgs, ServiceArgs};
use super::values;

const EXAMPLES: &str = "\
Examples:
  headcount certificate --date 2026-03-01 --log s3://my-bucket > 2026-03-01.json
  headcount certificate --check 2026-03-01.json --log s3://my-bucket
  headcount certificate --check 2026-03-01.json --log ./copy-of-the-bucket --json

Counts a proven day again from the event log, prints the certificate as JSON and stores it as certificate/<date>/<number>.json \
next to the log. A certificate names the deployment, the day, the proof, the entries that were counted with a Merkle root over \
their SHA-256 hashes, and the exact figures. Run `headcount prove --date DATE` first.

--check repeats the count up to the positions in the certificate and names each value that differs; nothing is written. Exit code 1 \
if something differs, entries are missing or damaged, or the day cannot be certified. Only the log is read, no table.";

/// `headcount certificate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Certificate {
    /// The day to certify, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date, required_unless_present = "check")]
    pub(crate) date: Option<NaiveDate>,
    /// Check this certificate against the log
    #[arg(long, value_name = "FILE", conflicts_with = "date")]
    pub(crate) check: Option<PathBuf>,
    /// Print the outcome of --check as JSON; a certificate is always JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
