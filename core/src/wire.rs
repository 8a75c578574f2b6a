//! The forms a record's data may take, taken apart into the texts of single events; and an event in wire form again.
//!
//! The first bytes tell the form: gzip, zstd and KPL records have magic numbers, and the last hold records of any other form.
//! All else is JSON: one event, arrays of events, or events one a line or one after the other. A UTF-8 byte order mark in
//! front is skipped.

pub mod kpl;

mod elements;
mod gzip;
mod split;

use std::borrow::Cow;
use std::io::{self, Read};

use crate::event::Event;
use crate::limits::{MAX_EVENTS_PER_RECORD, MAX_RECORD_BYTES};

pub use elements::Elements;
pub use gzip::Gunzip;
pub(crate) use split::{Parts, elements_of_line, take_apart};
pub use split::{Raw, split};

/// The largest window of a zstd frame, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support. The
/// window is memory that a frame of a few bytes can demand.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// Parts of an aggregated record that may be spoilt before all of it is refused: each may cost as much to decompress as a
/// whole record.
pub const MAX_SPOILT_PARTS: usize = 100;

/// How a record's data is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all: JSON, if it is anything.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames, skippable ones included.
    Zstd,
    /// A KPL aggregated record.
    Kpl,
}

impl Form {
    /// The form that the first bytes tell.
    ///
    /// ```
    /// use headcount_core::wire::Form;
    /// assert_eq!(Form::of(br#"{"userId":"u"}"#), Form::Plain);
    /// assert_eq!(Form::of(&[0x1f, 0x8b, 8]), Form::Gzip);
    /// ```
    pub fn of(data: &[u8]) -> Self {
        match data {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xf3, 0x89, 0x9a, 0xc2, ..] => Self::Kpl,
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "JSON",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Kpl => "KPL",
        }
    }
}

/// Why a record as a whole cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Nothing, or only blanks.
    #[error("the record is empty: it must hold an event, an array of events, or events one a line")]
    Empty,
    /// More than [`MAX_RECORD_BYTES`].
    #[error("the record holds more than {MAX_RECORD_BYTES} bytes: send fewer events in one record")]
    TooLarge,
    /// More than [`MAX_EVENTS_PER_RECORD`].
    #[error("the record holds {count} events: send at most {MAX_EVENTS_PER_RECORD} in one record")]
    TooManyEvents {
        /// How many.
        count: u64,
    },
    /// Compressed bytes that do not decompress.
    #[error("the record begins as {form} but does not decompress: {detail}")]
    Corrupt {
        /// `gzip` or `zstd`.
        form: &'static str,
        /// What the decompressor said.
        detail: String,
    },
    /// Compressed or aggregated twice.
    #[error("the record is {outer} of {inner}: compress or aggregate events only once")]
    Nested {
        /// The outer form.
        outer: &'static str,
        /// The inner form.
        inner: &'static str,
    },
    /// A KPL aggregated record that cannot be taken apart.
    #[error("the record begins as a KPL aggregated record but is damaged: {damage}")]
    Aggregate {
        /// What is wrong with it.
        damage: kpl::Damage,
    },
}

/// A record's data without its compression: of an aggregated record, what each of its records holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Every part.
    pub parts: Vec<Part<'a>>,
    /// Bytes of all parts.
    pub bytes: usize,
}

/// A part decompressed, or why it is not, with its bytes as they came.
pub type Part<'a> = Result<Cow<'a, [u8]>, (RecordError, Vec<u8>)>;

/// Opens a record's data, aggregated or not. A part that does not open spoils only itself.
///
/// # Errors
/// The aggregated record is damaged, or all parts together have more than [`MAX_RECORD_BYTES`].
pub fn open(data: &[u8]) -> Result<Opened<'_>, RecordError> {
    if Form::of(data) != Form::Kpl {
        let plain = decompress(data)?;
        return Ok(Opened { bytes: plain.len(), parts: vec![Ok(plain)] });
    }
    let mut opened = Opened { parts: Vec::new(), bytes: 0 };
    let mut spoilt = 0;
    for part in kpl::take_apart(data)? {
        match open_part(part) {
            Ok(plain) => {
                opened.bytes += plain.len();
                opened.parts.push(Ok(Cow::Owned(plain)));
            }
            // As much work as all that is allowed; there may be thousands of these.
            Err((RecordError::TooLarge, _)) => return Err(RecordError::TooLarge),
            Err((error, part)) => {
                opened.bytes += part.len();
                opened.parts.push(Err((error, part)));
                spoilt += 1;
            }
        }
        if opened.bytes > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge);
        }
        if spoilt > MAX_SPOILT_PARTS {
            return Err(RecordError::Aggregate { damage: kpl::Damage::Parts });
        }
    }
    Ok(opened)
}

fn open_part(part: Vec<u8>) -> Result<Vec<u8>, (RecordError, Vec<u8>)> {
    if Form::of(&part) == Form::Plain {
        return Ok(part);
    }
    match decompress(&part) {
        Ok(plain) => Ok(plain.into_owned()),
        Err(error) => Err((error, part)),
    }
}

