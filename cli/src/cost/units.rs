//! The formulas: capacity units an event, pure arithmetic over sizes and rates.
//!
//! Sources of the limits: DynamoDB writes in units of 1 KB and reads in units of 4 KB, half of one where a read need not
//! be consistent; an event source mapping hands over at most 10,000 records and 6 MB. A batch of that size, one event a record, is
//! one entry of the event log.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::event::{Event, EventType, Object};
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_follow::ItemOptions;
use headcount_follow::figures::{LATE_SNAPSHOT_INTERVAL, MAX_UNWRITTEN_ENTRIES, SNAPSHOT_INTERVAL};
use headcount_follow::items::TAKEN_OVER_AFTER_MS;

use super::stream::Packing;

/// Seconds of a day.
pub(crate) const DAY_S: f64 = 86_400.0;

/// Bytes of a write unit.
const WRITE_UNIT: f64 = 1_024.0;

/// Bytes of a read unit.
const READ_UNIT: f64 = 4_096.0;

/// Bytes that an event's item has besides its JSON: keys, times, names of attributes.
pub(crate) const ITEM_OVERHEAD: f64 = 157.0;

/// Bytes of an event's copy in the index: four keys and their names.
pub(crate) const INDEX_COPY: f64 = 160.0;

/// Bytes that a rejected item has beside its payload: keys, origin, and a reason or two.
const REJECTED_OVERHEAD: f64 = 430.0;

/// Bytes that a partial has besides its counters, sketch and sample: keys, numbers, names of attributes.
const PARTIAL_OVERHEAD: usize = 220;

/// Bytes of counters, sketch and sample up to which a partial is written for every batch.
const SMALL_PARTIAL_BYTES: usize = 4 << 10;

/// Units of a checkpoint: each follower writes its own.
const CHECKPOINT_UNITS: f64 = 1.0;

/// Users beyond which a source's partial no longer grows.
const SATURATED_USERS: u64 = 150_000;

/// Sessions of a user and day. An assumption; a consumer has been started anew since the last one, or has forgotten.
pub(crate) const SESSIONS_PER_USER: f64 = 1.5;

/// Times of the day at which a partial's size is looked at.
const LOOKS: u32 = 8;

/// Days before its arrival that a late event lies, at most; we assume that they are spread evenly.
pub(crate) const LATE_DAYS: f64 = (DEFAULT_LATENESS_MS / DAY_MS) as f64;

/// Seconds that the other late events wait in their producers' queues.
pub(crate) const QUEUED_S: f64 = 300.0;

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Events a day, invalid ones included.
    pub(crate) events_per_day: f64,
    /// Bytes of an event's JSON.
    pub(crate) event_bytes: f64,
    /// Different users a day.
    pub(crate) users: f64,
    /// The share of events that are their user's very first.
    pub(crate) new_users: f64,
    /// The share of events that break a rule.
    pub(crate) invalid: f64,
    /// The share of events that come days late. Where there are some, others come minutes late.
    pub(crate) late: f64,
    /// Seconds that an event waits for company.
    pub(crate) window_s: f64,
    /// Shards, each a source of its own.
    pub(crate) sources: u32,
    /// How many times the mean rate the busiest moment has.
    pub(crate) peak: f64,
    /// The precision of the user sketches.
    pub(crate) precision: u8,
    /// Which items of events are written.
    pub(crate) items: ItemOptions,
    /// How producers put events into records.
    pub(crate) packing: Packing,
}

impl Load {
    /// Events a second in the mean.
    pub(crate) fn rate(&self) -> f64 {
        self.events_per_day / DAY_S
    }

    /// Events a second of one source.
    pub(crate) fn rate_of_source(&self) -> f64 {
        self.rate() / f64::from(self.sources)
    }

    /// Seconds between two batches of a source.
    pub(crate) fn seconds_per_batch(&self) -> f64 {
        self.events_per_batch() / self.rate_of_source()
    }

    /// Batches a day, all sources together.
    pub(crate) fn batches_per_day(&self) -> f64 {
        self.events_per_day / self.events_per_batch()
    }

    /// Events of an entry of the log.
    pub(crate) fn events_per_entry(&self) -> f64 {
        self.events_per_batch() / self.entries_per_batch()
    }

    /// Entries of the log a day, all sources together.
    pub(crate) fn entries_per_day(&self) -> f64 {
        self.batches_per_day() * self.entries_per_batch()
    }

    /// Seconds between two writes of a source's partial, once it is large: it is written with the first batch that comes when its
    /// oldest unwritten entry is old enough. What comes too seldom is written by the aggregator.
    pub(crate) fn snapshot_s(&self) -> f64 {
        let batch = self.seconds_per_batch();
        if batch * 1_000.0 >= TAKEN_OVER_AFTER_MS as f64 {
            return batch;
        }
        ((SNAPSHOT_INTERVAL.as_secs_f64() / batch).ceil() + 1.0) * batch
    }

