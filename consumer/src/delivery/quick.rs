//! The short way to read an invocation: JSON as Lambda writes it, without blanks or escapes.
//!
//! Whatever is out of the ordinary ends it without a verdict, and the long way is gone. Nearly all of an invocation is
//! Base64, and strings that are in every record the same: a record is held against the one before, and only what differs is
//! looked at.

use base64_simd::STANDARD;
use headcount_core::json::plain_until;
use memchr::memchr2;

use super::raw::ArrivedMs;
use super::{Delivered, Gathered};
use crate::batch::BatchError;

/// Bytes within which all but Base64 ends: to look further, many bytes at once are worth their beginning.
const NEAR: usize = 80;

/// Digits of the fraction of an arrival time.
const FRACTION_DIGITS: usize = 3;

/// Digits of the seconds of an arrival time, at most.
const SECONDS_DIGITS: usize = 12;

/// The records, up to one that is none of a mapping; `None` where the long way must be gone.
pub(super) fn read(json: &[u8]) -> Option<Result<Gathered, BatchError>> {
    let mut reader = Reader { json, at: 0, before: Vec::new(), next: 0 };
    let mut gathered = Gathered::default();
    reader.skip(br#"{"Records":["#)?;
    if !reader.has(b']') {
        loop {
            if let Err(error) = gathered.add(reader.record()?) {
                // What follows is perhaps no JSON at all, which would be another error.
                return serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok().then_some(Err(error));
            }
            if reader.has(b']') {
                break;
            }
            reader.skip(b",")?;
        }
    }
    (reader.has(b'}') && reader.at == json.len()).then_some(Ok(gathered))
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    /// The strings of the record before, with their quotes, in order.
    before: Vec<&'a [u8]>,
    /// The string of the record that comes next.
    next: usize,
}

impl<'a> Reader<'a> {
    /// Steps over what must come.
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.json.get(self.at..)?.starts_with(expected).then(|| self.at += expected.len())
    }

    /// Steps over this byte if it comes.
    fn has(&mut self, byte: u8) -> bool {
        let comes = self.json.get(self.at) == Some(&byte);
        self.at += usize::from(comes);
        comes
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let rest = &self.json[self.at..];
        let number = self.next;
        self.next += 1;
        let quoted = match self.before.get_mut(number) {
            Some(same) if rest.starts_with(same) => *same,
            Some(other) => {
                *other = quoted(rest)?;
                *other
            }
            None => {
                self.before.push(quoted(rest)?);
                self.before[number]
            }
        };
        self.at += quoted.len();
        Some(&quoted[1..quoted.len() - 1])
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.string()?).ok()
    }

    /// The name of a field, in front of its value.
    fn name(&mut self) -> Option<&'a [u8]> {
        let name = self.string()?;
        self.skip(b":")?;
        Some(name)
    }

    /// Whether an object goes on behind a value.
    fn goes_on(&mut self) -> Option<bool> {
        if self.has(b'}') {
            return Some(false);
        }
        self.skip(b",")?;
        Some(true)
    }

    fn record(&mut self) -> Option<Delivered<'a>> {
        let (mut stream, mut event_id, mut kinesis) = (None, None, None);
        self.next = 0;
        self.skip(b"{")?;
        loop {
            let is_new = match self.name()? {
                b"kinesis" => kinesis.replace(self.kinesis()?).is_none(),
                b"eventSourceARN" => stream.replace(self.text()?).is_none(),
                b"eventID" => event_id.replace(self.text()?).is_none(),
                _ => self.string().map(|_| true)?,
            };
            if !is_new {
                return None;
            }
            if !self.goes_on()? {
                break;
            }
        }
        let (sequence, arrived, data) = kinesis?;
        Some(Delivered { stream: stream?, event_id: event_id?, sequence, arrived, data })
    }

    fn kinesis(&mut self) -> Option<(&'a str, ArrivedMs, Vec<u8>)> {
        let (mut sequence, mut arrived, mut data) = (None, None, None);
        self.skip(b"{")?;
        loop {
            let is_new = match self.name()? {
                b"sequenceNumber" => sequence.replace(self.text()?).is_none(),
                b"data" => data.replace(STANDARD.decode_to_vec(self.string()?).ok()?).is_none(),
                b"approximateArrivalTimestamp" => arrived.replace(self.arrival()?).is_none(),
                _ => self.string().map(|_| true)?,
            };
            if !is_new {
                return None;
            }
            if !self.goes_on()? {
                break;
            }
        }
        Some((sequence?, arrived?, data?))
    }

    /// Seconds with a fraction.
    fn arrival(&mut self) -> Option<ArrivedMs> {
        if !matches!(self.json.get(self.at), Some(b'1'..=b'9')) {
            return None;
        }
        let (mut ms, _) = self.digits(0, SECONDS_DIGITS)?;
        let mut fraction = 0;
        if self.has(b'.') {
            (ms, fraction) = self.digits(ms, FRACTION_DIGITS)?;
            if fraction == 0 {
                return None;
            }
        }
        let scale = 10_i64.pow((FRACTION_DIGITS - fraction) as u32);
        Some(ArrivedMs(ms * scale))
    }

    /// The number that `before` becomes with the next digits behind it, at most so many, and how many they are.
    fn digits(&mut self, before: i64, most: usize) -> Option<(i64, usize)> {
        let (mut number, from) = (before, self.at);
        while let Some(digit @ b'0'..=b'9') = self.json.get(self.at) {
            number = number * 10 + i64::from(digit - b'0');
            self.at += 1;
            if self.at - from > most {
                return None;
            }
        }
        Some((number, self.at - from))
    }
}

/// The string without escapes that a text begins with, with its quotes.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let near = &text[..text.len().min(NEAR)];
    let end = match plain_until(near, 1) {
        NEAR => NEAR + memchr2(b'"', b'\\', &text[NEAR..])?,
        end => end,
    };
    (text.get(end) == Some(&b'"')).then(|| &text[..=end])
}
