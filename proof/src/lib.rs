//! A day's exact figures, computed from the log.
//!
//! [`prove()`] is a pure function of the log up to stated positions: it reads every entry that has events of the day, keeps of each
//! event (its id and its timestamp) the smallest occurrence (source, entry, index), and counts these in a [`tally::Tally`]. `headcount
//! report` counts files with the same tally.

pub mod certificate;
pub mod hashes;
mod prove;
pub mod replay;
pub mod seen;
pub mod tally;

pub use prove::{Pass, Passes, Position, ProveError, Proven, Proving, SavedError, ids_at_once, passes_for, prove};
