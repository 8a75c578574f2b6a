//! Decompressed data, taken apart into the texts of single events.

use std::fmt;
use std::iter::once;
use std::mem::replace;
use std::ops::Range;

use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::RecordError;
use crate::limits::MAX_EVENTS_PER_RECORD;

/// What stands in an event's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// Text, which may be an event.
    Text(&'a str),
    /// Bytes that are not UTF-8, and so no event.
    NotText(&'a [u8]),
}

/// The texts of the single events, in order. Whether each is an event is for [`crate::validate`] to say.
///
/// A record that begins with `[` is an array, well-formed as a whole, or else one bad event. Other data is one event
/// where it is one JSON value, over however many lines; else, where some line looks like an object of its own, each
/// line that is not blank is an event, and a bad one spoils only itself; else it is one bad event.
///
/// # Errors
/// Nothing is there, or more than [`MAX_EVENTS_PER_RECORD`] events; those are counted all the same.
///
/// ```
/// use headcount_core::wire::{Raw, split};
/// assert_eq!(split(b"[{},\n 7]").unwrap(), [Raw::Text("{}"), Raw::Text("7")]);
/// assert_eq!(split(b"{}\n\n{\"a\":\r\n{}").unwrap(), [Raw::Text("{}"), Raw::Text("{\"a\":"), Raw::Text("{}")]);
/// assert_eq!(split(b"{\n\"a\": {}\n}").unwrap(), [Raw::Text("{\n\"a\": {}\n}")]);
/// ```
pub fn split(data: &[u8]) -> Result<Vec<Raw<'_>>, RecordError> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).trim_ascii();
    if data.first() == Some(&b'{') && memchr::memchr(b'\n', data).is_none() {
        // One line is one event, well-formed or not.
        return Ok(vec![raw(data)]);
    }
    let whole = str::from_utf8(data);
    match (data.first(), whole) {
        (None, _) => Err(RecordError::Empty),
        (Some(b'['), Ok(text)) => split_array(text),
        (Some(b'['), Err(_)) => Ok(vec![Raw::NotText(data)]),
        (Some(_), Ok(text)) if serde_json::from_str::<&RawValue>(text).is_ok() => Ok(vec![Raw::Text(text)]),
        (Some(_), text) if lines(data).any(|line| looks_like_an_object(&data[line])) => split_lines(data, text.ok()),
        (Some(_), _) => Ok(vec![raw(data)]),
    }
}

fn raw(bytes: &[u8]) -> Raw<'_> {
    str::from_utf8(bytes).map_or(Raw::NotText(bytes), Raw::Text)
}

/// Where the lines are that are not blank, without the blanks around them.
fn lines(data: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let ends = memchr::memchr_iter(b'\n', data).chain(once(data.len()));
    let mut next = 0;
    let whole = ends.map(move |end| replace(&mut next, end + 1)..end);
    whole.filter_map(|line| {
        let bytes = &data[line.clone()];
        let blanks = bytes.len() - bytes.trim_ascii_start().len();
        let trimmed = bytes.trim_ascii().len();
        (trimmed > 0).then(|| line.start + blanks..line.start + blanks + trimmed)
    })
}

fn looks_like_an_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && line.ends_with(b"}")
}

/// Each line of `data`, which is `text` if it is text as a whole.
fn split_lines<'a>(data: &'a [u8], text: Option<&'a str>) -> Result<Vec<Raw<'a>>, RecordError> {
    let mut raws = Vec::new();
    let mut count = 0;
    for line in lines(data) {
        count += 1;
        if count <= MAX_EVENTS_PER_RECORD {
            let bytes = &data[line.clone()];
            raws.push(text.and_then(|text| text.get(line)).map_or_else(|| raw(bytes), Raw::Text));
        }
    }
    if count > MAX_EVENTS_PER_RECORD { Err(RecordError::TooManyEvents { count: count as u64 }) } else { Ok(raws) }
}

fn split_array(text: &str) -> Result<Vec<Raw<'_>>, RecordError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let items = deserializer.deserialize_seq(Items).and_then(|items| deserializer.end().map(|()| items));
    match items {
        Ok((_, count)) if count > MAX_EVENTS_PER_RECORD => Err(RecordError::TooManyEvents { count: count as u64 }),
        Ok((items, _)) => Ok(items),
        Err(_) => Ok(vec![Raw::Text(text)]),
    }
}

/// Takes the items that a record may hold, and counts the others.
struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = (Vec<Raw<'de>>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_EVENTS_PER_RECORD {
            match array.next_element::<&RawValue>()? {
                Some(item) => items.push(Raw::Text(item.get())),
                None => break,
            }
        }
        let mut count = items.len();
        if count == MAX_EVENTS_PER_RECORD {
            while array.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
        }
        Ok((items, count))
    }
}
