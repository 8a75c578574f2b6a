//! The simulation: built with what it needs, and run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step::Steps;

/// New worlds that every test run lives through.
const SEEDS: &str = "200";

/// Worlds that a defect may take to be found in a test run: the rarest takes a few hundred.
const MUTANT_SEEDS: &str = "3000";

/// Runs the simulation with these arguments; whether all came out as it must.
pub(crate) fn run(mut cargo: Command, arguments: &[String]) -> Result<bool> {
    let status = prepare(&mut cargo, arguments).status().context("the simulation cannot be started")?;
    Ok(status.success())
}

/// The steps of a test run: new worlds, and whether each deliberate defect is found.
///
/// The worlds are lived through by the program among the built `binaries`: a build for it alone would build most of what
/// it depends on once more.
pub(crate) fn add(steps: &mut Steps, binaries: &Path, mut cargo: Command) {
    steps.run("simulation", Command::new(binaries.join("simulate")).args(["--seeds", SEEDS]));
    let arguments = ["--mutants", "--seeds", MUTANT_SEEDS].map(str::to_owned);
    steps.run("simulation's mutants", prepare(&mut cargo, &arguments));
}

/// Only a build that is asked to leave rules out can do so.
fn prepare<'a>(cargo: &'a mut Command, arguments: &[String]) -> &'a mut Command {
    cargo.args(["run", "--quiet", "--package", "headcount-tests", "--bin", "simulate"]);
    if arguments.iter().any(|argument| argument == "--mutants" || argument.starts_with("--defect")) {
        cargo.args(["--features", "defects"]);
    }
    cargo.arg("--").args(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_left_out_only_where_that_is_asked_for() {
        let has_defects = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            let mut cargo = Command::new("cargo");
            let command = prepare(&mut cargo, &arguments);
            command.get_args().any(|argument| argument == "defects")
        };
        assert!(!has_defects(&["--seeds", "10"]));
        assert!(has_defects(&["--mutants"]));
        assert!(has_defects(&["--seed", "1", "--defect", "no-fence"]));
        assert!(has_defects(&["--seed", "1", "--defect=no-fence"]));
    }
}
