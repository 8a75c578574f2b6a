//! Decompressed data, taken apart into the texts of single events.

use std::fmt;
use std::iter::once;
use std::mem::replace;
use std::ops::Range;

use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::RecordError;
use super::elements::Elements;
use crate::limits::MAX_EVENTS_PER_RECORD;

/// What stands in an event's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// Text, which may be an event.
    Text(&'a str),
    /// Bytes that are not UTF-8, and so no event.
    NotText(&'a [u8]),
}

/// Data that is taken apart as far as it can be without reading every line of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parts<'a> {
    /// The elements.
    Elements(Vec<Raw<'a>>),
    /// Lines. One that is no valid event may still hold several: see [`elements_of_line`].
    Lines(Vec<Raw<'a>>),
}

/// The texts of the single events, in order. Whether each is an event is for [`crate::validate`] to say.
///
/// A well-formed array is its elements, and one JSON value over however many lines is one event. Data whose lines are objects
/// is its lines. All else is taken apart as well as it can be: concatenated objects, arrays one after the other,
/// arrays with a damaged element or without an end. A bad element spoils only itself.
///
/// # Errors
/// Nothing is there, or more than [`MAX_EVENTS_PER_RECORD`] events; those are counted all the same.
///
/// ```
/// use headcount_core::wire::{Raw, split};
/// assert_eq!(split(b"[{},\n 7]").unwrap(), [Raw::Text("{}"), Raw::Text("7")]);
/// assert_eq!(split(b"{}\n\n{\"a\":\r\n{}").unwrap(), [Raw::Text("{}"), Raw::Text("{\"a\":"), Raw::Text("{}")]);
/// assert_eq!(split(b"{\n\"a\": {}\n}").unwrap(), [Raw::Text("{\n\"a\": {}\n}")]);
/// assert_eq!(split(b"{} {}").unwrap(), [Raw::Text("{}"), Raw::Text("{}")]);
/// ```
pub fn split(data: &[u8]) -> Result<Vec<Raw<'_>>, RecordError> {
    let lines = match take_apart(data)? {
        Parts::Elements(elements) => return Ok(elements),
        Parts::Lines(lines) => lines,
    };
    let mut raws = Vec::with_capacity(lines.len());
    for line in lines {
        match elements_of_line(&line) {
            Some(elements) => raws.extend(elements),
            None => raws.push(line),
        }
    }
    bounded(raws)
}

/// As [`split`], but lines are left as they are.
pub(crate) fn take_apart(data: &[u8]) -> Result<Parts<'_>, RecordError> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).trim_ascii();
    let Some(first) = data.first() else { return Err(RecordError::Empty) };
    if *first == b'{' && memchr::memchr(b'\n', data).is_none() {
        return Ok(Parts::Lines(vec![raw(data)]));
    }
    let text = str::from_utf8(data).ok();
    if *first == b'[' {
        return match text.and_then(split_array) {
            Some(elements) => elements.map(Parts::Elements),
            None => bounded(elements(data)).map(Parts::Elements),
        };
    }
    if let Some(text) = text
        && serde_json::from_str::<&RawValue>(text).is_ok()
    {
        return Ok(Parts::Elements(vec![Raw::Text(text)]));
    }
    if has_an_object_a_line(data) {
        return split_lines(data, text).map(Parts::Lines);
    }
    bounded(elements(data)).map(Parts::Elements)
}

/// What a line holds that is not one JSON value; `None` where it is one.
pub(crate) fn elements_of_line<'a>(line: &Raw<'a>) -> Option<Vec<Raw<'a>>> {
    match *line {
        Raw::Text(text) if text.starts_with('[') => match split_array(text) {
            Some(Ok(elements)) => Some(elements),
            // Counted all the same.
            Some(Err(_)) | None => Some(elements(text.as_bytes())),
        },
        Raw::Text(text) if serde_json::from_str::<&RawValue>(text).is_ok() => None,
        Raw::Text(text) => Some(elements(text.as_bytes())),
        Raw::NotText(bytes) => Some(elements(bytes)),
    }
}

/// The elements of data that is not well-formed as a whole. Without an object among them, the data is one bad element: the rest
/// of a line that was torn, for one.
fn elements(data: &[u8]) -> Vec<Raw<'_>> {
    let ranges: Vec<_> = Elements::of(data).collect();
    if ranges.iter().any(|range| data[range.start] == b'{') {
        ranges.into_iter().map(|range| raw(&data[range])).collect()
    } else {
        vec![raw(data)]
    }
}

fn bounded(raws: Vec<Raw<'_>>) -> Result<Vec<Raw<'_>>, RecordError> {
    let count = raws.len() as u64;
    if raws.len() > MAX_EVENTS_PER_RECORD { Err(RecordError::TooManyEvents { count }) } else { Ok(raws) }
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

/// Whether the data is lines, at least one of them an object. An object that is printed over several lines has some that are
/// nothing but brackets.
fn has_an_object_a_line(data: &[u8]) -> bool {
    let is_object = |line: &[u8]| line.starts_with(b"{") && line.ends_with(b"}");
    if lines(data).next().is_some_and(|line| is_object(&data[line])) {
        return true;
    }
    let mut has_object = false;
    for line in lines(data) {
        let line = &data[line];
        has_object |= is_object(line);
        if matches!(line, b"{" | b"[" | b"}" | b"]" | b"}," | b"]," | b"[{" | b"}]" | b"}, {") {
            return false;
        }
    }
    has_object
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

/// The items of an array; `None` where it is not well-formed as a whole.
fn split_array(text: &str) -> Option<Result<Vec<Raw<'_>>, RecordError>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let items = deserializer.deserialize_seq(Items).and_then(|items| deserializer.end().map(|()| items));
    let (items, count) = items.ok()?;
    Some(if count > MAX_EVENTS_PER_RECORD {
        Err(RecordError::TooManyEvents { count: count as u64 })
    } else {
        Ok(items)
    })
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
