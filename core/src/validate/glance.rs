//! What an event says of its identity, whether or not it breaks a rule.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::time::told;

/// What an event says of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Whether it brings an `eventId`.
    pub has_id: bool,
    /// The time that it tells: its `timestamp`, or the time in an `eventId` that is a version 7 UUID. Milliseconds since the
    /// epoch.
    pub time_ms: Option<i64>,
}

/// Looks at the text of one event; none where it is no JSON object. It depends on nothing but the text: no rules, no
/// arrival.
///
/// ```
/// use headcount_core::validate::glance;
/// let seen = glance(r#"{"eventId": "e-1", "timestamp": "2026-03-01T00:00:00Z"}"#).unwrap();
/// assert_eq!((seen.has_id, seen.time_ms), (true, Some(1_772_323_200_000)));
/// let seen = glance(r#"{"eventId": "0198f2b1-5c1e-7cc3-9b2a-2f5d3c1e8a77"}"#).unwrap();
/// assert_eq!(seen.time_ms, Some(1_756_418_366_494), "a UUIDv7 tells the time");
/// assert_eq!(glance("[]"), None);
/// ```
pub fn glance(text: &str) -> Option<Glance> {
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    // As raw texts, so that neither a number nor nesting elsewhere hides what is looked for.
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let field = |name: &str| fields.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let given = |name: &str| field(name).filter(|value| !value.is_null());
    let id = given("eventId");
    let time_ms = told(given("timestamp").as_ref(), id.as_ref().and_then(Value::as_str));
    Some(Glance { has_id: id.is_some(), time_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_through_whatever_else_is_wrong() {
        for (text, has_id, time_ms) in [
            (r#"{"userId":"","timestamp":1772323200000}"#, false, Some(1_772_323_200_000)),
            (r#"{"eventId":null,"timestamp":null}"#, false, None),
            (r#"{"eventId":7,"timestamp":"yesterday"}"#, true, None),
            (r#"{"eventId":"e","timestamp":-1}"#, true, None),
            (r#"{"timestamp":99999999999999}"#, false, None),
            (r#"{"timestamp":1,"timestamp":1772323200002,"eventData":{"n":1e999}}"#, false, Some(1_772_323_200_002)),
            (r#"{"timestamp":1772323200}"#, false, None),
        ] {
            assert_eq!(glance(text), Some(Glance { has_id, time_ms }), "{text}");
        }
        for text in ["", "no JSON", "{\"open\":", "7", "null"] {
            assert_eq!(glance(text), None, "{text}");
        }
    }
}
