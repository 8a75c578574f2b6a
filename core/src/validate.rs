//! From the text of one event to an accepted [`Event`], or to every rule that it breaks.
//!
//! Of a name that an object repeats, the last value stands, as with most readers of JSON. `null` is as good as
//! absent. Unknown fields at the top are dropped and counted; `v`, `project` and `name` are reserved for later: neither
//! stored nor counted. An `anonymousId` stands in for a `userId` that is not there, is empty or is a placeholder
//! ([`PLACEHOLDER_IDS`]), and means nothing beside any other.
//!
//! Only what is counted or part of a key can cost an event its place. Properties that the table cannot hold are mended or
//! dropped, and counted.

mod fields;
mod glance;
mod ids;
mod mend;
mod parse;
mod rules;
mod scan;
mod time;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{Event, EventType, Object};
use crate::hash::hash128;
use crate::ip_policy::IpPolicy;
use crate::limits::{MAX_EVENT_BYTES, MAX_EVENT_ID_BYTES, MAX_IDENTITY_BYTES};
use crate::origin::{Origin, SequenceNumber, Source};
use crate::rejection::{Payload, Problems, Rejection};
use crate::wire::to_json;

use fields::{Fields, Given};
use scan::Scanned;
use time::Said;

pub use glance::{Glance, glance};
pub use ids::{PLACEHOLDER_IDS, trimmed_id};
pub use mend::mend;
pub use rules::{Rules, RulesError};
pub use scan::scan_stored;

/// Where and when a record arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The source that delivered it.
    pub source: Source,
    /// Its sequence number in that source.
    pub sequence: SequenceNumber,
    /// The stream's approximate arrival time, milliseconds since the epoch.
    pub arrived_ms: i64,
}

impl Arrival {
    /// The origin of the record's event at `index`.
    pub fn origin(&self, index: u32) -> Origin {
        Origin { source: self.source.clone(), sequence: self.sequence.clone(), index }
    }
}

/// A valid event, and what was left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// The event.
    pub event: Event<'a>,
    /// Unknown fields at the top that were dropped.
    pub unknown_fields: u64,
    /// Properties that were mended or dropped, because they cannot be stored as they are.
    pub mended: u64,
    /// Whether its `userId` is a placeholder, so that it counts for no user.
    pub is_placeholder: bool,
    /// Whether it tells when it happened, so that its time is not that of its arrival.
    pub tells_time: bool,
}

/// The names of an event's fields that nobody knows; none where it is no JSON object.
///
/// ```
/// use headcount_core::validate::unknown_fields;
/// assert_eq!(unknown_fields(r#"{"userId": "u", "createdAt": 7}"#), ["createdAt"]);
/// ```
pub fn unknown_fields(text: &str) -> Vec<String> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    fields.into_keys().filter(|name| fields::is_unknown(name)).collect()
}

/// Validates and sanitizes the text of one event, the record's `index`-th from 0.
///
/// # Errors
/// The event breaks a rule: all its problems at once, and its payload.
///
/// ```
/// use headcount_core::{origin::Source, validate::{Arrival, Rules, validate}};
/// let arrival = Arrival {
///     source: Source::shard("events", None, "shardId-000000000000").unwrap(),
///     sequence: 7.into(),
///     arrived_ms: 1_772_323_200_000,
/// };
/// let text = r#"{
///     "userId": "u-1", "sessionId": "s-1", "eventType": "page_view",
///     "metadata": { "userAgent": "curl", "ipAddress": "203.0.113.7", "platform": "web" }
/// }"#;
/// let event = validate(text, &arrival, 0, &Rules::default()).unwrap().event;
/// assert_eq!(event.timestamp_ms, arrival.arrived_ms);
///
/// let rejection = validate(r#"{"userId":" ","eventType":"click"}"#, &arrival, 0, &Rules::default()).unwrap_err();
/// assert_eq!(rejection.problems.len(), 3, "user, type, metadata");
/// ```
pub fn validate<'a>(text: &'a str, arrival: &Arrival, index: u32, rules: &Rules) -> Result<Accepted<'a>, Rejection> {
    check(text, arrival, index, rules).map_err(|problems| Rejection {
        problems: problems.into_vec(),
        payload: Payload::of_text(text, rules.ip_policy()),
        count: 1,
    })
}

