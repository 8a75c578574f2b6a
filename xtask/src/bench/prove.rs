//! What the proof of a day costs.

use anyhow::Result;

use super::line::Line;
use super::place::Place;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    place.measure_part("prove", &[])
}
