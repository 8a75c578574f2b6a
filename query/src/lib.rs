//! Questions to Headcount's table.
//!
//! [`platform_metrics`] answers with the figures of a range of days, each and in all: counters are summed, users and
//! sessions come from the union of the days' sketches, never from a sum of days.

pub mod error;
pub mod platform;

mod lookup;

pub use error::QueryError;
pub use platform::{PlatformMetrics, platform_metrics};
