//! The developer commands: `cargo xtask check`, `cargo xtask test`, `cargo xtask simulate`, `cargo xtask bench`,
//! `cargo xtask fuzz`.

mod apt;
mod bench;
mod chromium;
mod fuzz;
mod node;
mod python;
mod simulate;
mod step;
mod tally;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use step::Steps;

/// Names the spelling checker.
const TYPOS: &str = "tests/python/typos.txt";

/// A tool that tests need: what it is installed from, and how they find it.
struct Tool {
    step: &'static str,
    /// Installs what the file or folder pins into a folder; what tests are told.
    provide: fn(&Path, &str, &Path) -> Result<PathBuf>,
    pinned_by: &'static str,
    /// Within the target directory.
    folder: &'static str,
    /// The variable by which tests find it.
    variable: &'static str,
}

impl Tool {
    const ALL: [Self; 8] = [
        // Clients, stand-ins and peers that the tests use themselves.
        Self {
            step: "python",
            provide: python::provide,
            pinned_by: "tests/python/requirements.txt",
            folder: "test-python",
            variable: "HEADCOUNT_TEST_PYTHON",
        },
        Self {
            step: "schemathesis",
            provide: python::provide,
            pinned_by: "tests/python/requirements-schemathesis.txt",
            folder: "test-schemathesis",
            variable: "HEADCOUNT_TEST_SCHEMATHESIS",
        },
        Self {
            step: "sam",
            provide: python::provide,
            pinned_by: "tests/python/requirements-sam.txt",
            folder: "test-sam",
            variable: "HEADCOUNT_TEST_SAM",
        },
        Self {
            step: "node",
            provide: node::provide,
            pinned_by: "tests/node",
            folder: "test-node",
            variable: "HEADCOUNT_TEST_NODE",
        },
        // What builds the libraries of `sdk/` and runs their examples.
        Self {
            step: "sdk for node",
            provide: node::provide,
            pinned_by: "tests/sdk",
            folder: "test-sdk-node",
            variable: "HEADCOUNT_TEST_SDK_NODE",
        },
        Self {
            step: "sdk for python",
            provide: python::provide,
            pinned_by: "tests/python/requirements-sdk.txt",
            folder: "test-sdk-python",
            variable: "HEADCOUNT_TEST_SDK_PYTHON",
        },
        // The SDKs that others wrote.
        Self {
            step: "clients on node",
            provide: node::provide,
            pinned_by: "tests/clients",
            folder: "test-clients-node",
            variable: "HEADCOUNT_TEST_CLIENTS_NODE",
        },
        Self {
            step: "clients on python",
            provide: python::provide,
            pinned_by: "tests/clients/requirements.txt",
            folder: "test-clients-python",
            variable: "HEADCOUNT_TEST_CLIENTS_PYTHON",
        },
    ];
}

/// Where tests find the built programs (`headcount` and the Lambda functions).
const BINARIES_VARIABLE: &str = "HEADCOUNT_TEST_BINARIES";

