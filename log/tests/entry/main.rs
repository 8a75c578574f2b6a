//! An entry's bytes: what goes in comes out, and what is damaged is named.

#[path = "../samples/mod.rs"]
mod samples;

mod damage;
mod golden;
mod round_trip;
