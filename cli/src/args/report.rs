//! `headcount report`: what can be asked for.

use std::path::PathBuf;

use chrono_tz::Tz;
use clap::Args;

use super::prices::PriceArgs;
use super::rules::RuleArgs;
use super::values::{self, Moment};

/// Most threads.
const MAX_THREADS: i64 = 1_024;

const EXAMPLES: &str = "\
Examples:
  headcount report events.ndjson
  headcount report january.ndjson.gz february.ndjson.zst --zone Europe/Berlin --json
  headcount report events.ndjson --csv > days.csv";

/// `headcount report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Report {
    /// Files with one event a line, plain or compressed with gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The time zone whose days are counted (IANA name)
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub(crate) zone: Tz,
    /// When the events arrived: later ones are rejected, and what is rejected counts on that day [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) arrived: Option<Moment>,
    /// Days before their arrival that events may lie; earlier ones are rejected [default: no limit]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(0..=80))]
    pub(crate) lateness_days: Option<u16>,
    /// Threads that count [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u32>,
    /// Print the figures as one JSON object, as `headcount metrics` does
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a line of comma-separated values for each day
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
}
