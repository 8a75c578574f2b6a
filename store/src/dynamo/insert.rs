//! The body of a batched conditional insert, written as the bytes that go over the wire.
//!
//! Statements, parameters and attributes as the SDK has them are some fifty allocations and four maps an event, only to be
//! written out again. An event is nearly the bytes that the table wants.

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::keys::{self, WriteShards};

use super::wire::{push_attribute, push_escaped, push_integer, push_parts};
use crate::rows::EventRow;

/// Bytes that are kept free for a statement: an event of 400 bytes takes about 1,150.
const STATEMENT_BYTES: usize = 1_280;

/// What becomes of the old item where a key exists: it comes back, and with it whose the event is.
const STATEMENT_END: &str = r#""}],"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}"#;

/// The attributes of an event's item that are parameters of its statement, in their order there.
const PARAMETERS: [&str; 9] = ["PK", "SK", "Data", "GSI1PK", "GSI1SK", "TTL", "CreatedAt", "UpdatedAt", "Origin"];

/// The kind of item that an event is.
const ENTITY_TYPE: &str = "AnalyticsEvent";

/// Sort keys have this many digits of time at least.
const TIME_DIGITS: usize = 13;

/// How the insert of one event into `table` begins, as JSON. `INSERT` fails where the key exists.
pub(super) fn opening(table: &str) -> String {
    let mut statement = format!("INSERT INTO \"{}\" VALUE {{'EntityType':'{ENTITY_TYPE}'", table.replace('"', "\"\""));
    for name in PARAMETERS {
        push_parts(&mut statement, [",'", name, "':?"]);
    }
    statement.push('}');
    let mut json = String::from(r#"{"Statement":""#);
    push_escaped(&mut json, &statement);
    json.push_str(r#"","Parameters":[{"S":""#);
    json
}

/// The body that inserts these events, each if its key is free. `opening` is how each insert begins.
pub(super) fn body(opening: &str, events: &[EventRow<'_>]) -> String {
    let mut out = String::with_capacity(events.len() * STATEMENT_BYTES);
    let mut shared = Shared::default();
    for (index, row) in events.iter().enumerate() {
        out.push_str(if index == 0 { r#"{"Statements":["# } else { "," });
        out.push_str(opening);
        shared.renew(row);
        push_parameters(&mut out, row, &shared);
        out.push_str(STATEMENT_END);
    }
    out.push_str("]}");
    out
}

/// What most events of a batch have in common, written once.
#[derive(Default)]
struct Shared {
    date: Option<NaiveDate>,
    /// The prefix of the date's partition keys.
    partition: String,
    stamps: Option<(i64, i64)>,
    /// `TTL`, `CreatedAt` and `UpdatedAt`.
    stamped: String,
    /// The time of the row's event, as sort keys have it.
    time: String,
}

impl Shared {
    fn renew(&mut self, row: &EventRow<'_>) {
        if self.date != Some(row.date) {
            self.date = Some(row.date);
            self.partition = keys::events(row.date);
        }
        if self.stamps != Some((row.expires_s, row.created_ms)) {
            self.stamps = Some((row.expires_s, row.created_ms));
            let (created, expires) = (row.created_ms, row.expires_s);
            self.stamped = format!(r#"{{"N":"{expires}"}},{{"N":"{created}"}},{{"N":"{created}"}}"#);
        }
        self.time.clear();
        push_integer(&mut self.time, row.event.timestamp_ms);
        if self.time.len() < TIME_DIGITS {
            self.time = keys::event_at(row.event.timestamp_ms).split_off(keys::EVENT.len());
        }
    }
}

/// Writes the parameters, from behind the quote that opens the first to before the one that ends the last.
fn push_parameters(out: &mut String, row: &EventRow<'_>, shared: &Shared) {
    let EventRow { event, origin, shards, .. } = row;
    let next = r#""},{"S":""#;
    if *shards == WriteShards::ONE {
        out.push_str(&shared.partition);
    } else {
        out.push_str(&shards.partition(&shared.partition, &event.id));
    }
    push_parts(out, [next, keys::EVENT, &shared.time, "#"]);
    push_escaped(out, &event.id);
    push_data(out, event);
    // Spread as the event itself is: a busy user would be a hot key of the index.
    if *shards == WriteShards::ONE {
        out.push_str(keys::USER);
        push_escaped(out, &event.user_id);
    } else {
        push_escaped(out, &shards.partition(&keys::user(&event.user_id), &event.id));
    }
    push_parts(out, [next, keys::EVENT, &shared.time, "\"},", &shared.stamped, r#",{"S":""#]);
    push_escaped(out, origin.source.as_str());
    push_parts(out, ["#", origin.sequence.as_str(), "#"]);
    push_integer(out, i64::from(origin.index));
}

/// Writes the event itself, the map `Data`, with the end of the parameter before and the beginning of the one behind.
fn push_data(out: &mut String, event: &Event<'_>) {
    out.push_str(r#""},{"M":{"eventId":{"S":""#);
    push_escaped(out, &event.id);
    out.push_str(r#""},"userId":{"S":""#);
    push_escaped(out, &event.user_id);
    out.push_str(r#""},"sessionId":{"S":""#);
    push_escaped(out, &event.session_id);
    out.push_str(r#""},"eventType":{"S":""#);
    push_escaped(out, event.event_type.as_str());
    out.push_str(r#""},"timestamp":{"N":""#);
    push_integer(out, event.timestamp_ms);
    out.push_str(r#""},"metadata":"#);
    push_attribute(out, event.metadata.as_str());
    if !event.event_data.is_empty() {
        out.push_str(r#","eventData":"#);
        push_attribute(out, event.event_data.as_str());
    }
    out.push_str(r#"}},{"S":""#);
}
