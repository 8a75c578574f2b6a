//! One record's data, decoded: its valid events and its rejected ones. It never fails: whatever the bytes are, the
//! shard goes on.

use std::fmt::Display;

use crate::event::Event;
use crate::ip_policy::IpPolicy;
use crate::limits::{MAX_EVENTS_PER_RECORD, MAX_REJECTED_ITEMS_PER_RECORD};
use crate::rejection::{Payload, Problem, Problems, Rejection};
use crate::validate::{Arrival, Rules, check};
use crate::wire::{Opened, Raw, RecordError, open, split, to_json};

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
        match pieces(opened) {
            Ok(pieces) => validate_all(&pieces, arrival, rules),
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
        let raws = match part {
            Ok(plain) => split(plain),
            Err((error, bytes)) => {
                pieces.push(Piece::Spoilt(error, bytes));
                count += 1;
                continue;
            }
        };
        match raws {
            Ok(raws) => {
                count += raws.len() as u64;
                // Counted to the end, kept as far as they may be.
                if count <= MAX_EVENTS_PER_RECORD as u64 {
                    pieces.extend(raws.into_iter().map(Piece::Raw));
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

fn undecodable(error: &RecordError, data: &[u8], policy: IpPolicy) -> DecodedRecord<'static> {
    let count = match error {
        RecordError::TooManyEvents { count } => *count,
        RecordError::Empty
        | RecordError::TooLarge
        | RecordError::Corrupt { .. }
        | RecordError::Nested { .. }
        | RecordError::Aggregate { .. } => 1,
    };
    let problems = problem(error).into_vec();
    let rejection = Rejection { problems, payload: Payload::of_bytes(data, policy), count };
    DecodedRecord { rejections: vec![(0, rejection)], ..DecodedRecord::default() }
}

fn validate_all<'a>(pieces: &[Piece<'a>], arrival: &Arrival, rules: &Rules) -> DecodedRecord<'a> {
    let mut decoded = DecodedRecord::default();
    let mut unlisted: Option<(u32, u64)> = None;
    for (index, piece) in (0..).zip(pieces) {
        let checked = match piece {
            Piece::Raw(Raw::Text(text)) => check(text, arrival, index, rules),
            Piece::Raw(Raw::NotText(_)) => Err(problem("the event is not valid JSON: its bytes are not UTF-8")),
            Piece::Spoilt(error, _) => Err(problem(error)),
            Piece::Empty => Err(problem(&RecordError::Empty)),
        };
        match checked {
            Ok(accepted) => {
                decoded.unknown_fields += accepted.unknown_fields;
                decoded.events.push((index, accepted.event));
            }
            Err(problems) if decoded.rejections.len() < MAX_REJECTED_ITEMS_PER_RECORD => {
                let payload = match piece {
                    Piece::Raw(Raw::Text(text)) => Payload::of_text(text, rules.ip_policy()),
                    Piece::Raw(Raw::NotText(bytes)) | Piece::Spoilt(_, bytes) => {
                        Payload::of_bytes(bytes, rules.ip_policy())
                    }
                    Piece::Empty => Payload::of_text("", rules.ip_policy()),
                };
                decoded.rejections.push((index, Rejection { problems: problems.into_vec(), payload, count: 1 }));
            }
            Err(_) => unlisted.get_or_insert((index, 0)).1 += 1,
        }
    }
    if let Some((index, count)) = unlisted {
        decoded.rejections.push((index, summary(count)));
    }
    decoded
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