/// [`validate`] without the payload, which of thousands of rejected events only some keep.
pub(crate) fn check<'a>(text: &'a str, arrival: &Arrival, index: u32, rules: &Rules) -> Result<Accepted<'a>, Problems> {
    check_text(text, arrival.arrived_ms, rules, || derived_id(&arrival.origin(index)))
}

/// Validates and sanitizes the text of one event before it is sent: what [`validate`] will make of it should it arrive
/// at `now_ms`, milliseconds since the epoch. An event without an `eventId` gets the one that `new_id` makes, and one without
/// `timestamp` and `eventId` the time `now_ms`.
///
/// # Errors
/// The event breaks a rule: all its problems at once.
///
/// ```
/// use headcount_core::validate::{Rules, validate_new};
/// let text = r#"{"userId":"u","sessionId":"s","eventType":"page_view",
///     "metadata":{"userAgent":"curl","ipAddress":"203.0.113.7","platform":"web"}}"#;
/// let event = validate_new(text, 1_772_323_200_000, &Rules::default(), || "e-1".into()).unwrap().event;
/// assert_eq!((&*event.id, event.timestamp_ms), ("e-1", 1_772_323_200_000));
/// ```
pub fn validate_new<'a>(
    text: &'a str,
    now_ms: i64,
    rules: &Rules,
    new_id: impl FnOnce() -> String,
) -> Result<Accepted<'a>, Problems> {
    check_text(text, now_ms, rules, new_id)
}

/// As [`validate_new`], of an event that is no text yet.
///
/// # Errors
/// The event breaks a rule: all its problems at once.
pub fn validate_object(
    object: Object,
    now_ms: i64,
    rules: &Rules,
    new_id: impl FnOnce() -> String,
) -> Result<Accepted<'static>, Problems> {
    check_fields(Fields::new(object, 0), None, now_ms, rules, new_id, Problems::default())
}

fn check_text<'a>(
    text: &'a str,
    arrived_ms: i64,
    rules: &Rules,
    absent_id: impl FnOnce() -> String,
) -> Result<Accepted<'a>, Problems> {
    match scan::scan(text, arrived_ms, rules) {
        Some(scanned) => Ok(accepted(scanned, rules, absent_id)),
        None => check_by_rules(text, arrived_ms, rules, absent_id),
    }
}

fn accepted<'a>(scanned: Scanned<'a>, rules: &Rules, absent_id: impl FnOnce() -> String) -> Accepted<'a> {
    let mut event = Event {
        id: scanned.event_id.map_or_else(|| Cow::Owned(absent_id()), Cow::Borrowed),
        user_id: scanned.user_id,
        session_id: scanned.session_id.map(Cow::Borrowed),
        event_type: scanned.event_type,
        account_id: scanned.account_id.map(Cow::Borrowed),
        timestamp_ms: scanned.timestamp_ms,
        counted_ms: scanned.timestamp_ms,
        priced_by: scanned.priced_by.map(Cow::Borrowed),
        event_data: scanned.event_data,
        metadata: scanned.metadata,
    };
    if let Some(prices) = rules.prices() {
        event.price(prices);
    }
    let (unknown_fields, tells_time) = (scanned.unknown_fields, scanned.tells_time);
    Accepted { event, unknown_fields, mended: 0, is_placeholder: false, tells_time }
}

/// The long way: every field by itself, so that every problem is found.
fn check_by_rules(
    text: &str,
    arrived_ms: i64,
    rules: &Rules,
    absent_id: impl FnOnce() -> String,
) -> Result<Accepted<'static>, Problems> {
    let mut problems = Problems::default();
    let Some((object, mended)) = parse::object(text, &mut problems) else { return Err(problems) };
    check_fields(Fields::new(object, mended), Some(text.len()), arrived_ms, rules, absent_id, problems)
}