    /// The same for the partials of past days, which are written together with today's.
    pub(crate) fn late_snapshot_s(&self) -> f64 {
        let (batch, snapshot) = (self.seconds_per_batch(), self.snapshot_s());
        let by_entries = MAX_UNWRITTEN_ENTRIES as f64 / self.entries_per_batch() * batch;
        let by_age = LATE_SNAPSHOT_INTERVAL.as_secs_f64() + batch;
        (by_entries.min(by_age) / snapshot).ceil().max(1.0) * snapshot
    }

    /// Past days that have something among so many events.
    pub(crate) fn late_days(&self, events: f64) -> f64 {
        LATE_DAYS * (1.0 - (1.0 - 1.0 / LATE_DAYS).powf(events * self.late))
    }
}

/// Bytes of an event's item.
pub(crate) fn item_bytes(event_bytes: f64) -> f64 {
    event_bytes + ITEM_OVERHEAD
}

/// Units of one write.
pub(crate) fn write_units(bytes: f64) -> f64 {
    (bytes / WRITE_UNIT).ceil().max(1.0)
}

/// Units of one consistent read.
pub(crate) fn read_units(bytes: f64) -> f64 {
    (bytes / READ_UNIT).ceil().max(1.0)
}

/// Units of one eventually consistent read.
pub(crate) fn cheap_read_units(bytes: f64) -> f64 {
    (bytes / READ_UNIT).ceil().max(1.0) / 2.0
}

/// Capacity units an event, each part for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Units {
    /// Writes: the event's item.
    pub(crate) event_item: f64,
    /// Writes: its copy in the index.
    pub(crate) index_copy: f64,
    /// Writes: its share of the partials, which are rewritten once a minute; for every batch while they are small.
    pub(crate) partial: f64,
    /// Writes: its share of the partials of past days, which late events change.
    pub(crate) late_partial: f64,
    /// Writes: its share of the followers' checkpoints.
    pub(crate) checkpoint: f64,
    /// Writes: profiles of new users, and their copies.
    pub(crate) new_users: f64,
    /// Writes: what broke a rule.
    pub(crate) rejected: f64,
    /// Reads: whether users are known.
    pub(crate) first_sight: f64,
}

impl Units {
    /// Of this load and these partials.
    pub(crate) fn of(load: &Load, partials: Partials) -> Self {
        let valid = 1.0 - load.invalid;
        let item = item_bytes(load.event_bytes);
        let items = if load.items.event_items { valid } else { 0.0 };
        let copies = if load.items.user_index { items } else { 0.0 };
        // Who is new, and who comes back: a consumer that remembers neither looks each up.
        let looked_up = (load.new_users + SESSIONS_PER_USER * load.users / load.events_per_day).min(1.0);
        Self {
            event_item: items * write_units(item),
            index_copy: copies * write_units(INDEX_COPY),
            partial: partials.per_event,
            late_partial: partials.late_per_event,
            checkpoint: partials.checkpoints_per_event + CHECKPOINT_UNITS / load.events_per_batch(),
            new_users: load.new_users * 2.0,
            rejected: load.invalid * write_units(load.event_bytes + REJECTED_OVERHEAD),
            first_sight: looked_up * cheap_read_units(ITEM_OVERHEAD),
        }
    }

    /// All writes.
    pub(crate) fn writes(&self) -> f64 {
        let of_partials = self.partial + self.late_partial + self.checkpoint;
        self.event_item + self.index_copy + of_partials + self.new_users + self.rejected
    }
}

/// What a source's partials cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Partials {
    /// Bytes of a source's partial of a day once the day has ended.
    pub(crate) whole_bytes: f64,
    /// Bytes of the users and sessions of a day, all sources together.
    pub(crate) sketch_bytes: f64,
    /// Bytes of the counters of a source's partial.
    pub(crate) counter_bytes: f64,
    /// Units of the writes of today's, an event.
    pub(crate) per_event: f64,
    /// Units of the writes of past days', an event.
    pub(crate) late_per_event: f64,
    /// Units of the checkpoint that is written with them, an event.
    pub(crate) checkpoints_per_event: f64,
}

impl Partials {
    /// In the mean of a day: a partial grows until its sketch is dense and its sample full.
    pub(crate) fn of_day(load: &Load) -> Self {
        let of_source = (load.users / f64::from(load.sources)).ceil().max(1.0) as u64;
        let mut growing = Growing::new(load.precision);
        let sizes: Vec<usize> = (1..=LOOKS)
            .map(|look| {
                growing.grow_to((of_source * u64::from(look) / u64::from(LOOKS)).max(1));
                growing.bytes()
            })
            .collect();
        let whole = sizes.last().copied().unwrap_or(0);
        growing.grow_to(load.users as u64);
        let (sketch_bytes, counter_bytes) = growing.parts();
        let mut mean = Self { whole_bytes: whole as f64, sketch_bytes, counter_bytes, ..Self::default() };
        for bytes in sizes {
            let now = Self::of_bytes(load, bytes, whole);
            mean.per_event += now.per_event / f64::from(LOOKS);
            mean.late_per_event += now.late_per_event / f64::from(LOOKS);
            mean.checkpoints_per_event += now.checkpoints_per_event / f64::from(LOOKS);
        }
        if load.late > 0.0 {
            // For some minutes after midnight yesterday's is written like today's.
            let writes = QUEUED_S / load.snapshot_s() * f64::from(load.sources);
            mean.late_per_event += writes * write_units(mean.whole_bytes) / load.events_per_day;
        }
        mean
    }

