//! The simulation: built with what it needs, and run.

mod mutants;
mod patch;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step::Steps;

/// New worlds that every test run lives through.
const SEEDS: &str = "200";

/// Worlds that a rule that is left out may take to be found out: the rarest takes a few hundred.
const MUTANT_SEEDS: u64 = 3_000;

/// The seed that these worlds begin at, so that every run finds the same.
const MUTANT_SEED: u64 = 1;

/// Leaves each rule out in turn, or those whose names follow.
const MUTANTS: &str = "--mutants";

/// Runs the simulation with these arguments; whether all came out as it must.
pub(crate) fn run(root: &Path, target: &Path, cargo: impl Fn(&Path) -> Command, arguments: &[String]) -> Result<bool> {
    if let Some((first, rest)) = arguments.split_first()
        && first == MUTANTS
    {
        return mutants::find(root, target, cargo, rest, [MUTANT_SEED, MUTANT_SEEDS]);
    }
    let mut command = cargo(root);
    command.args(["run", "--quiet", "--package", "headcount-simulation", "--bin", "simulate", "--"]).args(arguments);
    let status = command.status().context("the simulation cannot be started")?;
    Ok(status.success())
}

/// The step of a test run: new worlds. Whether each rule that is left out is found is asked by hand, with `--mutants`.
///
/// The worlds are lived through by the program among the built `binaries`: a build for it alone would build most of what
/// it depends on once more.
pub(crate) fn add(steps: &mut Steps, binaries: &Path) {
    steps.run("simulation", Command::new(binaries.join("simulate")).args(["--seeds", SEEDS]));
}
