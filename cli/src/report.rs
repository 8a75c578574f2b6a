//! Figures straight from files of events: validated, sanitized, deduplicated and folded on all cores, without a table.

pub(crate) mod chunks;
pub(crate) mod counting;
pub(crate) mod figures;
pub(crate) mod fold;
pub(crate) mod input;
