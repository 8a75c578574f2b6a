//! The body of a batched conditional insert, written as the bytes that go over the wire.
//!
//! Statements, parameters and attributes as the SDK has them are a dozen allocations and two maps an event, only to be
//! written out again. The event is nearly the bytes that the table wants.

use std::fmt::Write as _;

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::keys::{self, WriteShards};

use super::wire::{push_attribute, push_escaped, push_parts};
use crate::rows::EventRow;

/// Bytes that are kept free for a statement: an event of 400 bytes takes about 1,000.
const STATEMENT_BYTES: usize = 1_280;

/// What becomes of the old item where a key exists: it comes back, and with it whose the event is.
const STATEMENT_END: &str = r#"],"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}"#;

/// The attributes of an event's item that are parameters of its statement, in their order there.
const PARAMETERS: [&str; 9] = ["PK", "SK", "Data", "GSI1PK", "GSI1SK", "TTL", "CreatedAt", "UpdatedAt", "Origin"];

/// The kind of item that an event is.
const ENTITY_TYPE: &str = "AnalyticsEvent";

/// How the insert of one event into `table` begins, as JSON. `INSERT` fails where the key exists.
pub(super) fn opening(table: &str) -> String {
    let mut statement = format!("INSERT INTO \"{}\" VALUE {{'EntityType':'{ENTITY_TYPE}'", table.replace('"', "\"\""));
    for name in PARAMETERS {
        push_parts(&mut statement, [",'", name, "':?"]);
    }
    statement.push('}');
    let mut json = String::from(r#"{"Statement":""#);
    push_escaped(&mut json, &statement);
    json.push_str(r#"","Parameters":["#);
    json
}

/// The body that inserts these events, each if its key is free.
pub(super) fn body(opening: &str, events: &[EventRow<'_>]) -> String {
    let mut out = String::with_capacity(events.len() * STATEMENT_BYTES);
    out.push_str(r#"{"Statements":["#);
    let mut partition: Option<Partition> = None;
    for (index, row) in events.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let partition = match &mut partition {
            Some(known) if known.date == row.date => known,
            other => other.insert(Partition { date: row.date, prefix: keys::events(row.date) }),
        };
        out.push_str(opening);
        push_parameters(&mut out, row, &partition.prefix);
        out.push_str(STATEMENT_END);
    }
    out.push_str("]}");
    out
}

/// The prefix of a date's partition keys, which most events of a batch share.
struct Partition {
    date: NaiveDate,
    prefix: String,
}

fn push_parameters(out: &mut String, row: &EventRow<'_>, prefix: &str) {
    let EventRow { event, origin, shards, .. } = row;
    let at = keys::event_at(event.timestamp_ms);
    out.push_str(r#"{"S":""#);
    push_spread(out, prefix, *shards, &event.id);
    push_parts(out, [r#""},{"S":""#, &at, "#"]);
    push_escaped(out, &event.id);
    out.push_str(r#""},"#);
    push_data(out, event);
    // Spread as the event itself is: a busy user would be a hot key of the index.
    out.push_str(r#",{"S":""#);
    push_spread(out, &keys::user(&event.user_id), *shards, &event.id);
    push_parts(out, [r#""},{"S":""#, &at, r#""},{"N":""#]);
    push_number(out, row.expires_s);
    for _ in ["CreatedAt", "UpdatedAt"] {
        out.push_str(r#""},{"N":""#);
        push_number(out, row.created_ms);
    }
    out.push_str(r#""},{"S":""#);
    push_escaped(out, origin.lane.as_str());
    push_parts(out, ["#", origin.sequence.as_str(), "#"]);
    push_number(out, i64::from(origin.index));
    out.push_str(r#""}"#);
}

/// The event itself, the map `Data`.
fn push_data(out: &mut String, event: &Event<'_>) {
    out.push_str(r#"{"M":{"eventId":{"S":""#);
    push_escaped(out, &event.id);
    out.push_str(r#""},"userId":{"S":""#);
    push_escaped(out, &event.user_id);
    out.push_str(r#""},"sessionId":{"S":""#);
    push_escaped(out, &event.session_id);
    out.push_str(r#""},"eventType":{"S":""#);
    push_escaped(out, event.event_type.as_str());
    out.push_str(r#""},"timestamp":{"N":""#);
    push_number(out, event.timestamp_ms);
    out.push_str(r#""},"metadata":"#);
    push_attribute(out, event.metadata.as_str());
    if !event.event_data.is_empty() {
        out.push_str(r#","eventData":"#);
        push_attribute(out, event.event_data.as_str());
    }
    out.push_str("}}");
}

fn push_spread(out: &mut String, prefix: &str, shards: WriteShards, by: &str) {
    if shards == WriteShards::ONE {
        push_escaped(out, prefix);
    } else {
        push_escaped(out, &shards.partition(prefix, by));
    }
}

fn push_number(out: &mut String, number: i64) {
    // Writing to a string does not fail.
    let _ = write!(out, "{number}");
}
