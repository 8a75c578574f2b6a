//! Apache's `datasketches`, by a program that prints its figures.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Sketches that it counts to find its error.
pub(crate) const TRIALS: u64 = 200;

/// The users in them.
pub(crate) const USERS: u64 = 100_000;

/// What it says.
#[derive(Deserialize)]
pub(crate) struct Apache {
    name: String,
    kinds: BTreeMap<String, Figures>,
}

/// What it says of one kind of sketch, by the precision of ours that it is held against.
#[derive(Deserialize)]
pub(crate) struct Figures {
    /// Stored bytes.
    pub(crate) stored: BTreeMap<u8, f64>,
    /// Microseconds to join two.
    pub(crate) join: BTreeMap<u8, f64>,
    /// Root mean square, in percent.
    pub(crate) error: f64,
}

impl Apache {
    /// Each kind with the name that lines have for it.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, String, &Figures)> {
        self.kinds
            .iter()
            .map(|(kind, figures)| (kind.as_str(), format!("{} {}", self.name, kind.to_uppercase()), figures))
    }
}

/// Runs the program.
pub(crate) fn ask(python: &str, program: &str) -> Result<Apache> {
    eprintln!("sketch: {program}");
    let output = Command::new(python)
        .args([program, &TRIALS.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {python}"))?;
    ensure!(output.status.success(), "{program} failed ({})", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{program} prints one JSON object"))
}
