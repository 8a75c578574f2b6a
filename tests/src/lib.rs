//! What crosses rooms: the simulation of the whole pipeline, a proxy full of faults before the real
//! table, and a real browser.

pub mod browser;
pub mod fault_proxy;
pub mod simulation;
