//! `cargo xtask bench`: what is fast, small or exact enough, measured and held against its goal.
//!
//! A bench is a [`Bench`]: a name and a function that gives [`line::Line`]s. To add one, write a module here and name it
//! in [`BENCHES`]. What needs our own crates is a program in `tests/benches/` that prints its lines as JSON
//! ([`place::Place::measure`]); what a bench needs of others is installed under the target directory, pinned.

mod aggregator;
mod cold_start;
mod collector;
mod consumer;
mod floods;
mod instructions;
mod line;
mod place;
mod producer;
mod prove;
mod query;
mod report;
mod sketch;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use line::Line;
use place::Place;

/// One bench.
struct Bench {
    /// What it is called on the command line.
    name: &'static str,
    /// Measures. What takes long is said on the way ([`Place::say`]).
    run: fn(&Place) -> Result<Vec<Line>>,
}

/// Every bench, in the order in which they run.
const BENCHES: [Bench; 11] = [
    Bench { name: "aggregator", run: aggregator::run },
    Bench { name: "cold-start", run: cold_start::run },
    Bench { name: "collector", run: collector::run },
    Bench { name: "consumer", run: consumer::run },
    Bench { name: "floods", run: floods::run },
    Bench { name: "instructions", run: instructions::run },
    Bench { name: "producer", run: producer::run },
    Bench { name: "prove", run: prove::run },
    Bench { name: "query", run: query::run },
    Bench { name: "report", run: report::run },
    Bench { name: "sketch", run: sketch::run },
];

#[derive(Args, Clone, PartialEq, Eq)]
pub(crate) struct BenchArguments {
    /// The benches to run; all where none is named
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(BENCHES.map(|bench| bench.name)))]
    names: Vec<String>,
    /// Print the lines as JSON
    #[arg(long)]
    json: bool,
    /// End with exit code 1 where a goal is missed
    #[arg(long)]
    strict: bool,
}

/// Runs benches one after the other. Whether each could be measured, and with `--strict` met its goals.
pub(crate) fn run(root: PathBuf, target: PathBuf, arguments: &BenchArguments) -> Result<bool> {
    let place = Place::new(root, target);
    let wanted = |bench: &&Bench| arguments.names.is_empty() || arguments.names.iter().any(|name| name == bench.name);
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for bench in BENCHES.iter().filter(wanted) {
        place.say(format_args!("== {}", bench.name));
        match (bench.run)(&place) {
            Ok(measured) => lines.extend(measured),
            Err(error) => {
                place.say(format_args!("error: {}: {error:#}", bench.name));
                failed.push(bench.name);
            }
        }
    }
    if arguments.json {
        let lines: Vec<_> = lines.iter().map(Line::to_json).collect();
        println!("{}", serde_json::to_string_pretty(&json!({"lines": lines, "failed": failed}))?);
    } else {
        print!("{}", table::render(&lines));
    }
    Ok(failed.is_empty() && (!arguments.strict || lines.iter().all(Line::meets_goal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let mut names = BENCHES.map(|bench| bench.name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
