//! The followers of Headcount: they bring the table up to date with the log, entry by entry.
//!
//! Two followers, each with a checkpoint for every source that only moves forward: [`figures`] writes users' first days and
//! the source's partial of each date, [`items`] the items of events and rejections. Every step may be repeated, so a
//! follower that died, or two at once, leave nothing that the next one does not put right. A failed step stops the
//! follower, never the append.
//!
//! The consumer hands over what it just appended ([`Appended`]); whatever is missing before that, and all that anybody else
//! appended, is read from the log.

pub mod appended;
pub mod config;
pub mod days;
pub mod error;
pub mod figures;
pub mod first_seen;
pub mod items;
pub mod setup;
pub mod users;

mod answer;
mod entries;
mod folding;

pub use appended::Appended;
pub use error::FollowError;
pub use figures::Figures;
pub use items::{Backlog, ItemOptions, Items};
pub use setup::{Followed, Setup, Table};
