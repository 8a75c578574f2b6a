//! The handler over a log and a table in memory, both of which fail on command.

#[path = "handler/world.rs"]
mod world;

#[path = "handler/cold_start.rs"]
mod cold_start;
#[path = "handler/duplicates.rs"]
mod duplicates;
#[path = "handler/faults.rs"]
mod faults;
#[path = "handler/records.rs"]
mod records;
