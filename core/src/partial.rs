//! What one source has contributed to one date: a single item, so that one conditional write changes all of it.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::counters::{Counters, CountersError};
use crate::event::Event;
use crate::origin::{SequenceNumber, Source};
use crate::session_sample::{SampleError, SessionSample};
use crate::user_sketch::{SketchError, UserSketch};

/// One source's counters, user sketch, session sample and fence of one date.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The date.
    pub date: NaiveDate,
    /// The source.
    pub source: Source,
    /// How often it was written; 0 before the first time. It only grows.
    pub version: u64,
    /// The last record that was folded: the fence. Records at or before it were counted.
    pub last_sequence: Option<SequenceNumber>,
    /// Whether an event was stored behind the fence, so that only a recount counts it.
    pub dirty: bool,
    /// The counters.
    pub counters: Counters,
    /// The users.
    pub users: UserSketch,
    /// The sessions.
    pub sessions: SessionSample,
}

impl Partial {
    /// A source's partial before its first event.
    ///
    /// # Errors
    ///
    /// [`SketchError::Precision`], where [`UserSketch::new`] does not take `precision`.
    pub fn new(date: NaiveDate, source: Source, precision: u8) -> Result<Self, SketchError> {
        Ok(Self {
            date,
            source,
            version: 0,
            last_sequence: None,
            dirty: false,
            counters: Counters::default(),
            users: UserSketch::new(precision)?,
            sessions: SessionSample::default(),
        })
    }

    /// Whether the record was folded already.
    pub fn is_behind_fence(&self, sequence: &SequenceNumber) -> bool {
        self.last_sequence.as_ref().is_some_and(|last| sequence <= last)
    }

    /// Counts one event. The fence is moved by [`Self::advance`], once its whole record was folded.
    pub fn fold(&mut self, event: &Event<'_>, zone: Tz) {
        self.counters.add(event, zone);
        if let Some(user) = event.user() {
            self.users.insert(user);
        }
        self.sessions.insert_key(event.session_key(), event.counted_ms);
    }

    /// Moves the fence to the record, if it is not there yet.
    pub fn advance(&mut self, sequence: &SequenceNumber) {
        if !self.is_behind_fence(sequence) {
            self.last_sequence = Some(sequence.clone());
        }
    }

    /// The stored form.
    pub fn encode(&mut self) -> PartialRecord {
        PartialRecord {
            date: self.date,
            source: self.source.clone(),
            version: self.version,
            last_sequence: self.last_sequence.clone(),
            dirty: self.dirty,
            counters: self.counters.encode(),
            users: self.users.encode(),
            sessions: self.sessions.encode(),
        }
    }

    /// The partial that was stored.
    ///
    /// # Errors
    ///
    /// [`Damaged`]: which of its parts is, and how.
    pub fn decode(record: &PartialRecord) -> Result<Self, Damaged> {
        Ok(Self {
            date: record.date,
            source: record.source.clone(),
            version: record.version,
            last_sequence: record.last_sequence.clone(),
            dirty: record.dirty,
            counters: Counters::decode(&record.counters)?,
            users: UserSketch::decode(&record.users)?,
            sessions: SessionSample::decode(&record.sessions)?,
        })
    }
}

/// A partial as its item carries it: three framed, checksummed blobs beside the plain attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialRecord {
    /// The date.
    pub date: NaiveDate,
    /// The source.
    pub source: Source,
    /// `Version`.
    pub version: u64,
    /// `LastSequence`.
    pub last_sequence: Option<SequenceNumber>,
    /// `Dirty`.
    pub dirty: bool,
    /// The counters' bytes.
    pub counters: Vec<u8>,
    /// The user sketch's bytes.
    pub users: Vec<u8>,
    /// The session sample's bytes.
    pub sessions: Vec<u8>,
}

/// Which part of a partial is damaged, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// The counters.
    #[error("its counters are damaged: {0}")]
    Counters(#[from] CountersError),
    /// The user sketch.
    #[error("its user sketch is damaged: {0}")]
    Users(#[from] SketchError),
    /// The session sample.
    #[error("its session sample is damaged: {0}")]
    Sessions(#[from] SampleError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;
    use crate::frame::FrameError;

    fn folded() -> Partial {
        let mut partial = Partial::new("2026-03-01".parse().unwrap(), Source::new("events", "shard"), 14).unwrap();
        let event = Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: "s".into(),
            event_type: EventType::PageView,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            event_data: crate::json::Json::EMPTY,
            metadata: crate::json::Json::EMPTY,
        };
        partial.fold(&event, Tz::UTC);
        partial.advance(&9u64.into());
        partial
    }

    #[test]
    fn the_fence_is_a_number_and_only_moves_on() {
        let mut partial = folded();
        partial.advance(&10u64.into());
        partial.advance(&2u64.into());
        assert_eq!(partial.last_sequence, Some(10u64.into()));
        assert!(partial.is_behind_fence(&9u64.into()) && partial.is_behind_fence(&10u64.into()));
        assert!(!partial.is_behind_fence(&11u64.into()));
    }

    #[test]
    fn what_is_stored_comes_back() {
        let record = folded().encode();
        let mut read = Partial::decode(&record).unwrap();
        assert_eq!(read.encode(), record);
        assert_eq!((read.counters.events, read.users.estimate().round(), read.sessions.sessions()), (1, 1.0, 1.0));
    }

    #[test]
    fn an_anonymous_event_counts_for_no_user() {
        let mut partial = folded();
        let mut event = Event {
            id: "f".into(),
            user_id: "anonymous:a".into(),
            session_id: "t".into(),
            event_type: EventType::PageView,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            event_data: crate::json::Json::EMPTY,
            metadata: crate::json::Json::EMPTY,
        };
        partial.fold(&event, Tz::UTC);
        assert_eq!(
            (partial.counters.events, partial.users.estimate().round(), partial.sessions.sessions()),
            (2, 1.0, 2.0)
        );
        event.user_id = "anonymous".into();
        partial.fold(&event, Tz::UTC);
        assert_eq!((partial.counters.events, partial.users.estimate().round()), (3, 2.0), "a user of that very name");
    }

    #[test]
    fn the_damaged_part_is_named() {
        type Part = fn(&mut PartialRecord) -> &mut Vec<u8>;
        let parts: [(Part, &str); 3] = [
            (|record| &mut record.counters, "its counters are damaged: "),
            (|record| &mut record.users, "its user sketch is damaged: "),
            (|record| &mut record.sessions, "its session sample is damaged: "),
        ];
        for (part, says) in parts {
            let mut record = folded().encode();
            if let Some(last) = part(&mut record).last_mut() {
                *last ^= 1;
            }
            let error = Partial::decode(&record).unwrap_err();
            assert_eq!(error.to_string(), format!("{says}{}", FrameError::Checksum));
        }
    }

    #[test]
    fn a_precision_that_no_sketch_has_is_refused() {
        let source = Source::new("events", "shard");
        assert_eq!(Partial::new(chrono::NaiveDate::MIN, source, 30).unwrap_err(), SketchError::Precision(30));
    }
}
