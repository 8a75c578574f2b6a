//! The header's line: `{"headcount": {...}}`, an object that no event has a field of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::origin::{SequenceNumber, Source};
use serde::{Deserialize, Serialize};

use super::frame;
use crate::entry::{DateCounts, EntryFacts, Frame, Header, VERSION};
use crate::error::EntryError;
use crate::head::digits;

#[derive(Serialize, Deserialize)]
struct Line<H> {
    headcount: H,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    version: u32,
    deployment: Cow<'a, str>,
    source: Cow<'a, str>,
    entry: u64,
    #[serde(with = "digits")]
    last: SequenceNumber,
    appended_ms: i64,
    arrived_ms: i64,
    dates: Cow<'a, BTreeMap<NaiveDate, DateCounts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejections: Option<Cow<'a, Frame>>,
}

/// The header as its line.
pub(super) fn line(facts: &EntryFacts, dates: &BTreeMap<NaiveDate, DateCounts>, rejections: Option<&Frame>) -> Vec<u8> {
    let headcount = Fields {
        version: VERSION,
        deployment: Cow::Borrowed(&facts.deployment),
        source: Cow::Borrowed(facts.source.as_str()),
        entry: facts.entry,
        last: facts.last.clone(),
        appended_ms: facts.appended_ms,
        arrived_ms: facts.arrived_ms,
        dates: Cow::Borrowed(dates),
        rejections: rejections.map(Cow::Borrowed),
    };
    let mut line = serde_json::to_vec(&Line { headcount }).expect("texts and numbers are JSON, and memory takes all");
    line.push(b'\n');
    line
}

/// Reads the header of entry `entry` of `source` from the beginning of the entry, however much more there is.
///
/// # Errors
///
/// [`EntryError::Header`] where the bytes end within the header's frame, or it is damaged; [`EntryError::Other`].
pub(crate) fn read(bytes: &[u8], source: &Source, entry: u64) -> Result<Header, EntryError> {
    let cut = || EntryError::Header("its frame does not match its checksum, or is cut off".to_owned());
    let (line, header_bytes) = frame::Reader::new().header(bytes).ok_or_else(cut)?;
    let bad = |error: serde_json::Error| EntryError::Header(error.to_string());
    let Versioned { version } = serde_json::from_str::<Line<_>>(&line).map_err(bad)?.headcount;
    if version != VERSION {
        return Err(other("version", version, VERSION));
    }
    let fields: Fields<'_> = serde_json::from_str::<Line<_>>(&line).map_err(bad)?.headcount;
    if fields.source != source.as_str() {
        return Err(other("source", fields.source, source));
    }
    if fields.entry != entry {
        return Err(other("entry", fields.entry, entry));
    }
    let facts = EntryFacts {
        deployment: fields.deployment.into_owned(),
        source: source.clone(),
        entry,
        last: fields.last,
        appended_ms: fields.appended_ms,
        arrived_ms: fields.arrived_ms,
    };
    let rejections = fields.rejections.map(Cow::into_owned);
    let header = Header { facts, dates: fields.dates.into_owned(), rejections, header_bytes };
    check_frames(&header)?;
    Ok(header)
}

/// `{what} {found}`, where `{what} {expected}` was expected.
pub(crate) fn other(what: &str, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> EntryError {
    EntryError::Other { found: format!("{what} {found}"), expected: format!("{what} {expected}") }
}

/// Frames follow each other without a gap, and a date has one if it has events.
fn check_frames(header: &Header) -> Result<(), EntryError> {
    let mut end = header.header_bytes;
    for (name, frame) in header.frames() {
        let next = end.checked_add(frame.length).filter(|_| header.header_bytes.checked_add(frame.offset) == Some(end));
        end = next.ok_or_else(|| EntryError::Header(format!("the frame of {name} does not follow the one before")))?;
    }
    match header.dates.iter().find(|(_, counts)| (counts.events > 0) != counts.frame.is_some()) {
        Some((date, counts)) => Err(EntryError::Header(format!("{date} has {} events without a frame", counts.events))),
        None => Ok(()),
    }
}
