//! How long a year's figures take, and in how many requests.

use anyhow::Result;

use super::line::Line;
use super::place::Place;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    place.measure_part("query", &[])
}
