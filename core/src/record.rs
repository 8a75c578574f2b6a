//! One record's data, decoded: its valid events and its rejected ones. It never fails: whatever the bytes are, the
//! shard goes on.

use std::borrow::Cow;
use std::fmt::Display;

use crate::event::Event;
use crate::ip_policy::IpPolicy;
use crate::limits::{MAX_EVENTS_PER_RECORD, MAX_REJECTED_ITEMS_PER_RECORD};
use crate::rejection::{Payload, Problem, Problems, Rejection};
use crate::validate::{Arrival, Rules, check};
use crate::wire::{
    Opened, Parts, Raw, RecordError, beginning, elements_of_line, kpl, open, split, take_apart, to_json,
};

/// What one record held. Its events borrow from the record's data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodedRecord<'a> {
    /// The valid events, each with its index in the record, in order.
    pub events: Vec<(u32, Event<'a>)>,
    /// What was rejected, each with an index in the record of its own, in order. At most
    /// [`MAX_REJECTED_ITEMS_PER_RECORD`] events, and then one that stands for all others, at the index of the first of
    /// these.
    pub rejections: Vec<(u32, Rejection)>,
    /// Unknown fields that were dropped from the valid events.
    pub unknown_fields: u64,
    /// Properties of the valid events that were mended or dropped, because the table cannot hold them.
    pub mended: u64,
    /// Valid events whose `userId` is a placeholder: they count for no user.
    pub placeholders: u64,
    /// Valid events that do not tell when they happened: they have the time of their arrival.
    pub without_time: u64,
}

/// One record's data, without its compression, or why it is not to be had.
#[derive(Debug)]
pub struct OpenedRecord<'a> {
    data: &'a [u8],
    opened: Result<Opened<'a>, RecordError>,
}

impl<'a> OpenedRecord<'a> {
    /// Opens a record's data.
    pub fn open(data: &'a [u8]) -> Self {
        Self { data, opened: open(data) }
    }

    /// Bytes of the data, decompressed: what decoding it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.opened.as_ref().map_or(self.data.len(), |opened| opened.bytes)
    }

    /// How many events the record holds, valid or not, about: a line that holds several is one.
    pub fn events(&self) -> u64 {
        match self.opened.as_ref().map_err(Clone::clone).and_then(|opened| Ok(pieces(opened)?.len() as u64)) {
            Ok(count) | Err(RecordError::TooManyEvents { count }) => count,
            Err(_) => 1,
        }
    }

    /// Validates and sanitizes what the record holds. What cannot be taken apart is one rejection at index 0.
    ///
    /// ```
    /// use headcount_core::{origin::Source, record::OpenedRecord, validate::{Arrival, Rules}};
    /// let source = Source::shard("events", None, "shardId-000000000000").unwrap();
    /// let arrival = Arrival { source, sequence: 7.into(), arrived_ms: 1_772_323_200_000 };
    /// let opened = OpenedRecord::open(b"hello");
    /// let decoded = opened.decode(&arrival, &Rules::default());
    /// assert_eq!((decoded.events.len(), decoded.rejections.len()), (0, 1));
    /// ```
    pub fn decode(&self, arrival: &Arrival, rules: &Rules) -> DecodedRecord<'_> {
        let opened = match &self.opened {
            Ok(opened) => opened,
            Err(error) => return undecodable(error, self.data, rules.ip_policy()),
        };
        match pieces(opened).and_then(|pieces| validate_all(&pieces, arrival, rules)) {
            Ok(decoded) => decoded,
            Err(error) => {
                // Of several parts no single one is to blame.
                let payload = match &*opened.parts {
                    [Ok(part)] => part,
                    _ => self.data,
                };
                undecodable(&error, payload, rules.ip_policy())
            }
        }
    }
}

/// What stands in an event's place in a record, at an index of its own.
enum Piece<'a> {
    /// What may be an event.
    Raw(Raw<'a>),
    /// A line, which is an event, or else may hold several.
    Line(Raw<'a>),
    /// A part of an aggregated record that cannot be taken apart.
    Spoilt(&'a RecordError, &'a [u8]),
    /// A part of an aggregated record that holds no event.
    Empty,
}

/// The pieces of all parts, in order: an event's index does not depend on what is wrong with those before it.
///
/// # Errors
/// Too many events, and how many; or the only part cannot be taken apart.
fn pieces<'a>(opened: &'a Opened<'a>) -> Result<Vec<Piece<'a>>, RecordError> {
    let is_aggregate = opened.parts.len() != 1;
    let (mut pieces, mut count) = (Vec::new(), 0_u64);
    for part in &opened.parts {
        let plain = match part {
            Ok(plain) => plain,
            Err((error, bytes)) => {
                pieces.push(Piece::Spoilt(error, bytes));
                count += 1;
                continue;
            }
        };
        // Counted to the end, kept as far as they may be.
        match take_apart(plain) {
            Ok(Parts::Elements(elements)) => {
                count += elements.len() as u64;
                if count <= MAX_EVENTS_PER_RECORD as u64 {
                    pieces.extend(elements.into_iter().map(Piece::Raw));
                }
            }
            Ok(Parts::Lines(lines)) => {
                count += lines.len() as u64;
                if count <= MAX_EVENTS_PER_RECORD as u64 {
                    pieces.extend(lines.into_iter().map(Piece::Line));
                }
            }
            Err(RecordError::TooManyEvents { count: more }) => count += more,
            Err(RecordError::Empty) if is_aggregate => {
                pieces.push(Piece::Empty);
                count += 1;
            }
            Err(error) => return Err(error),
        }
    }
    if count > MAX_EVENTS_PER_RECORD as u64 { Err(RecordError::TooManyEvents { count }) } else { Ok(pieces) }
}

/// An event that the table itself refused as invalid, for the reason `detail`, as a rejection.
pub fn refused(event: &Event<'_>, detail: &str, policy: IpPolicy) -> Rejection {
    let mut problems = Problems::default();
    problems.add("", format_args!("the table refused the event: {detail}"));
    Rejection { problems: problems.into_vec(), payload: Payload::of_text(&to_json(event), policy), count: 1 }
}

/// A record that cannot be taken apart, counted as what it is known to hold.
fn undecodable(error: &RecordError, data: &[u8], policy: IpPolicy) -> DecodedRecord<'static> {
    let (count, readable) = match error {
        RecordError::TooManyEvents { count } => (*count, beginning(data)),
        RecordError::TooLarge | RecordError::Corrupt { .. } => {
            let readable = beginning(data);
            (known_events(&readable), readable)
        }
        RecordError::Aggregate { .. } => (kpl::count_records(data), Cow::Borrowed(data)),
        RecordError::Empty | RecordError::Nested { .. } => (1, Cow::Borrowed(data)),
    };
    let payload = if readable.is_empty() { data } else { &readable };
    let rejection =
        Rejection { problems: problem(error).into_vec(), payload: Payload::of_bytes(payload, policy), count };
    DecodedRecord { rejections: vec![(0, rejection)], ..DecodedRecord::default() }
}

