//! How far an estimate may be off.

use headcount_core::metrics::Figures;
use schemars::JsonSchema;
use serde::Serialize;

/// Standard errors on either side that hold 95 of 100 normally distributed estimates.
const NORMAL_95: f64 = 1.96;

/// How far a number of different users may be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsersError {
    /// So many users more or less, in 95 of 100 cases. Small numbers are nearly exact all the same.
    pub plus_minus: u64,
    /// The same as a share of the number.
    pub share: f64,
    /// How often the true number lies within: 0.95.
    pub confidence: f64,
}

impl UsersError {
    /// Of a range's active users.
    pub fn of(figures: &Figures) -> Self {
        let share = NORMAL_95 * figures.estimate.users_relative_standard_error;
        Self { plus_minus: (share * figures.active_users as f64).ceil() as u64, share, confidence: 0.95 }
    }
}
