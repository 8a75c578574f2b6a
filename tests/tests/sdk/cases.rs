//! Events that are wrong in all kinds of ways.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// How many: what one request takes.
pub(crate) const COUNT: usize = 1_000;

/// A value that stands for a field that is not there.
const ABSENT: &str = "(absent)";

const TYPES: [&str; 6] = ["page_view", "feature_use", "content_create", "ai_request", "error", "identify"];

/// A field's name, a good value, and others.
type Field = (&'static str, Value, Value);

/// An event of which each field is drawn: a good value three times in four.
pub(crate) fn event(random: &mut fastrand::Rng) -> Value {
    let now = Utc::now();
    let event_type = json!(TYPES[random.usize(0..TYPES.len())]);
    let mut event = Map::new();
    for (name, good, others) in ids(now.timestamp_millis()).into_iter().chain(contents(now, event_type)) {
        let others = others.as_array().expect("several values");
        let value = if random.u8(0..4) == 0 { random.choice(others).expect("there are some") } else { &good };
        if value != ABSENT {
            event.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(event)
}

fn ids(ms: i64) -> [Field; 5] {
    let long = |length: usize| "x".repeat(length);
    let v7 = format!("{:08x}-{:04x}-7cc3-9b2a-2f5d3c1e8a77", ms >> 16, ms & 0xffff);
    let users = json!([ABSENT, null, "", "\u{200b}", "é".repeat(129), long(256), 7, {}, "a\nb"]);
    [
        ("eventId", json!(ABSENT), json!([null, "order-1", v7, "", 5, long(129), "a\u{1}b"])),
        ("userId", json!("u-1"), users),
        ("anonymousId", json!(ABSENT), json!([null, "a-1", "", long(246), long(247), 9])),
        ("sessionId", json!("s-1"), json!([ABSENT, null, " ", long(256), long(257), true])),
        ("accountId", json!("acme"), json!([ABSENT, null, "", " ", long(256), long(257), [], "a\u{7f}b"])),
    ]
}

fn contents(now: DateTime<Utc>, event_type: Value) -> [Field; 4] {
    let ms = now.timestamp_millis();
    let [offset, none] = ["%F %T+0000", "%FT%T"].map(|format| now.format(format).to_string());
    let numbers = [json!(ms / 1_000), json!(ms * 1_000), json!(0), json!(ms as f64 + 0.5)];
    let texts = [&*now.to_rfc3339(), &*offset, &*none, "2026-03-01", &*ms.to_string(), "x"].map(Value::from);
    let times = [&numbers[..], &texts, &[json!(ABSENT), json!(null), json!(true), json!([])]].concat();
    let data = json!({
        "feature": "search", "contentType": "post", "model": "large", "errorType": "Timeout", "tokens": 3, "cost": 0.25,
    });
    let other_data = json!([
        ABSENT, null, {}, [], [1], "x",
        {"feature": "", "contentType": "\u{7}"},
        {"feature": 7, "contentType": [], "model": {}, "errorType": false},
        {"model": " ", "errorType": null},
        {"tokens": -1, "inputTokens": 1.5, "outputTokens": "3", "cachedTokens": 2_000_000_000},
        {"cost": -1}, {"cost": "1"}, {"cost": 1e7, "tokens": null}, {"inputTokens": 12.0},
        {"cacheWriteTokens": -1, "reasoningTokens": "3"}, {"usage": {"prompt_tokens": -5}}, {"usage": 7},
    ]);
    let metadata = json!({"platform": "web", "userAgent": "x", "ipAddress": "203.0.113.9"});
    let other_metadata = json!([
        ABSENT, null, "x", [], {}, {"platform": " "}, {"platform": 7},
        {"platform": "web", "userAgent": 5, "ipAddress": 7},
        {"platform": "web", "ipAddress": ""},
        {"platform": null, "userAgent": "", "ipAddress": null},
    ]);
    [
        ("eventType", event_type, json!([ABSENT, null, " error ", "click", "", 3])),
        ("timestamp", json!(ms), Value::from(times)),
        ("eventData", data, other_data),
        ("metadata", metadata, other_metadata),
    ]
}
