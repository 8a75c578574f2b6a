//! What one source has contributed to one date: a single item, so that one conditional write changes all of it.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::calendar::hour_of;
use crate::counters::{Counters, CountersError};
use crate::event::Event;
use crate::limits::ACCOUNT_SKETCH_PRECISION;
use crate::origin::Source;
use crate::session_sample::{SampleError, SessionSample};
use crate::user_sketch::{SketchError, UserSketch};

/// One source's counters, user sketch and session sample of one date, folded up to an entry of the source's log.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The date.
    pub date: NaiveDate,
    /// The source.
    pub source: Source,
    /// How often it was written; 0 before the first time. It only grows.
    pub version: u64,
    /// The last entry that was folded. Entries up to it are never folded again; 0 before the first.
    pub as_of: u64,
    /// The first entry that had something of this date; 0 before the first.
    pub first: u64,
    /// The counters.
    pub counters: Counters,
    /// The users.
    pub users: UserSketch,
    /// The sessions.
    pub sessions: SessionSample,
    /// The accounts.
    pub accounts: UserSketch,
}

impl Partial {
    /// A source's partial before its first entry.
    ///
    /// # Errors
    ///
    /// [`SketchError::Precision`], where [`UserSketch::new`] does not take `precision`.
    pub fn new(date: NaiveDate, source: Source, precision: u8) -> Result<Self, SketchError> {
        Ok(Self {
            date,
            source,
            version: 0,
            as_of: 0,
            first: 0,
            counters: Counters::default(),
            users: UserSketch::new(precision)?,
            sessions: SessionSample::default(),
            accounts: UserSketch::new(ACCOUNT_SKETCH_PRECISION)?,
        })
    }

    /// Counts one event. The caller moves the partial on by [`Self::advance`] once the whole entry is folded.
    pub fn fold(&mut self, event: &Event<'_>, zone: Tz) {
        self.fold_at(event, hour_of(zone, event.counted_ms));
    }

    /// As [`Self::fold`], with the hour of the reporting zone's clock, 0 to 23.
    pub fn fold_at(&mut self, event: &Event<'_>, hour: usize) {
        self.counters.add_at(event, hour);
        if let Some(user) = event.active_user() {
            self.users.insert(user);
        }
        if let Some(account) = event.active_account() {
            self.accounts.insert(account);
        }
        if let Some(session) = event.session_key() {
            self.sessions.insert_key(session, event.counted_ms);
        }
    }

    /// Notes that `entry` is folded.
    pub fn advance(&mut self, entry: u64) {
        if self.first == 0 {
            self.first = entry;
        }
        self.as_of = self.as_of.max(entry);
    }

    /// The stored form.
    pub fn encode(&mut self) -> PartialRecord {
        let mut record = PartialRecord {
            date: self.date,
            source: self.source.clone(),
            version: self.version,
            as_of: self.as_of,
            first: self.first,
            counters: self.counters.encode(),
            users: self.users.encode(),
            sessions: self.sessions.encode(),
            accounts: self.accounts.encode(),
            checksum: 0,
        };
        record.checksum = record.computed_checksum();
        record
    }

    /// The partial that was stored.
    ///
    /// # Errors
    ///
    /// [`Damaged`]: which of its parts is, and how.
    pub fn decode(record: &PartialRecord) -> Result<Self, Damaged> {
        let partial = Self {
            date: record.date,
            source: record.source.clone(),
            version: record.version,
            as_of: record.as_of,
            first: record.first,
            counters: Counters::decode(&record.counters)?,
            users: UserSketch::decode(&record.users)?,
            sessions: SessionSample::decode(&record.sessions)?,
            accounts: UserSketch::decode(&record.accounts).map_err(Damaged::Accounts)?,
        };
        if record.checksum == record.computed_checksum() { Ok(partial) } else { Err(Damaged::Checksum) }
    }
}

