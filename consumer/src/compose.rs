//! What of a chunk becomes an entry: everything that the log does not cover yet.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::origin::SequenceNumber;
use headcount_log::{Content, LoggedRejection};

use crate::chunk::Decoded;
use crate::memory::{EventHash, EventHashes, Memory};

/// The next entry of a source, but for its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// What it holds.
    pub content: Content<'static>,
    /// The identities of its events, for the memory once it is committed.
    pub hashes: EventHashes,
    /// The newest sequence number that it covers.
    pub last: SequenceNumber,
    /// When the newest record that it covers arrived.
    pub arrived_ms: i64,
    /// What was counted on the way.
    pub tally: Tally,
}

/// What became of the records of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that the log covered already.
    pub redelivered: u64,
    /// Events.
    pub events: u64,
    /// Occurrences that were dropped because their event had been appended before.
    pub duplicates: u64,
    /// Occurrences that broke a rule, apart by [`headcount_core::rejection::Rejection::reason`].
    pub rejected: BTreeMap<&'static str, u64>,
    /// Top-level fields that were dropped.
    pub unknown_fields: u64,
}

/// Composes an entry of the records behind `last`; `None` where there are none. Events that the batch repeats, or that the
/// memory knows, are dropped and counted as duplicates.
pub fn compose(records: &[Decoded<'_>], last: Option<&SequenceNumber>, memory: &Memory, zone: Tz) -> Option<Composed> {
    let first_new = records.iter().position(|record| last.is_none_or(|last| record.arrival.sequence > *last))?;
    let (covered, new) = records.split_at(first_new);
    let newest = new.last()?;
    let mut composed = Composed {
        content: Content::default(),
        hashes: EventHashes::default(),
        last: newest.arrival.sequence.clone(),
        arrived_ms: new.iter().map(|record| record.arrival.arrived_ms).max().unwrap_or_default(),
        tally: Tally { redelivered: covered.len() as u64, ..Tally::default() },
    };
    let mut index = 0..;
    for record in new {
        composed.add(record, &mut index, memory, zone);
    }
    Some(composed)
}

impl Composed {
    fn add(&mut self, record: &Decoded<'_>, index: &mut std::ops::RangeFrom<u32>, memory: &Memory, zone: Tz) {
        let Decoded { arrival, content } = record;
        self.tally.unknown_fields += content.unknown_fields;
        for (_, event) in &content.events {
            // Validated times lie near the arrival, which is inside the calendar's range.
            let day = self.content.days.entry(day_of(zone, event.counted_ms).unwrap_or_default()).or_default();
            let hash = EventHash::of(event);
            if memory.knows(hash) || !self.hashes.insert(hash) {
                day.duplicates += 1;
                self.tally.duplicates += 1;
                continue;
            }
            day.events.extend(index.next().map(|index| (index, event.clone().into_owned())));
            self.tally.events += 1;
        }
        for (place, rejection) in &content.rejections {
            let arrival_date = day_of(zone, arrival.arrived_ms).unwrap_or_default();
            self.content.days.entry(arrival_date).or_default().rejected += rejection.count;
            *self.tally.rejected.entry(rejection.reason()).or_default() += rejection.count;
            self.content.rejections.push(LoggedRejection {
                rejection: rejection.clone(),
                origin: arrival.origin(*place),
                arrived_ms: arrival.arrived_ms,
            });
        }
    }
}
