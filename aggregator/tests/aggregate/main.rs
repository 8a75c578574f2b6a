//! The aggregator over the store in memory: what it does about open days, dirty and damaged sources, closing days, and
//! somebody else at the same work.

mod world;

mod closing;
mod damage;
mod following;
mod history;
mod open_days;
mod rebuild;
mod recount;
mod together;
mod verify;