/// Developer commands of Headcount.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Examples:
  cargo xtask check    before every commit: format, lints, documents
  cargo xtask test     what CI runs: the checks, then every test
  cargo xtask simulate --seeds 2000    many worlds full of faults, each compared with a naive model
  cargo xtask bench    what is measured, and its goals"
)]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Clone, PartialEq, Eq, Subcommand)]
enum Commands {
    /// Format, lints, documents, spelling and, where cargo-deny is installed, licences and sources of dependencies.
    ///
    /// Runs `cargo fmt --check`, `cargo clippy` on all targets, `cargo doc`, `typos`, which it installs, and `cargo deny check`.
    /// Warnings are errors.
    #[command(after_help = "Examples:
  cargo xtask check
  cargo fmt && cargo xtask check    let the formatter put right what it can")]
    Check,
    /// The checks, then every test: unit, property, integration, end to end, documentation.
    ///
    /// First provides what the tests need: a Python with the pinned clients of tests/python/requirements.txt, in the
    /// target directory, and Chromium with its driver, by apt-get. Tests run by cargo-nextest where it is installed, else
    /// by cargo test. Every step runs even if an earlier one failed; the exit code is 1 if any did.
    #[command(after_help = "Examples:
  cargo xtask test
  cargo nextest run -p headcount-core     one crate alone
  cargo test -p headcount-core --doc      its examples")]
    Test,
    /// Simulated worlds full of faults, each compared with a naive model.
    ///
    /// Takes the arguments of the simulation itself: `cargo xtask simulate --help` lists them.
    #[command(
        disable_help_flag = true,
        after_help = "Examples:
  cargo xtask simulate --seeds 2000
  cargo xtask simulate --seed 42 --history
  cargo xtask simulate --mutants"
    )]
    Simulate {
        /// The simulation's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures, and holds each figure against its goal.
    ///
    /// Builds with optimisation, and installs what it needs of others under the target directory. Goals that are missed
    /// are marked; the exit code is 1 where something could not be measured, and with --strict where a goal is missed.
    #[command(after_help = "Examples:
  cargo xtask bench
  cargo xtask bench cold-start --json
  cargo xtask bench --strict")]
    Bench(bench::BenchArguments),
    /// Gives every decoder bytes that nobody would write.
    ///
    /// Needs a nightly toolchain; installs cargo-fuzz under the target directory. What a target learns is kept there, so that the
    /// next run goes on from it. The exit code is 1 where something was found.
    #[command(after_help = "Examples:
  cargo xtask fuzz
  cargo xtask fuzz sketch event --seconds 60")]
    Fuzz(fuzz::FuzzArguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all steps passed.
fn run(command: Commands) -> Result<bool> {
    let root = root()?;
    if let Commands::Simulate { arguments } = command {
        return simulate::run(&root, &target()?, cargo, &arguments);
    }
    if let Commands::Bench(arguments) = command {
        return bench::run(root, target()?, &arguments);
    }
    if let Commands::Fuzz(arguments) = command {
        return fuzz::run(&root, &target()?, &arguments);
    }
    let mut steps = Steps::default();
    check(&mut steps, &root)?;
    if command == Commands::Test {
        test(&mut steps, &root)?;
    }
    println!("\n{}", steps.summary());
    Ok(steps.passed())
}

fn check(steps: &mut Steps, root: &Path) -> Result<()> {
    steps.run("format", cargo(root).args(["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    steps.run("lints", cargo(root).args(clippy));
    let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
    steps.run("documents", cargo(root).args(doc).env("RUSTDOCFLAGS", "-D warnings"));
    let target = target()?;
    if let Some(python) = steps.make("spelling checker", || python::provide(root, TYPOS, &target.join("test-typos"))) {
        steps.run("spelling", Command::new(python.with_file_name("typos")).arg("--format=brief").current_dir(root));
    }
    if has(root, "deny") {
        steps.run("dependencies", cargo(root).args(["deny", "check"]));
    } else {
        println!("\n== dependencies: not checked here, as `cargo install --locked cargo-deny` has not been run");
    }
    Ok(())
}

fn test(steps: &mut Steps, root: &Path) -> Result<()> {
    let binaries = binaries()?;
    let tools = Tool::ALL.map(|tool| {
        let make = || (tool.provide)(root, tool.pinned_by, &target()?.join(tool.folder));
        (tool.variable, steps.make(tool.step, make))
    });
    steps.make("browser", chromium::provide);
    check_script(steps, root)?;
    steps.run("build", cargo(root).args(["build", "--workspace", "--all-targets", "--quiet"]));
    let for_tests = |arguments: &[&str]| {
        let mut command = cargo(root);
        command.args(arguments).env(BINARIES_VARIABLE, &binaries);
        for (variable, place) in &tools {
            if let Some(place) = place {
                command.env(variable, place);
            }
        }
        command
    };
    if has(root, "nextest") {
        steps.run_tests("tests", &mut for_tests(&["nextest", "run", "--workspace", "--no-fail-fast"]));
    } else {
        steps.run_tests("tests", &mut for_tests(&["test", "--workspace", "--all-targets", "--no-fail-fast"]));
    }
    simulate::add(steps, &binaries);
    steps.run_tests("examples in documents", &mut for_tests(&["test", "--workspace", "--doc", "--no-fail-fast"]));
    Ok(())
}

/// Where what checks the script for web pages is pinned.
const SCRIPT_CHECKS: &str = "tests/script";

/// The types and the style of the script for web pages.
fn check_script(steps: &mut Steps, root: &Path) -> Result<()> {
    let target = target()?;
    let Some(folder) = steps.make("script checks", || node::provide(root, SCRIPT_CHECKS, &target.join("test-script")))
    else {
        return Ok(());
    };
    let tool = |name: &str| {
        let mut command = Command::new(folder.join("node_modules/.bin").join(name));
        command.current_dir(root);
        command
    };
    steps.run("script types", tool("tsc").args(["--project", SCRIPT_CHECKS]));
    let config = format!("{SCRIPT_CHECKS}/eslint.config.mjs");
    steps.run("script style", tool("eslint").args(["--config", &config, "collector/src/snippet.js"]));
    Ok(())
}

/// Whether cargo has a command that is installed by itself.
fn has(root: &Path, command: &str) -> bool {
    cargo(root).args([command, "--version"]).output().is_ok_and(|output| output.status.success())
}

/// What cargo tells a program that it runs of its package. Build scripts that look at it would build anew, and all that
/// depends on them, whenever one cargo is run by us and the next by hand.
const OF_OUR_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The cargo that runs us, at the root of the workspace.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if OF_OUR_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(root);
    command
}

/// The workspace that cargo runs us from, which may have moved since we were built.
fn root() -> Result<PathBuf> {
    let own =
        std::env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`, so that it knows the project")?;
    Path::new(&own).parent().map(Path::to_owned).context("the project has no root")
}

/// The folder of built binaries: ours is among them.
fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where the built binaries are")?;
    own.parent().map(Path::to_owned).context("cannot tell where the built binaries are")
}

/// The target directory, which the built binaries lie in.
fn target() -> Result<PathBuf> {
    binaries()?.parent().map(Path::to_owned).context("cannot tell where the target directory is")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_sound_and_every_command_has_examples() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        command.build();
        let commands = command.get_subcommands_mut().filter(|command| command.get_name() != "help");
        let helps: Vec<_> = commands.map(clap::Command::render_long_help).collect();
        for help in helps.into_iter().chain([command.render_long_help()]) {
            assert!(help.to_string().contains("Examples:"), "{help}");
        }
    }
}
