//! Stores for tests: one in memory, and one that fails on command around any other.

pub mod faulty;
pub mod memory;
