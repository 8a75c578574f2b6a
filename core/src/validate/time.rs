//! When an event happened, and when it counts.

use chrono::DateTime;
use serde_json::Value;

use super::Rules;
use super::fields::Given;
use crate::limits::{DAY_MS, MAX_EARLINESS_MS};
use crate::rejection::Problems;

/// The first millisecond that an event may have: of the year 2000. What lies before is seconds, or a clock that was never set.
const MIN_TIMESTAMP_MS: i64 = 946_684_800_000;

/// The last millisecond that fits the 13 digits of an item's key: in the year 2286.
const MAX_TIMESTAMP_MS: i64 = 9_999_999_999_999;

/// Milliseconds that a correction of a clock is a multiple of: a quarter of an hour, so that a request that is sent again a
/// moment later is corrected by the same.
const CORRECTION_MS: i64 = 15 * 60 * 1_000;

/// Milliseconds that an event may claim to lie behind the moment when it was sent: two readings of one clock.
const MAX_SENT_BEFORE_MS: i64 = 1_000;

/// The problem of a timestamp that has neither form.
const FORMS: &str = "must be milliseconds since 1970 as a number, or RFC 3339 as a string (2026-03-01T12:00:00Z)";

/// When an event happened as its sender's clock had it, and when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) timestamp_ms: i64,
    pub(super) counted_ms: i64,
}

/// What an event says of its time.
pub(super) struct Said<'a> {
    pub(super) timestamp: Given<Value>,
    pub(super) event_id: &'a Given<String>,
    pub(super) sent_at: Given<Value>,
    pub(super) counted_at: Given<Value>,
}

/// The event's times, if it has ones that the rules allow; whether `sentAt` or `countedAt` had to be passed over.
pub(super) fn resolve(
    said: Said<'_>,
    arrived_ms: i64,
    rules: &Rules,
    problems: &mut Problems,
) -> (Option<Times>, bool) {
    let timestamp_ms = match (said.timestamp, said.event_id) {
        // Where the id is wrong, nobody knows whether it would have told the time.
        (Given::Wrong, _) | (Given::Absent, Given::Wrong) => None,
        (Given::Value(value), _) => match read(&value) {
            Ok(ms) => Some(ms),
            Err(problem) => {
                problems.add("timestamp", problem);
                None
            }
        },
        // No clock but ours.
        (Given::Absent, Given::Absent) => {
            return (Some(Times { timestamp_ms: arrived_ms, counted_ms: arrived_ms }), false);
        }
        (Given::Absent, Given::Value(id)) => {
            let ms = uuid_v7_ms(id);
            if ms.is_none() {
                // By arrival it would get another key at each retry, and count twice.
                problems.add("timestamp", "is required beside an eventId that is no UUIDv7");
            }
            ms
        }
    };
    let Some(timestamp_ms) = timestamp_ms else { return (None, false) };
    let (counted_ms, is_passed_over) = match (said.counted_at, said.sent_at) {
        (Given::Value(value), _) => (read(&value).ok(), true),
        (_, Given::Value(value)) => {
            (read(&value).ok().and_then(|sent_ms| corrected(timestamp_ms, sent_ms, arrived_ms, rules)), true)
        }
        _ => (None, false),
    };
    let is_passed_over = is_passed_over && counted_ms.is_none();
    let times = Times { timestamp_ms, counted_ms: counted_ms.unwrap_or(timestamp_ms) };
    (check_window(times, arrived_ms, rules, problems), is_passed_over)
}

/// The time at which an event counts whose sender said by its own clock when it sent it. None where that says nothing: before
/// the event happened. History has no arrival to compare with, so what was sent long ago is not corrected.
fn corrected(timestamp_ms: i64, sent_ms: i64, arrived_ms: i64, rules: &Rules) -> Option<i64> {
    if timestamp_ms - sent_ms > MAX_SENT_BEFORE_MS {
        return None;
    }
    let offset = arrived_ms - sent_ms;
    if rules.lateness_ms().is_none() || offset.abs() <= MAX_EARLINESS_MS {
        return Some(timestamp_ms);
    }
    let quarters = (offset + CORRECTION_MS / 2).div_euclid(CORRECTION_MS);
    Some(timestamp_ms + quarters * CORRECTION_MS)
}

