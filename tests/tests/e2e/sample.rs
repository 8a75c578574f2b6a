//! Events made by hand, whose figures a reader can check.

use chrono::{NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

/// The day before yesterday, yesterday: whole days, within lateness.
pub(crate) fn days() -> [NaiveDate; 2] {
    let today = Utc::now().date_naive();
    [today - TimeDelta::days(2), today - TimeDelta::days(1)]
}

/// Milliseconds of noon of a day.
pub(crate) fn noon(date: NaiveDate) -> i64 {
    date.and_hms_opt(12, 0, 0).expect("noon exists").and_utc().timestamp_millis()
}

/// One event that breaks no rule.
pub(crate) fn event(id: &str, user: &str, at_ms: i64, event_type: &str, data: &Value) -> Value {
    json!({
        "eventId": id,
        "userId": user,
        "sessionId": format!("session-of-{user}"),
        "eventType": event_type,
        "timestamp": at_ms,
        "eventData": data,
        "metadata": {"userAgent": "test/1", "ipAddress": "203.0.113.9", "platform": "web"},
    })
}

/// A file of events: lines as `send` reads them.
pub(crate) fn lines(events: &[Value]) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        lines.extend_from_slice(event.to_string().as_bytes());
        lines.push(b'\n');
    }
    lines
}
