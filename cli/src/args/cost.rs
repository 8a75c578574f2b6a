//! `headcount cost`: what can be asked for.

use std::path::PathBuf;

use clap::Args;

use super::connection::DeploymentArgs;
use super::{ItemArgs, values};

const EXAMPLES: &str = "\
Examples:
  headcount cost --events-per-day 864000                    10 events a second
  headcount cost --events-per-day 864000 --window 60        cheaper, and a minute late
  headcount cost --events-per-day 86400000 --no-event-items     much cheaper: figures only, events in the log
  headcount cost --events-per-day 86400000 --no-event-items --packed
  headcount cost --events-per-day 864000,86400000           side by side
  headcount cost --from-table --json
  headcount cost --print-prices > prices.toml
  headcount cost --events-per-day 864000 --prices prices.toml

List prices of one region at one date, both printed; no free tier, no transfer, no tax. An estimate, no offer.";

/// `headcount cost`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cost {
    /// Events a day; several, comma-separated, are shown side by side
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    #[arg(required_unless_present_any = ["from_table", "print_prices"])]
    pub(crate) events_per_day: Vec<u64>,
    /// Take what is not given here from the last full days of the table, and the size of events from the event log
    #[arg(long)]
    pub(crate) from_table: bool,
    /// Bytes of an event's JSON [default: 450]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(100..=65_536))]
    pub(crate) bytes: Option<u32>,
    /// Different users a day [default: one for 20 events]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) users: Option<u64>,
    /// The share of events that are their user's very first [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub(crate) new_users: Option<f64>,
    /// The share of events that break a rule [default: 0.01]
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub(crate) invalid: Option<f64>,
    /// The share of events that come days late, up to 7, while others come minutes late
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = values::share)]
    pub(crate) late: f64,
    /// Producers pack many events into one record, as our Rust library and `headcount send --pack` do
    #[arg(long)]
    pub(crate) packed: bool,
    /// Processes that produce: each packs records of its own [default: one for 1,000 events a second]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) producers: Option<u32>,
    /// Batching window, in seconds: a longer one makes larger batches and later figures
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=300))]
    pub(crate) window: u16,
    /// Shards of a provisioned stream [default: what the peak needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: Option<u32>,
    /// How many times the mean rate the busiest moment has
    #[arg(long, value_name = "TIMES", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) peak: u16,
    /// Which items are written.
    #[command(flatten)]
    pub(crate) items: ItemArgs,
    /// Count a retention of up to 7 days instead of 24 hours
    #[arg(long)]
    pub(crate) long_retention: bool,
    /// Leave out point-in-time recovery of the table
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Other prices: a file like the one that `--print-prices` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Print the built-in prices and nothing else
    #[arg(long)]
    pub(crate) print_prices: bool,
    /// Print everything as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where.
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}
