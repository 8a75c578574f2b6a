//! Lives through worlds: `cargo xtask simulate`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use headcount_simulation::incident::Incident;
use headcount_simulation::{Cause, Scenario};

mod campaign;
mod report;

/// Lives through simulated worlds, and compares every figure with a naive model.
///
/// One seed is one world: a stream with its producers, an event source mapping, the real consumer and aggregator over a
/// store that fails. The same seed is the same run. Exit code 1: something did not come out as it must.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask simulate",
    bin_name = "cargo xtask simulate",
    after_help = "Examples:
  cargo xtask simulate --seeds 2000               2,000 worlds that nobody has seen before
  cargo xtask simulate --seeds 50000 --minutes 30 as many as half an hour allows
  cargo xtask simulate --seed 42 --history        one world, line by line
  cargo xtask simulate --scenario outage          the table is away for ten minutes under load
  cargo xtask simulate --scenario half-capacity   it takes half of the writes that it needs for two hours
  cargo xtask simulate --mutants                  is each rule that is left out found out?
  cargo xtask simulate --mutants folded-again     this one alone"
)]
struct Arguments {
    /// How many worlds [default: 200, or the one of --seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed [default: one by chance, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Begin no further world after so many minutes
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Of --seed's world, let only these sends happen
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "seed")]
    sends: Option<Vec<u32>>,
    /// Of --seed's world, leave out these troubles
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', requires = "seed", value_parser = cause)]
    without: Vec<Cause>,
    /// Print all that happens in --seed's world
    #[arg(long, requires = "seed")]
    history: bool,
    /// Print of the first world that fails one line: how many worlds it took, its seed, and what is wrong
    #[arg(long, conflicts_with = "history")]
    first: bool,
    /// Instead of worlds, live through one incident under a steady load and print what was measured: outage (the table
    /// answers nothing for ten minutes, and the consumer is started cold twice) or half-capacity (for two hours the table
    /// takes half of the write units that event items need)
    #[arg(long, value_name = "NAME", value_parser = incident)]
    #[arg(conflicts_with_all = ["seeds", "minutes", "sends", "without", "history", "first"])]
    scenario: Option<Incident>,
}

fn incident(name: &str) -> Result<Incident, String> {
    Incident::named(name).ok_or_else(|| {
        let names = Incident::ALL.map(Incident::name);
        format!("it must be one of {}", names.join(", "))
    })
}

fn cause(name: &str) -> Result<Cause, String> {
    Cause::named(name).ok_or_else(|| {
        let names: Vec<_> = Cause::all().map(Cause::name).collect();
        format!("it must be one of {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    // What panics is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if run(&Arguments::parse()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether all came out as it must.
fn run(arguments: &Arguments) -> bool {
    let first = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000_000));
    if let Some(incident) = arguments.scenario {
        return report::incident(incident, first);
    }
    if arguments.history {
        return report::one(&scenario(arguments, first));
    }
    let seeds = arguments.seeds.unwrap_or(if arguments.seed.is_some() { 1 } else { 200 });
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let campaign = campaign::run(first, seeds, limit, |seed| scenario(arguments, seed));
    if arguments.first { campaign.tell_first() } else { campaign.tell() }
}

fn scenario(arguments: &Arguments, seed: u64) -> Scenario {
    Scenario {
        seed,
        sends: arguments.sends.as_ref().map(|sends| sends.iter().copied().collect()),
        without: arguments.without.iter().copied().collect::<BTreeSet<_>>(),
    }
}
