//! Where benches run: the project, its target directory, and the tools that are installed there.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::line::Line;
use crate::python;

/// The profile of what is released, and the folder of its programs.
const DIST: &str = "dist";

/// The place.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    target: PathBuf,
}

impl Place {
    /// The project's root and its target directory.
    pub(crate) fn new(root: PathBuf, target: PathBuf) -> Self {
        Self { root, target }
    }

    /// The project's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Says how far a bench is. Standard output is for figures.
    #[expect(clippy::unused_self, reason = "benches say it where they run")]
    pub(crate) fn say(&self, what: impl Display) {
        eprintln!("{what}");
    }

    /// The cargo that runs us, at the root of the project.
    pub(crate) fn cargo(&self) -> Command {
        crate::cargo(&self.root)
    }

    /// A virtual environment of Python with what the file `requirements` pins (path from the root), in the target
    /// directory as `name`. Its interpreter.
    pub(crate) fn python(&self, requirements: &str, name: &str) -> Result<PathBuf> {
        self.say(format_args!("{requirements}: installing"));
        python::provide(&self.root, requirements, &self.target.join(name))
    }

    /// Builds the command `headcount` as it is released. Its program.
    pub(crate) fn headcount(&self) -> Result<PathBuf> {
        let mut build = self.cargo();
        build.args(["build", "--quiet", "--profile", DIST, "--workspace", "--bin", "headcount"]);
        self.run("building headcount", &mut build)?;
        Ok(self.target.join(DIST).join("headcount"))
    }

    /// As [`Place::measure`], one part of the program that measures the pipeline.
    pub(crate) fn measure_part(&self, part: &str, arguments: &[&str]) -> Result<Vec<Line>> {
        self.measure("pipeline", &[&[part], arguments].concat())
    }

    /// Builds and runs a program of `tests/benches/`, and reads the lines that it prints. What it says on
    /// standard error passes through.
    pub(crate) fn measure(&self, bench: &str, arguments: &[&str]) -> Result<Vec<Line>> {
        self.say(format_args!("{bench}: building"));
        let mut command = self.cargo();
        command.args(["bench", "--quiet", "--workspace", "--bench", bench, "--"]).args(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the bench {bench}"))?;
        let out = child.stdout.take().context("a bench has no output")?;
        let printed: Vec<_> =
            BufReader::new(out).lines().collect::<Result<_, _>>().context("a bench prints no text")?;
        let status = child.wait().context("lost sight of a bench")?;
        if !status.success() {
            bail!("the bench {bench} failed ({status})");
        }
        printed.iter().filter(|line| !line.trim().is_empty()).map(|line| Line::parse(line)).collect()
    }

    /// Runs a command that must succeed; what it prints goes to standard error.
    pub(crate) fn run(&self, what: &str, command: &mut Command) -> Result<()> {
        self.say(what);
        let status = command
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .with_context(|| format!("{what}: cannot start {command:?}"))?;
        if !status.success() {
            bail!("{what}: {status}");
        }
        Ok(())
    }
}
