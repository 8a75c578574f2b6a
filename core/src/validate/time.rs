//! When an event happened.

use chrono::DateTime;
use serde_json::Value;

use super::Rules;
use super::fields::Given;
use crate::event::whole_number;
use crate::limits::DAY_MS;
use crate::rejection::Problems;

/// The last millisecond that fits the 13 digits of an item's key: in the year 2286.
const MAX_TIMESTAMP_MS: i64 = 9_999_999_999_999;

/// Below this, a timestamp was surely meant in seconds: as milliseconds it lies before March 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// The event's time, if it has one that the rules allow.
pub(super) fn resolve(
    timestamp: Given<Value>,
    event_id: &Given<String>,
    arrived_ms: i64,
    rules: &Rules,
    problems: &mut Problems,
) -> Option<i64> {
    let ms = match (timestamp, event_id) {
        // Where the id is wrong, nobody knows whether it would have told the time.
        (Given::Wrong, _) | (Given::Absent, Given::Wrong) => return None,
        (Given::Value(value), _) => parse(&value, problems)?,
        (Given::Absent, Given::Absent) => arrived_ms,
        (Given::Absent, Given::Value(id)) => {
            if let Some(ms) = uuid_v7_ms(id) {
                ms
            } else {
                // By arrival it would get another key at each retry, and count twice.
                problems.add("timestamp", "is required beside an eventId that is no UUIDv7");
                return None;
            }
        }
    };
    check_window(ms, arrived_ms, rules, problems)
}

/// The time that an event tells of itself, whatever else is wrong with it: in its `timestamp`, or else in an `eventId`
/// that is a version 7 UUID. None where it tells none, or one that no event may have.
pub(super) fn told(timestamp: Option<&Value>, event_id: Option<&str>) -> Option<i64> {
    let ms = match timestamp {
        Some(value) => read(value),
        None => event_id.and_then(|id| uuid_v7_ms(id.trim())),
    };
    ms.filter(|ms| (0..=MAX_TIMESTAMP_MS).contains(ms))
}

fn read(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => {
            number.as_i64().or_else(|| whole_number(value).map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)))
        }
        Value::String(text) => of_text(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The time that RFC 3339 text tells.
pub(super) fn of_text(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| time.timestamp_millis())
}

/// Whether the rules allow an event of this time.
pub(super) fn is_in_window(ms: i64, arrived_ms: i64, rules: &Rules) -> bool {
    (0..=MAX_TIMESTAMP_MS).contains(&ms)
        && rules.lateness_ms().is_none_or(|lateness| arrived_ms.saturating_sub(ms) <= lateness)
        && ms.saturating_sub(arrived_ms) <= rules.earliness_ms()
}

fn parse(value: &Value, problems: &mut Problems) -> Option<i64> {
    let parsed = read(value);
    if parsed.is_none() {
        problems.add(
            "timestamp",
            "must be whole milliseconds since 1970 as a number, or RFC 3339 as a string (2026-03-01T12:00:00Z)",
        );
    }
    parsed
}

fn check_window(ms: i64, arrived_ms: i64, rules: &Rules, problems: &mut Problems) -> Option<i64> {
    if is_in_window(ms, arrived_ms, rules) {
        return Some(ms);
    }
    if !(0..=MAX_TIMESTAMP_MS).contains(&ms) {
        problems.add("timestamp", format_args!("must be from 0 to {MAX_TIMESTAMP_MS} milliseconds since 1970"));
        return None;
    }
    let late = rules.lateness_ms().filter(|lateness| arrived_ms.saturating_sub(ms) > *lateness);
    if let Some(lateness) = late {
        let hint = if ms < SECONDS_BELOW { " (it must be in milliseconds, not in seconds)" } else { "" };
        let most = duration(lateness);
        problems.add("timestamp", format_args!("lies more than {most} before the event's arrival{hint}"));
        return None;
    }
    let most = duration(rules.earliness_ms());
    problems.add("timestamp", format_args!("lies more than {most} after the event's arrival"));
    None
}

/// Milliseconds in the largest unit that divides them.
fn duration(ms: i64) -> String {
    let units = [(DAY_MS, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "seconds"), (1, "milliseconds")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms % size == 0 && ms >= *size).unwrap_or((1, "milliseconds"));
    format!("{} {unit}", ms / size)
}

/// The time inside a UUID of version 7: its first 48 bits.
pub(super) fn uuid_v7_ms(id: &str) -> Option<i64> {
    let uuid = uuid::Uuid::try_parse(id).ok()?;
    let is_v7 = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
    is_v7.then(|| (uuid.as_u128() >> 80) as i64)
}
