//! How many events a second the collector accepts, on one core.

use anyhow::Result;

use super::line::Line;
use super::place::Place;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let program = place.headcount()?;
    place.measure_part("collector", &["--program", &program.to_string_lossy()])
}
