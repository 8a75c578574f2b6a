//! Instructions of the inner loops, held against those that a file keeps.

use anyhow::{Result, bail};

use super::line::Line;
use super::place::Place;
use crate::apt::{self, is_on_path};

/// The program, and Debian's package of it.
const VALGRIND: &str = "valgrind";

/// What was counted last, from the root. A run writes it anew: look at what changed before it is committed.
const KEPT: &str = "tests/benches/instructions.tsv";

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    provide_valgrind(place)?;
    let kept = place.root().join(KEPT);
    place.measure("instructions", &["--kept", &kept.to_string_lossy()])
}

fn provide_valgrind(place: &Place) -> Result<()> {
    if is_on_path(VALGRIND) {
        return Ok(());
    }
    place.say(format_args!("{VALGRIND}: installing"));
    if !apt::install(&[VALGRIND]) || !is_on_path(VALGRIND) {
        bail!("valgrind cannot be started: install it (Debian, Ubuntu: as root, apt-get install valgrind)");
    }
    Ok(())
}
