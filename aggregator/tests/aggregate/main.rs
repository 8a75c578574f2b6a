//! The aggregator over a log and a table in memory, with the real consumer: what it does about sources that are behind, open
//! and final days, damage, and somebody else at the same work.

mod world;

mod behind;
mod budgets;
mod damage;
mod final_days;
mod following;
mod history;
mod open_days;
mod proof_schedule;
mod prove;
mod rebuild;
mod restore;
mod scan;
mod together;
mod verify;
