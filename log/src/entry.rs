//! An entry's bytes: a header frame, a frame of event lines for each date, and one of rejections, each a zstd frame with a
//! checksum.

mod frame;
pub(crate) mod header;
mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::origin::{SequenceNumber, Source};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::{Deserialize, Serialize};

use crate::content::{Content, Day, LoggedRejection};
use crate::error::EntryError;
use crate::line;

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

impl Header {
    /// Bytes of the whole entry.
    pub fn entry_bytes(&self) -> u64 {
        let ends = self.frames().map(|(_, frame)| frame.offset + frame.length);
        self.header_bytes + ends.max().unwrap_or(0)
    }

    /// What the entry has of these dates, in their order.
    pub(crate) fn of_dates(&self, dates: &BTreeSet<NaiveDate>) -> impl Iterator<Item = (NaiveDate, DateCounts)> {
        let found = |date: &NaiveDate| Some((*date, self.dates.get(date)?.clone()));
        dates.iter().filter_map(found)
    }

    /// Where a frame lies in the whole entry, which [`Entry::decode`] has found to be long enough.
    fn place(&self, frame: &Frame) -> Range<usize> {
        let start = self.header_bytes + frame.offset;
        start as usize..(start + frame.length) as usize
    }

    /// All frames behind the header, in their order.
    fn frames(&self) -> impl Iterator<Item = (FrameName, &Frame)> {
        let days = self.dates.iter().filter_map(|(date, counts)| Some((FrameName::Day(*date), counts.frame.as_ref()?)));
        days.chain(self.rejections.iter().map(|frame| (FrameName::Rejections, frame)))
    }
}

/// What a frame is called where it is damaged.
#[derive(Clone, Copy)]
pub(crate) enum FrameName {
    Day(NaiveDate),
    Rejections,
}

impl fmt::Display for FrameName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Rejections => f.write_str("rejections"),
        }
    }
}

/// Writes an entry.
pub fn encode(facts: &EntryFacts, content: &Content<'_>) -> Bytes {
    let mut frames = frame::Writer::new();
    let mut lines = Vec::new();
    let mut dates = BTreeMap::new();
    for (date, day) in &content.days {
        lines.clear();
        for (index, event) in &day.events {
            line::write(&mut lines, *index, event);
        }
        let Day { events, duplicates, rejected } = day;
        let (events, duplicates, rejected) = (events.len() as u64, *duplicates, *rejected);
        dates.insert(*date, DateCounts { events, duplicates, rejected, frame: frames.add(&lines) });
    }
    lines.clear();
    for rejection in &content.rejections {
        rejected::write(&mut lines, rejection);
    }
    let rejections = frames.add(&lines);
    frames.finish(&header::line(facts, &dates, rejections.as_ref()))
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
        let header = header::read(&bytes, source, entry)?;
        let (found, expected) = (bytes.len() as u64, header.entry_bytes());
        if found != expected {
            return Err(EntryError::Length { found, expected });
        }
        Ok(Self { header, bytes })
    }

    /// SHA-256 of the whole object: what `sha256sum` prints in hexadecimal.
    pub fn sha256(&self) -> [u8; SHA256_OUTPUT_LEN] {
        let digest = digest(&SHA256, &self.bytes);
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// What it has of these dates.
    pub(crate) fn days(self, dates: &BTreeSet<NaiveDate>) -> EntryDays {
        let Self { header, bytes } = self;
        let of_date = |(date, counts): (NaiveDate, DateCounts)| {
            let bytes = counts.frame.as_ref().map_or_else(Bytes::new, |frame| bytes.slice(header.place(frame)));
            DayBytes { date, counts, bytes }
        };
        let days = header.of_dates(dates).map(of_date).collect();
        EntryDays { header, days }
    }

    /// Decompresses and checks all of it.
    ///
    /// # Errors
    ///
    /// [`EntryError`], which names the frame.
    pub fn open(&self) -> Result<OpenedEntry, EntryError> {
        let mut reader = frame::Reader::new();
        let (mut days, mut rejections) = (BTreeMap::new(), Vec::new());
        for (name, frame) in self.header.frames() {
            let lines = reader.open(name, frame, &self.bytes[self.header.place(frame)])?;
            match name {
                FrameName::Day(date) => drop(days.insert(date, lines)),
                FrameName::Rejections => rejections = lines.lines().map(rejected::read).collect::<Result<_, _>>()?,
            }
        }
        Ok(OpenedEntry { header: self.header.clone(), days, rejections })
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
        let day = |(date, counts): (&NaiveDate, &DateCounts)| {
            let lines = self.days.get(date).map_or("", String::as_str);
            day_of(*date, counts, lines).map(|day| (*date, day))
        };
        let days = self.header.dates.iter().map(day).collect::<Result<_, _>>()?;
        Ok(Content { days, rejections: self.rejections.clone() })
    }
}

/// What an entry has of some dates, as it was read.
#[derive(Clone, Debug)]
pub struct EntryDays {
    /// The header.
    pub header: Header,
    /// The dates that the entry has something of.
    pub days: Vec<DayBytes>,
}

/// What an entry has of one date, still compressed.
#[derive(Clone, Debug)]
pub struct DayBytes {
    /// The date.
    pub date: NaiveDate,
    /// Its counts.
    pub counts: DateCounts,
    bytes: Bytes,
}

impl DayBytes {
    /// With these compressed bytes of the date's frame.
    pub(crate) fn new(date: NaiveDate, counts: DateCounts, bytes: Bytes) -> Self {
        Self { date, counts, bytes }
    }

    /// The event lines, checked and decompressed.
    ///
    /// # Errors
    ///
    /// [`EntryError`], where the frame is not what the header says.
    pub fn lines(&self) -> Result<String, EntryError> {
        let Some(frame) = &self.counts.frame else { return Ok(String::new()) };
        frame::Reader::new().open(FrameName::Day(self.date), frame, &self.bytes)
    }

    /// Its events in these `lines`, which are its own, with its counts.
    ///
    /// # Errors
    ///
    /// [`EntryError`], where a line is no event, or there are not as many as the header says.
    pub fn day<'l>(&self, lines: &'l str) -> Result<Day<'l>, EntryError> {
        day_of(self.date, &self.counts, lines)
    }
}

fn day_of<'l>(date: NaiveDate, counts: &DateCounts, lines: &'l str) -> Result<Day<'l>, EntryError> {
    let events = events_of(lines)?;
    if events.len() as u64 != counts.events {
        let (found, expected) = (format!("{} events on {date}", counts.events), events.len().to_string());
        return Err(EntryError::Other { found, expected });
    }
    Ok(Day { events, duplicates: counts.duplicates, rejected: counts.rejected })
}

fn events_of(lines: &str) -> Result<Vec<(u32, Event<'_>)>, EntryError> {
    Ok(lines.lines().map(line::read).collect::<Result<_, _>>()?)
}
