//! What a client that behaves well sees while others flood the server.

use anyhow::Result;

use super::line::Line;
use super::place::Place;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let program = place.headcount()?;
    place.measure("floods", &["--program", &program.to_string_lossy()])
}
