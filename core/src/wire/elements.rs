//! The elements of data that is damaged, or that follow each other without a form: one bad element spoils only itself.
//!
//! Well-formed JSON values are taken as they come. One that is not well-formed ends where its own brackets end, or where the
//! next well-formed object begins that looks like an event, whichever comes first: quotes or brackets that are lost may make
//! it seem longer than it is. An object nested in it does not look like an event: it follows a colon, or lacks an event's names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memchr;
use serde_json::value::RawValue;

use crate::json::end_of_string;

/// How many times the bytes of the data may be looked at in vain: hostile data costs no more than so many records.
const MAX_LOOKS: usize = 16;

/// Names of an event's fields, of which an object needs [`MIN_NAMES`] to be taken for an event within damage.
const NAMES: [&str; 8] =
    ["eventId", "userId", "anonymousId", "sessionId", "eventType", "timestamp", "eventData", "metadata"];

/// Names that tell an event from an object inside one.
const MIN_NAMES: usize = 2;

/// The elements of some bytes, in order: of arrays, however many, or one after the other.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    data: &'a [u8],
    at: usize,
    /// Whether the data ends here. Otherwise more bytes may follow, and an element that is not whole is left for later.
    is_whole: bool,
    /// Bytes that were looked at in vain.
    spent: usize,
    /// Whether the last value that was looked at is not over where the data ends.
    is_open: bool,
}

impl<'a> Elements<'a> {
    /// The elements of data that is complete.
    pub fn of(data: &'a [u8]) -> Self {
        Self { data, at: 0, is_whole: true, spent: 0, is_open: false }
    }

    /// The elements that lie wholly in the beginning of a longer text.
    ///
    /// ```
    /// use headcount_core::wire::Elements;
    /// let text = b"[{\"a\": 1}, {\"b\": 2}, {\"c\"";
    /// let mut elements = Elements::of_beginning(text);
    /// assert_eq!(elements.next(), Some(1..9));
    /// assert_eq!(elements.next(), Some(11..19));
    /// assert_eq!((elements.next(), elements.at()), (None, 21));
    /// ```
    pub fn of_beginning(data: &'a [u8]) -> Self {
        Self { is_whole: false, ..Self::of(data) }
    }

    /// How far the data was taken apart.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The end of the well-formed JSON value at `start`.
    fn value_at(&mut self, start: usize) -> Option<usize> {
        let mut values = serde_json::Deserializer::from_slice(&self.data[start..]).into_iter::<&RawValue>();
        match values.next()? {
            Ok(_) => Some(start + values.byte_offset()),
            Err(error) => {
                self.is_open = error.is_eof();
                self.spent += if error.is_eof() { self.data.len() - start } else { self.bytes_until(start, &error) };
                None
            }
        }
    }

    /// About how many bytes from `start` were read before the error.
    fn bytes_until(&self, start: usize, error: &serde_json::Error) -> usize {
        let mut line = start;
        for _ in 1..error.line() {
            line = memchr(b'\n', &self.data[line..]).map_or(self.data.len(), |end| line + end + 1);
        }
        (line - start) + error.column()
    }

    /// The end of a well-formed value at `start` that is an element: an object, or what stands between separators. At the
    /// beginning of the data other values are more likely the rest of something.
    fn element_at(&mut self, start: usize) -> Option<usize> {
        let before = self.data[..start].trim_ascii_end().last();
        if self.data[start] != b'{' && !matches!(before, Some(b'[' | b',')) {
            return None;
        }
        let end = self.value_at(start)?;
        let is_separate = if let Some(next) = self.data[end..].trim_ascii_start().first() {
            matches!(next, b',' | b']' | b'[' | b'{') || matches!(self.data[end], b'\n' | b'\r')
        } else {
            // A number or a word may go on.
            self.is_open = true;
            self.is_whole
        };
        (self.data[start] == b'{' || is_separate).then_some(end)
    }

    /// The end of the object at `open`, if it looks like an event.
    fn event_at(&mut self, open: usize) -> Option<usize> {
        let end = self.value_at(open)?;
        let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(&self.data[open..end]).ok()?;
        let names = NAMES.into_iter().filter(|name| fields.contains_key(*name)).count();
        if names < MIN_NAMES {
            self.spent += end - open;
        }
        (names >= MIN_NAMES).then_some(end)
    }

    /// The end of the object at `start` by its brackets and quotes alone.
    fn bracketed_at(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        // What must close the brackets that are open.
        let mut closing = Vec::new();
        while let Some(byte) = self.data.get(at) {
            match byte {
                b'"' => {
                    at = end_of_string(self.data, at);
                    continue;
                }
                b'{' => closing.push(b'}'),
                b'[' => closing.push(b']'),
                b'}' | b']' if closing.pop() != Some(*byte) => break,
                _ => {}
            }
            at += 1;
            if closing.is_empty() {
                return Some(at);
            }
        }
        self.spent += at - start;
        None
    }

    /// Where the damaged element at `start` ends.
    fn end_of_damage(&mut self, start: usize) -> usize {
        let budget = MAX_LOOKS.saturating_mul(self.data.len());
        if self.spent > budget {
            return self.data.len();
        }
        let bracketed = if self.data[start] == b'{' { self.bracketed_at(start) } else { None };
        let limit = bracketed.unwrap_or(self.data.len());
        let mut from = start + 1;
        while let Some(open) = memchr(b'{', &self.data[from..limit]).map(|found| from + found) {
            if self.spent > budget {
                break;
            }
            let before = self.data[start..open].trim_ascii_end().last();
            if before != Some(&b':') && self.event_at(open).is_some() {
                return open;
            }
            from = open + 1;
        }
        limit
    }
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    /// Where the next element lies, without what stands between it and its neighbours.
    fn next(&mut self) -> Option<Self::Item> {
        self.at += self.data[self.at..].iter().take_while(|byte| is_between(**byte)).count();
        self.is_open = false;
        let start = self.at;
        if start == self.data.len() {
            return None;
        }
        if let Some(end) = self.element_at(start) {
            self.at = end;
            return Some(start..end);
        }
        if self.is_open && !self.is_whole {
            return None;
        }
        let end = self.end_of_damage(start);
        if end == self.data.len() && !self.is_whole {
            return None;
        }
        self.at = end;
        let element = self.data[start..end].iter().rposition(|byte| !is_between(*byte));
        Some(start..start + element.map_or(end - start, |last| last + 1))
    }
}

/// What may stand between elements: blanks, commas, the brackets of arrays, and the record separator of RFC 7464.
fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | 0x1e)
}

#[cfg(test)]
mod tests;
