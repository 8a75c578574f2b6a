//! Stores for tests: a table in memory, and a table and an object store that fail on command around any other.

pub mod faulty;
pub mod memory;
pub mod objects;
pub mod process;
