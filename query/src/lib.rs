//! Questions to Headcount's table.
//!
//! [`get_platform_metrics`], [`get_feature_usage`], [`get_user_engagement`] and [`get_ai_usage`] answer for a range of days:
//! counters are summed, users and sessions come from the union of the days' sketches, never from a sum of days. Days
//! that still take events are counted from the live partials, seconds old. [`get_budgets`] compares the month with its budgets. [`get_user_events`] and [`get_rejected`] show
//! single events, page by page.

pub mod deps;
pub mod error;
pub mod page;
pub mod range;

pub mod ai;
pub mod budgets;
pub mod day;
pub mod engagement;
pub mod estimate;
pub mod features;
pub mod platform;
pub mod rejections;
pub mod timeline;

pub mod csv;

mod cache;

mod assemble;
mod gather;
mod lookup;

pub use ai::get_ai_usage;
pub use budgets::get_budgets;
pub use deps::Deps;
pub use engagement::get_user_engagement;
pub use error::QueryError;
pub use features::get_feature_usage;
pub use headcount_store::traits::QueryStore;
pub use platform::{PlatformMetrics, get_platform_metrics};
pub use range::Range;
pub use rejections::get_rejected;
pub use timeline::get_user_events;
