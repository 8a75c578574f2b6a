//! What crosses rooms: the simulation of the whole pipeline, a proxy full of faults before the real
//! table, a real browser, and where the real programs lie.

pub mod binaries;
pub mod browser;
pub mod fault_proxy;
pub mod simulation;
