//! The event log of Headcount: **one conditional put is the commit.**
//!
//! Each source (a shard, an imported file, a redriven batch) has a log of its own: entries 1, 2, 3, ... as objects
//! `log/<source>/<n>.ndjson.zst`, created once and never changed. Two writers cannot both create the same entry, so an
//! occurrence that is in the log is in it once. Everything in the table follows from the log.
//!
//! An [`entry`] is newline-delimited JSON in zstd frames: `zstdcat`, DuckDB and `headcount report` read it as it is.
//! [`Log`] works on any [`object_store::ObjectStore`]: S3 ([`s3`]), a folder with fsync ([`open`]), or memory.

pub mod certificates;
pub mod content;
pub mod entry;
pub mod error;
pub mod head;
pub mod identity;
pub mod line;
pub mod open;
pub mod prices;
pub mod proofs;
pub mod s3;
pub mod slices;
pub mod storage;

pub use content::{Content, Day, LoggedRejection};
pub use entry::{DateCounts, DayBytes, Entry, EntryDays, EntryFacts, Frame, Header};
pub use error::LogError;
pub use head::Head;
pub use storage::{Append, EntryRef, Log};