/// The time that an event tells of itself, whatever else is wrong with it: in its `timestamp`, or else in an `eventId`
/// that is a version 7 UUID. None where it tells none, or one that no event may have.
pub(super) fn told(timestamp: Option<&Value>, event_id: Option<&str>) -> Option<i64> {
    let ms = match timestamp {
        Some(value) => read(value).ok(),
        None => event_id.and_then(|id| uuid_v7_ms(id.trim())),
    };
    ms.filter(|ms| is_plausible(*ms))
}

/// The milliseconds that a value tells, or what is wrong with it.
fn read(value: &Value) -> Result<i64, String> {
    match value {
        Value::Number(number) => {
            let ms = number.as_i64().map_or_else(|| number.as_f64().unwrap_or(f64::MAX), |ms| ms as f64);
            match unit_of(ms) {
                None => Ok(number.as_i64().unwrap_or(ms.floor() as i64)),
                Some(problem) => Err(problem),
            }
        }
        Value::String(text) => match of_text(text) {
            Some(ms) => Ok(ms),
            None => Err(hint(text.trim())),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(FORMS.to_owned()),
    }
}

/// What is wrong with a number of milliseconds that no event may have; nothing where one may.
fn unit_of(ms: f64) -> Option<String> {
    let is_plausible = |ms: f64| (MIN_TIMESTAMP_MS as f64..=MAX_TIMESTAMP_MS as f64).contains(&ms);
    if is_plausible(ms.floor()) {
        return None;
    }
    for (unit, to_ms) in [("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)] {
        if is_plausible(ms * to_ms) {
            return Some(format!("is in {unit}: it must be in milliseconds since 1970"));
        }
    }
    Some("must be a time from the year 2000 to 2286, in milliseconds since 1970".to_owned())
}

/// What is wrong with a text that tells no time.
fn hint(text: &str) -> String {
    let is_date =
        |text: &str| text.len() >= 10 && text.as_bytes()[..10].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        "is a number in quotes: write milliseconds since 1970 without them".to_owned()
    } else if is_date(text) && of_text(&format!("{text}Z")).is_some() {
        "names no time zone: add Z for UTC, or an offset (2026-03-01T12:00:00+01:00)".to_owned()
    } else if is_date(text) && text.len() == 10 {
        "is a date without a time of day: write it as 2026-03-01T12:00:00Z".to_owned()
    } else {
        FORMS.to_owned()
    }
}

/// The time that RFC 3339 text tells, or text that differs from it without leaving a doubt: a blank for the `T`, an offset
/// without its colon or its minutes.
pub(super) fn of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let parsed = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&by_the_rules(text)));
    // A leap second is more likely a mistake: there was none since 2016.
    let parsed = parsed.ok().filter(|time| time.timestamp_subsec_nanos() < 1_000_000_000);
    parsed.map(|time| time.timestamp_millis())
}

fn by_the_rules(text: &str) -> String {
    let mut text = text.replacen(' ', "T", 1);
    // The sign of an offset lies behind the date's hyphens.
    let sign = text.char_indices().skip(10).find(|(_, c)| matches!(c, '+' | '-')).map(|(at, _)| at);
    if let Some(sign) = sign {
        let digits = &text[sign + 1..];
        match (digits.len(), digits.bytes().all(|byte| byte.is_ascii_digit())) {
            (2, true) => text.push_str(":00"),
            (4, true) => text.insert(sign + 3, ':'),
            _ => {}
        }
    }
    text
}

fn is_plausible(ms: i64) -> bool {
    (MIN_TIMESTAMP_MS..=MAX_TIMESTAMP_MS).contains(&ms)
}

/// Whether the rules allow an event of this time.
pub(super) fn is_in_window(ms: i64, arrived_ms: i64, rules: &Rules) -> bool {
    is_plausible(ms)
        && rules.lateness_ms().is_none_or(|lateness| arrived_ms.saturating_sub(ms) <= lateness)
        && ms.saturating_sub(arrived_ms) <= rules.earliness_ms()
}

fn check_window(times: Times, arrived_ms: i64, rules: &Rules, problems: &mut Problems) -> Option<Times> {
    let ms = times.counted_ms;
    if is_plausible(times.timestamp_ms) && is_in_window(ms, arrived_ms, rules) {
        return Some(times);
    }
    if let Some(problem) = unit_of(times.timestamp_ms as f64).or_else(|| unit_of(ms as f64)) {
        problems.add("timestamp", problem);
        return None;
    }
    let late = rules.lateness_ms().filter(|lateness| arrived_ms.saturating_sub(ms) > *lateness);
    if let Some(lateness) = late {
        problems.add("timestamp", format_args!("lies more than {} before the event's arrival", duration(lateness)));
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
