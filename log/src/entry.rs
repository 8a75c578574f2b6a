//! An entry's bytes: a header frame, a frame of event lines for each date, and one of rejections, each a zstd frame with a
//! checksum.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::origin::{SequenceNumber, Source};
use serde::{Deserialize, Serialize};

use crate::content::{Content, LoggedRejection};
use crate::error::EntryError;

/// The version of the entry format.
pub const VERSION: u32 = 1;

/// Bytes that a reader of ranges asks for first: most headers end within them.
pub const HEADER_READ_BYTES: u64 = 16 << 10;

/// What the writer of an entry knows besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// The deployment: [`headcount_core::deployment::Deployment::id`].
    pub deployment: String,
    /// The source.
    pub source: Source,
    /// The entry's number, from 1.
    pub entry: u64,
    /// The newest sequence number covered.
    pub last: SequenceNumber,
    /// When the entry is appended, milliseconds since the epoch.
    pub appended_ms: i64,
    /// When the newest record covered arrived, milliseconds since the epoch.
    pub arrived_ms: i64,
}

/// The header, its first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the writer knew.
    pub facts: EntryFacts,
    /// What each date got.
    pub dates: BTreeMap<NaiveDate, DateCounts>,
    /// Where the rejections lie, if there are any.
    pub rejections: Option<Frame>,
    /// Bytes of the header frame: offsets count from its end.
    pub header_bytes: u64,
}

/// What one date got of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateCounts {
    /// Events.
    pub events: u64,
    /// Occurrences dropped as duplicates.
    pub duplicates: u64,
    /// Occurrences rejected, on the date of their arrival.
    pub rejected: u64,
    /// Where the date's event lines lie, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<Frame>,
}

/// Where a frame lies, and what its bytes hash to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Bytes between the end of the header frame and its beginning.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// SHA-256 of its compressed bytes, in hexadecimal.
    pub sha256: String,
}

/// Writes an entry.
pub fn encode(facts: &EntryFacts, content: &Content<'_>) -> Bytes {
    let _ = (facts, content);
    unimplemented!()
}

/// A whole entry that was read: its header is checked, its frames are decompressed and hashed when they are asked for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The header.
    pub header: Header,
    bytes: Bytes,
}

impl Entry {
    /// Reads an entry of `source` with this number.
    ///
    /// # Errors
    ///
    /// [`EntryError`]: truncated, altered, of another version, source, number.
    pub fn decode(bytes: Bytes, source: &Source, entry: u64) -> Result<Self, EntryError> {
        let _ = (bytes, source, entry);
        unimplemented!()
    }

    /// Decompresses and checks all of it.
    ///
    /// # Errors
    ///
    /// [`EntryError`], which names the frame.
    pub fn open(&self) -> Result<OpenedEntry, EntryError> {
        unimplemented!()
    }
}

/// The decompressed lines of an entry, which its [`Content`] borrows from.
#[derive(Clone, Debug)]
pub struct OpenedEntry {
    header: Header,
    days: BTreeMap<NaiveDate, String>,
    rejections: Vec<LoggedRejection>,
}

impl OpenedEntry {
    /// The content, as it was appended.
    ///
    /// # Errors
    ///
    /// [`EntryError`], where a line is no event.
    pub fn content(&self) -> Result<Content<'_>, EntryError> {
        let _ = (&self.header, &self.days, &self.rejections);
        unimplemented!()
    }
}

/// The events of one decompressed frame of a date.
///
/// # Errors
///
/// [`EntryError`], where a line is no event.
pub fn events_of(lines: &str) -> Result<Vec<(u32, Event<'_>)>, EntryError> {
    let _ = lines;
    unimplemented!()
}
