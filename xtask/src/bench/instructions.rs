//! Instructions of the inner loops, held against those that a file keeps.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::line::Line;
use super::place::Place;

/// What was counted last, from the root. A run writes it anew: look at what changed before it is committed.
const KEPT: &str = "tests/benches/instructions.tsv";

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    provide_valgrind(place)?;
    let kept = place.root().join(KEPT);
    place.measure("instructions", &["--kept", &kept.to_string_lossy()])
}

fn provide_valgrind(place: &Place) -> Result<()> {
    let is_there = || Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    if is_there() {
        return Ok(());
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "valgrind"]).env("DEBIAN_FRONTEND", "noninteractive");
    place.run("valgrind: installing", &mut install)?;
    if !is_there() {
        bail!("valgrind cannot be started: install it (Debian, Ubuntu: as root, apt-get install valgrind)");
    }
    Ok(())
}
