//! What of a deployment breaks a promise or wastes money: what was seen of it, and the rules that it is held to.

pub(crate) mod finding;
pub(crate) mod rules;
pub(crate) mod seen;
