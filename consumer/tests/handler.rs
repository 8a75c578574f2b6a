//! The handler over the in-memory store, alone and behind the fault injector.

#[path = "handler/duplicates.rs"]
mod duplicates;
#[path = "handler/faults.rs"]
mod faults;
#[path = "handler/fence.rs"]
mod fence;
#[path = "handler/records.rs"]
mod records;
#[path = "handler/storm.rs"]
mod storm;
#[path = "handler/world.rs"]
mod world;
