//! The formulas: capacity units an event, pure arithmetic over sizes and rates.
//!
//! Sources of the limits: DynamoDB writes in units of 1 KB and reads in units of 4 KB, half of one where a read need not
//! be consistent; an event source mapping hands over at most 10,000 records and 6 MB.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::event::{Event, EventType, Object};
use headcount_core::origin::{SequenceNumber, Source};
use headcount_core::partial::Partial;

/// Seconds of a day.
pub(crate) const DAY_S: f64 = 86_400.0;

/// Bytes of a write unit.
const WRITE_UNIT: f64 = 1_024.0;

/// Bytes of a read unit.
const READ_UNIT: f64 = 4_096.0;

/// Bytes that an event's item has beside its JSON: keys, origin, times, names of attributes.
pub(crate) const ITEM_OVERHEAD: f64 = 263.0;

/// Bytes of an event's copy in the index: four keys and their names.
pub(crate) const INDEX_COPY: f64 = 160.0;

/// Bytes that a rejected item has beside its payload: keys, origin, and a reason or two.
const REJECTED_OVERHEAD: f64 = 320.0;

/// Bytes that a partial has beside its counters, sketch and sample: keys, fence, names of attributes.
const PARTIAL_OVERHEAD: usize = 220;

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

    /// Write shards that the peak needs: one key takes 1,000 units a second, half of them for safety.
    pub(crate) fn write_shards_needed(&self) -> u32 {
        (self.rate() * self.peak * write_units(item_bytes(self.event_bytes)) / 500.0).ceil().max(1.0) as u32
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
    /// Writes: its share of the partial that each batch rewrites.
    pub(crate) partial: f64,
    /// Writes: profiles of new users, and their copies.
    pub(crate) new_users: f64,
    /// Writes: what broke a rule.
    pub(crate) rejected: f64,
    /// Reads: whether users are known.
    pub(crate) first_sight: f64,
    /// Reads: the hourly roll-up.
    pub(crate) roll_up: f64,
    /// Reads: proving the day at its close.
    pub(crate) verify: f64,
}

impl Units {
    /// Of this load, where rewriting a source's partial costs so many units.
    pub(crate) fn of(load: &Load, partial_units: f64) -> Self {
        let valid = 1.0 - load.invalid;
        let item = item_bytes(load.event_bytes);
        // Who is new, and who comes back: a consumer that remembers neither looks each up.
        let looked_up = (load.new_users + SESSIONS_PER_USER * load.users / load.events_per_day).min(1.0);
        let partials_read = f64::from(load.sources) * OPEN_DAYS * 24.0 * partial_units * WRITE_UNIT / READ_UNIT;
        Self {
            event_item: valid * write_units(item),
            index_copy: valid * write_units(INDEX_COPY),
            partial: partial_units / load.events_per_batch(),
            new_users: load.new_users * 2.0,
            rejected: load.invalid * write_units(load.event_bytes + REJECTED_OVERHEAD),
            first_sight: looked_up * cheap_read_units(ITEM_OVERHEAD),
            roll_up: partials_read / load.events_per_day,
            verify: valid * item / READ_UNIT,
        }
    }

    /// All writes.
    pub(crate) fn writes(&self) -> f64 {
        self.event_item + self.index_copy + self.partial + self.new_users + self.rejected
    }

    /// All reads.
    pub(crate) fn reads(&self) -> f64 {
        self.first_sight + self.roll_up + self.verify
    }
}

/// Units of rewriting a source's partial, in the mean of a day: it grows until its sketch is dense and its sample full.
pub(crate) fn partial_units(load: &Load) -> f64 {
    let of_source = (load.users / f64::from(load.sources)).ceil().max(1.0) as u64;
    let mut growing = Growing::new(load.precision);
    let mut sum = 0.0;
    for look in 1..=LOOKS {
        growing.grow_to((of_source * u64::from(look) / u64::from(LOOKS)).max(1));
        sum += write_units(growing.bytes() as f64);
    }
    sum / f64::from(LOOKS)
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
        let source = Source::new("headcount-events", "shardId-000000000000");
        let mut partial = Partial::new(date, source, precision).expect("the precision of a deployment");
        let longest: SequenceNumber = "4".repeat(56).parse().expect("digits");
        partial.advance(&longest);
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
