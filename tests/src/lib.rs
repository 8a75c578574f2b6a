//! What tests of several crates share: a proxy full of faults before the real table, a real browser, where the real programs lie, and the
//! clock of benches.

pub mod binaries;
pub mod browser;
pub mod fault_proxy;
pub mod iam;
pub mod processor;
