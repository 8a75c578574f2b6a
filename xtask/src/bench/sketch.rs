//! How big, fast and exact user sketches are, beside the crate that they grow in and Apache's `datasketches`.

use anyhow::Result;

use super::line::Line;
use super::place::Place;

/// Pins `datasketches`.
const REQUIREMENTS: &str = "tests/python/sketch-peer.txt";

/// Its program.
const PEER: &str = "tests/python/sketch_peer.py";

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let python = place.python(REQUIREMENTS, "bench-sketch-peer")?;
    let program = place.root().join(PEER);
    place.measure("sketch", &["--peer", &python.to_string_lossy(), &program.to_string_lossy()])
}