/// The rules, of fields that came from a text of so many bytes, if they came from one.
fn check_fields(
    mut fields: Fields,
    text_bytes: Option<usize>,
    arrived_ms: i64,
    rules: &Rules,
    absent_id: impl FnOnce() -> String,
    mut problems: Problems,
) -> Result<Accepted<'static>, Problems> {
    let event_id = fields.identifier("eventId", MAX_EVENT_ID_BYTES, &mut problems);
    let person = fields.person(rules, &mut problems);
    let session_id = match fields.identifier("sessionId", MAX_IDENTITY_BYTES, &mut problems) {
        Given::Value(id) => Some(id),
        Given::Absent | Given::Wrong => None,
    };
    let account_id = fields.account(rules, &mut problems);
    let event_type = event_type(&mut fields, rules, &mut problems);
    let timestamp = fields.take("timestamp");
    let tells_time = !matches!((&timestamp, &event_id), (Given::Absent, Given::Absent));
    let said =
        Said { timestamp, event_id: &event_id, sent_at: fields.take("sentAt"), counted_at: fields.take("countedAt") };
    let (times, is_passed_over) = time::resolve(said, arrived_ms, rules, &mut problems);
    fields.mended += u64::from(is_passed_over);
    let priced_by = fields.priced_by();
    let event_data = fields.data(event_type.as_ref(), &mut problems);
    let metadata = fields.metadata(&mut problems);
    let unknown_fields = fields.unknown();

    let (true, Some(person), Some(event_type), Some(times), Some(mut metadata)) =
        (problems.is_empty(), person, event_type, times, metadata)
    else {
        return Err(problems);
    };
    let id = match event_id {
        Given::Value(id) => id,
        Given::Absent | Given::Wrong => absent_id(),
    };
    apply_ip_policy(rules.ip_policy(), &mut metadata);
    let mut event = Event {
        id: id.into(),
        user_id: person.id.into(),
        session_id: session_id.map(Cow::Owned),
        event_type,
        account_id: account_id.map(Cow::Owned),
        timestamp_ms: times.timestamp_ms,
        counted_ms: times.counted_ms,
        priced_by: priced_by.map(Cow::Owned),
        event_data: event_data.into(),
        metadata: metadata.into(),
    };
    if let Some(prices) = rules.prices() {
        event.price(prices);
    }
    check_size(text_bytes, &event, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (mended, is_placeholder) = (fields.mended, person.is_placeholder);
    Ok(Accepted { event, unknown_fields, mended, is_placeholder, tells_time })
}

/// The id of an event that brings none: of its origin, so that a redelivery derives it again.
fn derived_id(origin: &Origin) -> String {
    format!("{:032x}", hash128(origin.to_string().as_bytes()))
}

fn event_type(fields: &mut Fields, rules: &Rules, problems: &mut Problems) -> Option<EventType> {
    let name = fields.required_text("eventType", problems)?;
    let known = rules.event_type(name.trim());
    if known.is_none() {
        problems.add("eventType", format_args!("must be one of {}", rules.event_type_names()));
    }
    known
}

/// How many times longer than the text of an event its sanitized JSON may be: `1e15` becomes `1000000000000000.0`,
/// and no other spelling grows as much.
const MAX_GROWTH: usize = 5;

/// Bytes of JSON that an event may have beside what its text held: field names, a derived id, a timestamp.
const MAX_ADDED_BYTES: usize = 512;

fn check_size(text_bytes: Option<usize>, event: &Event<'_>, problems: &mut Problems) {
    if text_bytes.is_some_and(|bytes| bytes * MAX_GROWTH + MAX_ADDED_BYTES <= MAX_EVENT_BYTES) {
        return;
    }
    let bytes = to_json(event).len();
    if bytes > MAX_EVENT_BYTES {
        let most = format_args!("the event has {bytes} bytes when sanitized: at most {MAX_EVENT_BYTES} are allowed");
        problems.add("", most);
    }
}

fn apply_ip_policy(policy: IpPolicy, metadata: &mut Object) {
    if policy == IpPolicy::Keep {
        return;
    }
    let stored = metadata.get("ipAddress").and_then(Value::as_str).and_then(|address| policy.apply(address));
    match stored {
        Some(address) => metadata.insert("ipAddress".to_owned(), address.into()),
        None => metadata.remove("ipAddress"),
    };
}

#[cfg(test)]
mod tests;
