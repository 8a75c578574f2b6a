//! An entry that was just appended, in memory.

use headcount_core::origin::SequenceNumber;
use headcount_log::{Content, Header};

/// An entry of one source's log, wherever its content comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Appended<'a> {
    /// Its number.
    pub entry: u64,
    /// The newest sequence number it covers.
    pub last: SequenceNumber,
    /// When it was appended, milliseconds since the epoch.
    pub appended_ms: i64,
    /// What it holds.
    pub content: Content<'a>,
}

impl<'a> Appended<'a> {
    /// An entry that was read.
    pub fn read(header: &Header, content: Content<'a>) -> Self {
        let facts = &header.facts;
        Self { entry: facts.entry, last: facts.last.clone(), appended_ms: facts.appended_ms, content }
    }
}
