//! The formulas: capacity units an event, pure arithmetic over sizes and rates.
//!
//! Sources of the limits: DynamoDB writes in units of 1 KB and reads in units of 4 KB, half of one where a read need not
//! be consistent; an event source mapping hands over at most 10,000 records and 6 MB. A batch of that size is one entry of
//! the event log.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::event::{Event, EventType, Object};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_follow::ItemOptions;
use headcount_follow::figures::SNAPSHOT_INTERVAL;

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
const REJECTED_OVERHEAD: f64 = 320.0;

/// Bytes that a partial has besides its counters, sketch and sample: keys, numbers, names of attributes.
const PARTIAL_OVERHEAD: usize = 220;

/// Bytes of counters, sketch and sample up to which a partial is written for every batch.
const SMALL_PARTIAL_BYTES: usize = 4 << 10;

/// Units of a checkpoint: each follower writes its own.
const CHECKPOINT_UNITS: f64 = 1.0;

/// Records of one batch, at most.
const MAX_BATCH_RECORDS: f64 = 10_000.0;

/// Bytes of one batch, at most: 6 MB with the records in base64, each in an envelope of about 350 bytes.
const MAX_BATCH_BYTES: f64 = 6.0 * 1_024.0 * 1_024.0;
const ENVELOPE: f64 = 350.0;

/// Users beyond which a source's partial no longer grows.
const SATURATED_USERS: u64 = 150_000;

/// Sessions of a user and day. An assumption; a consumer has been started anew since the last one, or has forgotten.
pub(crate) const SESSIONS_PER_USER: f64 = 1.5;

/// Times of the day at which a partial's size is looked at.
const LOOKS: u32 = 8;

/// Days that the aggregator looks at in each hourly run.
const OPEN_DAYS: f64 = 10.0;

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
}

impl Load {
    /// Events a second in the mean.
    pub(crate) fn rate(&self) -> f64 {
        self.events_per_day / DAY_S
    }

    /// Events of one batch of one source: what the window gathers, up to what a batch may hold.
    pub(crate) fn events_per_batch(&self) -> f64 {
        let by_bytes = (MAX_BATCH_BYTES / (self.event_bytes * 4.0 / 3.0 + ENVELOPE)).floor();
        let gathered = self.rate() / f64::from(self.sources) * self.window_s;
        gathered.min(MAX_BATCH_RECORDS).min(by_bytes).max(1.0)
    }

    /// Batches a day, all sources together.
    pub(crate) fn batches_per_day(&self) -> f64 {
        self.events_per_day / self.events_per_batch()
    }

    /// Shards that the peak needs: each takes 1,000 records and 1 MB a second.
    pub(crate) fn shards_needed(&self) -> u32 {
        let peak = self.rate() * self.peak;
        (peak / 1_000.0).max(peak * self.event_bytes / 1_000_000.0).ceil().max(1.0) as u32
    }

    /// Events between two writes of a source's partial, once it is large.
    pub(crate) fn events_per_snapshot(&self) -> f64 {
        let gathered = self.rate() / f64::from(self.sources) * SNAPSHOT_INTERVAL.as_secs_f64();
        gathered.max(self.events_per_batch())
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

/// Units of one eventually consistent read.
fn cheap_read_units(bytes: f64) -> f64 {
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
    /// Writes: its share of the followers' checkpoints.
    pub(crate) checkpoint: f64,
    /// Writes: profiles of new users, and their copies.
    pub(crate) new_users: f64,
    /// Writes: what broke a rule.
    pub(crate) rejected: f64,
    /// Reads: whether users are known.
    pub(crate) first_sight: f64,
    /// Reads: the hourly roll-up.
    pub(crate) roll_up: f64,
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
        let partials_read = f64::from(load.sources) * OPEN_DAYS * 24.0 * partials.units * WRITE_UNIT / READ_UNIT;
        Self {
            event_item: items * write_units(item),
            index_copy: copies * write_units(INDEX_COPY),
            partial: partials.per_event,
            checkpoint: partials.checkpoints_per_event + CHECKPOINT_UNITS / load.events_per_batch(),
            new_users: load.new_users * 2.0,
            rejected: load.invalid * write_units(load.event_bytes + REJECTED_OVERHEAD),
            first_sight: looked_up * cheap_read_units(ITEM_OVERHEAD),
            roll_up: partials_read / load.events_per_day,
        }
    }

    /// All writes.
    pub(crate) fn writes(&self) -> f64 {
        self.event_item + self.index_copy + self.partial + self.checkpoint + self.new_users + self.rejected
    }

    /// All reads.
    pub(crate) fn reads(&self) -> f64 {
        self.first_sight + self.roll_up
    }
}

/// What a source's partial costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Partials {
    /// Units of one write.
    pub(crate) units: f64,
    /// Units of its writes, an event.
    pub(crate) per_event: f64,
    /// Units of the checkpoint that is written with it, an event.
    pub(crate) checkpoints_per_event: f64,
}

impl Partials {
    /// In the mean of a day: a partial grows until its sketch is dense and its sample full.
    pub(crate) fn of_day(load: &Load) -> Self {
        let of_source = (load.users / f64::from(load.sources)).ceil().max(1.0) as u64;
        let mut growing = Growing::new(load.precision);
        let mut mean = Self::default();
        for look in 1..=LOOKS {
            growing.grow_to((of_source * u64::from(look) / u64::from(LOOKS)).max(1));
            let now = Self::of_bytes(load, growing.bytes());
            mean.units += now.units / f64::from(LOOKS);
            mean.per_event += now.per_event / f64::from(LOOKS);
            mean.checkpoints_per_event += now.checkpoints_per_event / f64::from(LOOKS);
        }
        mean
    }

    /// While its item has so many bytes.
    pub(crate) fn of_bytes(load: &Load, bytes: usize) -> Self {
        let is_small = bytes <= SMALL_PARTIAL_BYTES + PARTIAL_OVERHEAD;
        let events = if is_small { load.events_per_batch() } else { load.events_per_snapshot() };
        let units = write_units(bytes as f64);
        Self { units, per_event: units / events, checkpoints_per_event: CHECKPOINT_UNITS / events }
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
        let record = self.partial.encode();
        PARTIAL_OVERHEAD + record.counters.len() + record.users.len() + record.sessions.len()
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
        session_id: format!("session-{user}-0").into(),
        event_type: EventType::from_stored(kind),
        timestamp_ms: START_MS + (user % 24) as i64 * 3_600_000,
        counted_ms: START_MS + (user % 24) as i64 * 3_600_000,
        event_data: data.into(),
        metadata: metadata.into(),
    }
}
