//! `headcount demo`: what can be asked for.

use clap::Args;

/// Most events of a demonstration, which remembers every session to know the truth.
const MAX_DEMO_EVENTS: u64 = 10_000_000;

const EXAMPLES: &str = "\
Examples:
  headcount demo                            20,000 events over 3 days, then keeps serving
  headcount demo --events 100000 --days 7   more of them
  headcount demo --exit                     stops after the proof: exit code 1 if a figure differs";

/// `headcount demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many events to generate, duplicates and invalid ones included
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MAX_DEMO_EVENTS))]
    pub(crate) events: u64,
    /// How many users they come from [default: one for 10 events]
    #[arg(long, value_name = "U", value_parser = clap::value_parser!(u32).range(1..=super::MAX_USERS))]
    pub(crate) users: Option<u32>,
    /// Over how many days, today included
    #[arg(long, value_name = "D", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) days: u32,
    /// The same seed on the same day generates the same events
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stop after the proof, with exit code 1 if a figure differs
    #[arg(long)]
    pub(crate) exit: bool,
}
