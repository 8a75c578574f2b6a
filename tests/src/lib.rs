//! What crosses rooms: the simulation of the whole pipeline.

pub mod simulation;
