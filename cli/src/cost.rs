//! What a deployment costs: units an event from formulas, money from a file of prices.

pub(crate) mod estimate;
pub(crate) mod observed;
pub(crate) mod prices;
pub(crate) mod proofs;
pub(crate) mod rollups;
pub(crate) mod stream;
pub(crate) mod units;

#[cfg(test)]
mod tests;
