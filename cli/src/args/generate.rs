//! `headcount generate`: what can be asked for.

use chrono_tz::Tz;
use clap::Args;

use super::values::{self, Moment};

/// Most events that one run generates.
const MAX_EVENTS: u64 = 1_000_000_000;

const EXAMPLES: &str = "\
Examples:
  headcount generate --events 1000 > events.ndjson
  headcount generate --events 1000 --seed 7 --end 2026-03-01T00:00:00Z    the same bytes every time
  headcount generate --events 50000 | headcount send --local -";

/// `headcount generate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Generate {
    /// How many lines, duplicates and invalid ones included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
    /// The same seed and `--end` give the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// When the last event happens: RFC 3339 or milliseconds since the epoch [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) end: Option<Moment>,
    /// The share of invalid lines, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) invalid: f64,
    /// The share of duplicates, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = values::share)]
    pub(crate) duplicates: f64,
    /// The time zone that the users live in (IANA name)
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    pub(crate) zone: Tz,
}