/// A partial as its item carries it: four framed, checksummed blobs beside the plain attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialRecord {
    /// The date.
    pub date: NaiveDate,
    /// The source.
    pub source: Source,
    /// `Version`.
    pub version: u64,
    /// `AsOf`.
    pub as_of: u64,
    /// `First`.
    pub first: u64,
    /// The counters' bytes.
    pub counters: Vec<u8>,
    /// The user sketch's bytes.
    pub users: Vec<u8>,
    /// The session sample's bytes.
    pub sessions: Vec<u8>,
    /// The account sketch's bytes.
    pub accounts: Vec<u8>,
    /// `Checksum` of all of the above.
    pub checksum: u64,
}

impl PartialRecord {
    /// Bytes of its four blobs, which is nearly all of its item.
    pub fn bytes(&self) -> usize {
        self.counters.len() + self.users.len() + self.sessions.len() + self.accounts.len()
    }

    fn computed_checksum(&self) -> u64 {
        let mut hasher = Xxh3::new();
        hasher
            .update(format!("{}/{}/{}/{}/{}", self.date, self.source, self.version, self.as_of, self.first).as_bytes());
        for blob in [&self.counters, &self.users, &self.sessions, &self.accounts] {
            hasher.update(&(blob.len() as u64).to_le_bytes());
            hasher.update(blob);
        }
        hasher.digest()
    }
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
    /// The account sketch.
    #[error("its account sketch is damaged: {0}")]
    Accounts(#[source] SketchError),
    /// The parts are sound, but do not belong together.
    #[error("its checksum does not match its attributes")]
    Checksum,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;
    use crate::frame::FrameError;

    fn folded() -> Partial {
        let mut partial =
            Partial::new("2026-03-01".parse().unwrap(), Source::shard("events", None, "shard").unwrap(), 14).unwrap();
        let event = Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            priced_by: None,
            event_data: crate::json::Json::EMPTY,
            metadata: crate::json::Json::EMPTY,
        };
        partial.fold(&event, Tz::UTC);
        partial.advance(9);
        partial
    }

    #[test]
    fn it_only_moves_on_and_remembers_its_first_entry() {
        let mut partial = folded();
        partial.advance(10);
        partial.advance(2);
        assert_eq!((partial.first, partial.as_of), (9, 10));
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
            session_id: Some("t".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            priced_by: None,
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
    fn who_becomes_known_is_not_active_and_in_no_session() {
        let mut partial = folded();
        let event = Event {
            id: "f".into(),
            user_id: "known".into(),
            session_id: Some("t".into()),
            event_type: EventType::Identify,
            account_id: Some("acme".into()),
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            priced_by: None,
            event_data: crate::json::Json::EMPTY,
            metadata: crate::json::Json::EMPTY,
        };
        assert_eq!((event.user(), event.active_user()), (Some("known"), None));
        partial.fold(&event, Tz::UTC);
        assert_eq!((partial.users.estimate().round(), partial.sessions.sessions()), (1.0, 1.0));
        assert_eq!(partial.accounts.estimate().round().to_bits(), 0f64.to_bits());
        assert_eq!((partial.counters.events, partial.counters.by_type.get("identify")), (2, Some(&1)));
        assert_eq!((partial.counters.without_user, partial.counters.without_session), (0, 1));
    }

    #[test]
    fn the_damaged_part_is_named() {
        type Part = fn(&mut PartialRecord) -> &mut Vec<u8>;
        let parts: [(Part, &str); 4] = [
            (|record| &mut record.counters, "its counters are damaged: "),
            (|record| &mut record.users, "its user sketch is damaged: "),
            (|record| &mut record.sessions, "its session sample is damaged: "),
            (|record| &mut record.accounts, "its account sketch is damaged: "),
        ];
        for (part, says) in parts {
            let mut record = folded().encode();
            if let Some(last) = part(&mut record).last_mut() {
                *last ^= 1;
            }
            let error = Partial::decode(&record).unwrap_err();
            assert_eq!(error.to_string(), format!("{says}{}", FrameError::Checksum));
        }
        let moved = PartialRecord { as_of: 10, ..folded().encode() };
        assert_eq!(Partial::decode(&moved).unwrap_err(), Damaged::Checksum);
    }

    #[test]
    fn a_precision_that_no_sketch_has_is_refused() {
        let source = Source::shard("events", None, "shard").unwrap();
        assert_eq!(Partial::new(chrono::NaiveDate::MIN, source, 30).unwrap_err(), SketchError::Precision(30));
    }
}
