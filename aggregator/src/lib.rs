//! The aggregator of Headcount: merges what the sources counted into each day's metrics, and proves them against the
//! stored events.
//!
//! [`roll_up()`] runs every hour, or on named dates. It is driven by what the table says, not by what an earlier run did:
//! a run that died, or two at once, leave nothing that the next one does not see. [`verify()`] counts a day again from
//! its events and names every difference.

pub mod config;
pub mod deps;
pub mod error;
pub mod handler;

pub mod history;
pub mod rebuild;
pub mod recount;
pub mod roll_up;
pub mod verify;

mod calendar_window;
mod closing;
mod compute;
mod day;
mod figures;
mod ledger;
mod merge;
mod reading;

pub use calendar_window::MAX_DATES;
pub use deps::{Compute, Deps, Settings};
pub use error::AggregateError;
pub use rebuild::{Rebuild, rebuild};
pub use roll_up::{RollUp, roll_up};
pub use verify::{Verification, verify};