/// Data without its compression.
///
/// # Errors
/// The data is larger than [`MAX_RECORD_BYTES`], does not decompress, is compressed twice, or is aggregated where it cannot be.
pub fn decompress(data: &[u8]) -> Result<Cow<'_, [u8]>, RecordError> {
    let form = Form::of(data);
    let plain = match form {
        Form::Plain if data.len() > MAX_RECORD_BYTES => return Err(RecordError::TooLarge),
        Form::Plain => return Ok(Cow::Borrowed(data)),
        Form::Kpl => return Err(RecordError::Nested { outer: form.name(), inner: form.name() }),
        Form::Gzip => read_bounded(form, Gunzip::new(data))?,
        Form::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(|error| corrupt(form, &error))?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(|error| corrupt(form, &error))?;
            read_bounded(form, decoder)?
        }
    };
    match Form::of(&plain) {
        Form::Plain => Ok(Cow::Owned(plain)),
        inner @ (Form::Gzip | Form::Zstd | Form::Kpl) => {
            Err(RecordError::Nested { outer: form.name(), inner: inner.name() })
        }
    }
}

/// As much of the data as can be read without its compression, at most [`MAX_RECORD_BYTES`]: to say what is lost of data that
/// [`decompress`] refuses. It may be damaged, so nothing in it counts as an event.
pub(crate) fn beginning(data: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Vec::new();
    let mut read = |decoder: &mut dyn Read| drop(decoder.take(MAX_RECORD_BYTES as u64).read_to_end(&mut plain));
    match Form::of(data) {
        Form::Plain => return Cow::Borrowed(&data[..data.len().min(MAX_RECORD_BYTES)]),
        Form::Gzip => read(&mut Gunzip::new(data)),
        Form::Zstd => {
            if let Ok(mut decoder) = zstd::stream::read::Decoder::with_buffer(data)
                && decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).is_ok()
            {
                read(&mut decoder);
            }
        }
        Form::Kpl => {}
    }
    Cow::Owned(plain)
}

/// Reads one byte more than is allowed at most, so that a bomb costs no more than an honest record.
fn read_bounded(form: Form, decoder: impl Read) -> Result<Vec<u8>, RecordError> {
    let mut plain = Vec::new();
    decoder.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut plain).map_err(|error| corrupt(form, &error))?;
    if plain.len() > MAX_RECORD_BYTES { Err(RecordError::TooLarge) } else { Ok(plain) }
}

fn corrupt(form: Form, error: &io::Error) -> RecordError {
    RecordError::Corrupt { form: form.name(), detail: error.to_string() }
}

/// Bytes of an event's line beside its objects, about.
const LINE_BYTES: usize = 256;

/// The event as one line of JSON. Validated again, it gives the same event, unless the policy for addresses took
/// away an address that the wire requires.
pub fn to_json(event: &Event<'_>) -> String {
    let mut line = Vec::with_capacity(LINE_BYTES + event.event_data.as_str().len() + event.metadata.as_str().len());
    line.push(b'{');
    write_fields(&mut line, event);
    line.push(b'}');
    String::from_utf8(line).expect("it was put together of texts")
}

/// Appends the event's fields as JSON, without the braces around them: the log puts a field of its own first.
pub fn write_fields(line: &mut Vec<u8>, event: &Event<'_>) {
    let texts = [
        ("\"eventId\":", Some(&*event.id)),
        (",\"userId\":", Some(&*event.user_id)),
        (",\"sessionId\":", event.session_id.as_deref()),
        (",\"eventType\":", Some(event.event_type.as_str())),
    ];
    for (name, value) in texts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        line.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut *line, value).expect("a text is JSON, and memory takes all");
    }
    if let Some(account_id) = &event.account_id {
        line.extend_from_slice(b",\"accountId\":");
        serde_json::to_writer(&mut *line, account_id).expect("a text is JSON, and memory takes all");
    }
    line.extend_from_slice(b",\"timestamp\":");
    line.extend_from_slice(event.timestamp_ms.to_string().as_bytes());
    if event.counted_ms != event.timestamp_ms {
        line.extend_from_slice(b",\"countedAt\":");
        line.extend_from_slice(event.counted_ms.to_string().as_bytes());
    }
    if let Some(priced_by) = &event.priced_by {
        line.extend_from_slice(b",\"pricedBy\":");
        serde_json::to_writer(&mut *line, priced_by).expect("a text is JSON, and memory takes all");
    }
    if !event.event_data.is_empty() {
        line.extend_from_slice(b",\"eventData\":");
        line.extend_from_slice(event.event_data.as_str().as_bytes());
    }
    line.extend_from_slice(b",\"metadata\":");
    line.extend_from_slice(event.metadata.as_str().as_bytes());
}

#[cfg(test)]
mod tests;
