//! What crosses rooms: the simulation of the whole pipeline, and a proxy full of faults before the real table.

pub mod fault_proxy;
pub mod simulation;
