//! The pure domain of Headcount.
//!
//! Everything that decides what a figure *is* lives here: the event and its wire formats, validation and sanitizing,
//! the user sketch and the session sample, counters, daily metrics, and the keys of every stored item.
//!
//! **Nothing here does I/O, reads a clock or the environment, or draws a random number**: times and ids are handed in,
//! so that a redelivered record gives the same answer in every process that ever sees it.

pub mod limits;

pub mod backoff;

pub mod calendar;
pub mod event;
pub mod origin;
pub mod prices;
pub mod usage;

pub mod ip_policy;
pub mod json;
pub mod rejection;
pub mod sanitize;
pub mod validate;
pub mod wire;

pub mod record;

mod bits;
pub mod frame;
pub mod hash;
pub mod seal;

pub mod counters;
pub mod latency;
pub mod session_sample;
pub mod user_sketch;

pub mod budget;
pub mod deployment;
pub mod exact;
pub mod keys;
pub mod merged;
pub mod metrics;
pub mod partial;
