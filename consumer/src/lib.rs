//! The consumer of Headcount: a source's records into the log, **each event once**; then into the table.
//!
//! [`handler::handle`] takes the records of one shard as an event source mapping delivers them, at least once and in order,
//! and answers with the first record that must be delivered again. The way of a batch:
//!
//! 1. [`invocation`], [`batch`]: which source, which records.
//! 2. [`tail`]: where the source's log ends, and which record it covers last.
//! 3. [`chunk`], [`compose`]: records are decoded and validated, chunk by chunk; what the log covers already is dropped, and
//!    so is an event that [`memory`] knows.
//! 4. [`append`]: what is left becomes the next entry, by one conditional put. **That put is the commit.**
//! 5. [`follow`]: the followers bring the table up to date, within their time. The answer does not depend on them.

pub mod config;
pub mod deps;
pub mod handler;

pub mod batch;
pub mod invocation;

pub mod chunk;
pub mod compose;
pub mod memory;

pub mod append;
pub mod tail;

pub mod follow;
pub mod outcome;

pub mod kept;