    /// While today's item has so many bytes, and those of past days so many.
    pub(crate) fn of_bytes(load: &Load, bytes: usize, whole: usize) -> Self {
        let is_small = |bytes: f64| bytes <= (SMALL_PARTIAL_BYTES + PARTIAL_OVERHEAD) as f64;
        let of_batch = load.events_per_batch();
        let rate = load.rate_of_source();
        let events = if is_small(bytes as f64) { of_batch } else { rate * load.snapshot_s() };
        let in_batch = load.late_days(of_batch);
        let late_events = if is_small(in_batch * whole as f64) { of_batch } else { rate * load.late_snapshot_s() };
        let late_days = load.late_days(late_events);
        // The checkpoint waits for all of them.
        let checkpoint = if load.late > 0.0 { events.max(late_events) } else { events };
        Self {
            whole_bytes: whole as f64,
            sketch_bytes: whole as f64,
            counter_bytes: 0.0,
            per_event: write_units(bytes as f64) / events,
            late_per_event: late_days * write_units(whole as f64) / late_events,
            checkpoints_per_event: CHECKPOINT_UNITS / checkpoint,
        }
    }
}

/// A source's partial as the day goes on, of users who never were.
pub(crate) struct Growing {
    partial: Partial,
    users: u64,
}

impl Growing {
    /// In the morning.
    pub(crate) fn new(precision: u8) -> Self {
        let date = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap_or_default();
        let source = Source::shard("headcount-events", None, "shardId-000000000000").expect("a stream and a shard");
        let partial = Partial::new(date, source, precision).expect("the precision of a deployment");
        Self { partial, users: 0 }
    }

    /// With so many users, up to where it no longer grows.
    pub(crate) fn grow_to(&mut self, users: u64) {
        let users = users.min(SATURATED_USERS);
        let from = self.users;
        for user in from..users {
            // The counters have all their names after a while, so that few users tell their size.
            if user < 2_000 {
                self.partial.fold(&event(user), Tz::UTC);
            } else {
                self.partial.users.insert(&format!("user-{user}"));
            }
            let at_ms = START_MS + (user * 7_919 % 86_400) as i64 * 1_000;
            let sessions = ((user + 1) as f64 * SESSIONS_PER_USER) as u64 - (user as f64 * SESSIONS_PER_USER) as u64;
            for session in 0..sessions {
                let id = format!("session-{user}-{session}");
                self.partial.sessions.insert(&id, at_ms);
                self.partial.sessions.insert(&id, at_ms + 300_000 + user as i64 % 600 * 1_000);
                // From 2 to 24 events, 13 in the mean: their number takes a few bits of the sample.
                (0..user % 23).for_each(|_| self.partial.sessions.insert(&id, at_ms));
            }
        }
        self.users = self.users.max(users);
    }

    /// Bytes of its item.
    pub(crate) fn bytes(&mut self) -> usize {
        PARTIAL_OVERHEAD + self.partial.encode().bytes()
    }

    /// Bytes of its users and sessions, and of its counters.
    pub(crate) fn parts(&mut self) -> (f64, f64) {
        let record = self.partial.encode();
        ((record.users.len() + record.sessions.len()) as f64, record.counters.len() as f64)
    }

    /// It itself.
    #[cfg(test)]
    pub(crate) fn into_partial(self) -> Partial {
        self.partial
    }
}

/// 2026-03-01.
pub(crate) const START_MS: i64 = 1_772_323_200_000;

/// An event of a user, of a mix that has a dozen names of each kind.
fn event(user: u64) -> Event<'static> {
    let kinds = ["page_view", "feature_use", "content_create", "ai_request", "error"];
    let kind = kinds[(user % 5) as usize];
    let name = |what: &str| serde_json::Value::from(format!("{what}-{}", user / 5 % 12));
    let mut data = Object::new();
    match kind {
        "feature_use" => data.insert("feature".into(), name("feature")),
        "content_create" => data.insert("contentType".into(), name("content")),
        "ai_request" => data.insert("model".into(), name("model")),
        "error" => data.insert("errorType".into(), name("error")),
        _ => None,
    };
    let mut metadata = Object::new();
    metadata.insert("platform".into(), ["web", "ios", "android"][(user % 3) as usize].into());
    Event {
        id: user.to_string().into(),
        user_id: format!("user-{user}").into(),
        session_id: Some(format!("session-{user}-0").into()),
        event_type: EventType::from_stored(kind),
        account_id: None,
        timestamp_ms: START_MS + (user % 24) as i64 * 3_600_000,
        counted_ms: START_MS + (user % 24) as i64 * 3_600_000,
        priced_by: None,
        event_data: data.into(),
        metadata: metadata.into(),
    }
}
