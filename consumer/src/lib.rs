//! The consumer of Headcount: one source's records into the table, **each event once**.
//!
//! [`handler::handle`] takes the records of one shard as an event source mapping delivers them, at least once and in
//! order, and answers with the first record that must be delivered again. The way of a batch:
//!
//! 1. [`delivery`], [`batch`]: which source, which records; cut into chunks that fit into memory, decoded on all cores.
//! 2. [`claim`]: conditional inserts. Whoever inserted an event owns it, for ever.
//! 3. [`rejects`]: what broke a rule is kept with its reasons.
//! 4. [`settle`]: only records that are wholly stored, and have nothing unstored before them, go on.
//! 5. [`first_sight`]: users that were never seen, or not so early.
//! 6. [`fold`]: into the source's partial of each date, under its fence, by one conditional write a date.

pub mod config;
pub mod handler;

pub mod batch;
pub mod claim;
pub mod delivery;
pub mod first_sight;
pub mod fold;
pub mod rejects;
pub mod settle;

pub mod caches;
mod days;
pub mod deadlines;
pub mod deps;
pub mod outcome;
pub mod payload;

pub mod kept;