/// How many events the readable part of a record holds: at least the one that it was meant to be.
fn known_events(readable: &[u8]) -> u64 {
    match split(readable) {
        Ok(raws) => (raws.len() as u64).max(1),
        Err(RecordError::TooManyEvents { count }) => count,
        Err(_) => 1,
    }
}

/// Validates each piece.
///
/// # Errors
/// Lines that hold several events hold too many in all.
fn validate_all<'a>(pieces: &[Piece<'a>], arrival: &Arrival, rules: &Rules) -> Result<DecodedRecord<'a>, RecordError> {
    let mut validating = Validating { arrival, rules, decoded: DecodedRecord::default(), index: 0, unlisted: None };
    for piece in pieces {
        match piece {
            Piece::Raw(raw) => validating.take(raw),
            Piece::Line(line) => validating.take_line(line),
            Piece::Spoilt(error, bytes) => validating.reject(problem(error), bytes),
            Piece::Empty => validating.reject(problem(&RecordError::Empty), b""),
        }
    }
    if validating.index > MAX_EVENTS_PER_RECORD as u32 {
        return Err(RecordError::TooManyEvents { count: validating.index.into() });
    }
    let Validating { mut decoded, unlisted, .. } = validating;
    if let Some((index, count)) = unlisted {
        decoded.rejections.push((index, summary(count)));
    }
    Ok(decoded)
}

/// A record half decoded.
struct Validating<'a, 'r> {
    arrival: &'r Arrival,
    rules: &'r Rules,
    decoded: DecodedRecord<'a>,
    /// The next piece's.
    index: u32,
    /// Where the rejections begin that are only counted, and how many these are.
    unlisted: Option<(u32, u64)>,
}

impl<'a> Validating<'a, '_> {
    fn take(&mut self, raw: &Raw<'a>) {
        if let Err(problems) = self.check(raw) {
            self.reject(problems, bytes_of(raw));
        }
    }

    /// Only a line that is no valid event is looked at again: it may be an array, or several events.
    fn take_line(&mut self, line: &Raw<'a>) {
        let Err(problems) = self.check(line) else { return };
        match elements_of_line(line) {
            None => self.reject(problems, bytes_of(line)),
            Some(elements) => elements.iter().for_each(|element| self.take(element)),
        }
    }

    fn check(&mut self, raw: &Raw<'a>) -> Result<(), Problems> {
        let Raw::Text(text) = raw else {
            return Err(problem("the event is not valid JSON: its bytes are not UTF-8"));
        };
        let accepted = check(text, self.arrival, self.index, self.rules)?;
        self.decoded.unknown_fields += accepted.unknown_fields;
        self.decoded.mended += accepted.mended;
        self.decoded.placeholders += u64::from(accepted.is_placeholder);
        self.decoded.without_time += u64::from(!accepted.tells_time);
        self.decoded.events.push((self.index, accepted.event));
        self.index += 1;
        Ok(())
    }

    fn reject(&mut self, problems: Problems, payload: &[u8]) {
        let rejections = &mut self.decoded.rejections;
        if rejections.len() < MAX_REJECTED_ITEMS_PER_RECORD {
            let payload = Payload::of_bytes(payload, self.rules.ip_policy());
            rejections.push((self.index, Rejection { problems: problems.into_vec(), payload, count: 1 }));
        } else {
            self.unlisted.get_or_insert((self.index, 0)).1 += 1;
        }
        self.index += 1;
    }
}

fn bytes_of<'a>(raw: &Raw<'a>) -> &'a [u8] {
    match raw {
        Raw::Text(text) => text.as_bytes(),
        Raw::NotText(bytes) => bytes,
    }
}

fn problem(problem: impl Display) -> Problems {
    let mut problems = Problems::default();
    problems.add("", problem);
    problems
}

fn summary(count: u64) -> Rejection {
    let problem = format!(
        "{count} more events of this record are rejected and only counted: the first {MAX_REJECTED_ITEMS_PER_RECORD} \
         are kept with their reasons"
    );
    Rejection { problems: vec![Problem::new("", problem)], payload: Payload::Withheld, count }
}

#[cfg(test)]
mod tests;
