//! The aggregator of Headcount: follows what nobody else does, merges what the sources counted into each day's metrics, and
//! proves and rebuilds days from the log.
//!
//! [`roll_up()`] runs every hour, or on named dates, and [`follow_behind`] every minute. Both are driven by what log and
//! table say, not by what an earlier run did: a run that died, or two at once, leave nothing that the next one does not
//! see. [`verify()`] replays the log and names every difference, [`rebuild()`] folds days anew from it,
//! and [`restore()`] makes a whole table of it.

pub mod budgets;
pub mod certificate;
pub mod config;
pub mod deps;
pub mod error;
pub mod handler;

pub mod follow;
pub mod history;
pub mod prove;
pub mod rebuild;
pub mod restore;
pub mod roll_up;
pub mod scan;
pub mod topic;
pub mod verify;

mod calendar_window;
mod count;
mod figures;
mod ledger;
mod merge;
mod reading;
mod run;
mod slices;
mod survey;

pub use budgets::Alarms;
pub use calendar_window::MAX_DATES;
pub use deps::{Deps, Settings};
pub use error::AggregateError;
pub use follow::{Following, follow_behind};
pub use headcount_runtime::compute::Compute;
pub use prove::{ProofRun, prove_days};
pub use rebuild::{Rebuild, rebuild};
pub use restore::{Restored, restore};
pub use roll_up::{RollUp, roll_up};
pub use scan::scan_user;
pub use verify::{Verification, verify};
