//! The stored forms, by their versions.

pub(super) mod version1;
pub(super) mod version2;
