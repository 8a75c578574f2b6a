//! How long the consumer takes from its start to its first answer, and how big it is.
//!
//! It is built as for AWS, by `cargo lambda`, and started by a program of ours that has a Runtime API and a table.

use std::fs;

use anyhow::{Context as _, Result};

use super::line::{Goal, Line};
use super::place::Place;

/// Pins cargo-lambda.
const REQUIREMENTS: &str = "tests/python/cargo-lambda.txt";

/// The function.
const PACKAGE: &str = "headcount-consumer";

/// How often it is started, in each of two ways.
const STARTS: &str = "60";

/// Most bytes of a zipped function, in megabytes.
const MAX_ZIPPED_MB: f64 = 8.0;

const MEGABYTE: f64 = 1_000_000.0;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let python = place.python(REQUIREMENTS, "bench-cargo-lambda")?;
    let tools = python.parent().context("an interpreter lies in a folder")?;
    let out = place.target().join("lambda-bench");
    let build = |format: &str| {
        let mut command = place.cargo();
        // The linker that it brings is looked for among the programs.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(paths)?);
        command.args(["lambda", "build", "--release", "--package", PACKAGE, "--output-format", format]);
        command.arg("--lambda-dir").arg(out.join(format));
        place.run(&format!("cargo lambda build, {format}"), &mut command)
    };
    build("zip")?;
    build("binary")?;
    let zip = out.join("zip").join(PACKAGE).join("bootstrap.zip");
    let zipped = fs::metadata(&zip).with_context(|| format!("cargo lambda left no {}", zip.display()))?.len();
    let program = out.join("binary").join(PACKAGE).join("bootstrap");
    let mut lines = place.measure_part("cold-start", &["--program", &program.to_string_lossy(), "--starts", STARTS])?;
    lines.push(Line {
        name: "cold-start/zip".to_owned(),
        measures: "the consumer's zip".to_owned(),
        unit: "MB".to_owned(),
        ours: zipped as f64 / MEGABYTE,
        peer: None,
        goal: Some(Goal::AtMost(MAX_ZIPPED_MB)),
    });
    Ok(lines)
}
