//! Events that are wrong in all kinds of ways.

use chrono::Utc;
use serde_json::{Map, Value, json};

/// How many: what one request takes.
pub(crate) const COUNT: usize = 1_000;

/// A value that stands for a field that is not there.
const ABSENT: &str = "(absent)";

/// An event of which each field is drawn: a good value three times in four.
pub(crate) fn event(random: &mut fastrand::Rng) -> Value {
    let now = Utc::now();
    let ms = now.timestamp_millis();
    let long = |length: usize| json!("x".repeat(length));
    let v7 = format!("{:08x}-{:04x}-7cc3-9b2a-2f5d3c1e8a77", ms >> 16, ms & 0xffff);
    let fields = [
        (
            "eventId",
            json!(ABSENT),
            vec![json!(null), json!("order-1"), json!(v7), json!(""), json!(5), long(129), json!("a\u{1}b")],
        ),
        (
            "userId",
            json!("u-1"),
            vec![
                json!(ABSENT),
                json!(null),
                json!(""),
                json!("\u{200b}"),
                json!("é".repeat(129)),
                long(256),
                json!(7),
                json!({}),
                json!("a\nb"),
            ],
        ),
        ("anonymousId", json!(ABSENT), vec![json!(null), json!("a-1"), json!(""), long(246), long(247), json!(9)]),
        ("sessionId", json!("s-1"), vec![json!(ABSENT), json!(null), json!(" "), long(256), long(257), json!(true)]),
        (
            "accountId",
            json!("acme"),
            vec![json!(ABSENT), json!(null), json!(""), json!(" "), long(256), long(257), json!([]), json!("a\u{7f}b")],
        ),
        (
            "eventType",
            json!(
                ["page_view", "feature_use", "content_create", "ai_request", "error", "identify"][random.usize(0..6)]
            ),
            vec![json!(ABSENT), json!(null), json!(" error "), json!("click"), json!(""), json!(3)],
        ),
        (
            "timestamp",
            json!(ms),
            vec![
                json!(ABSENT),
                json!(null),
                json!(ms / 1_000),
                json!(ms * 1_000),
                json!(0),
                json!(ms as f64 + 0.5),
                json!("x"),
                json!(now.to_rfc3339()),
                json!(now.format("%F %T+0000").to_string()),
                json!(now.format("%FT%T").to_string()),
                json!("2026-03-01"),
                json!(ms.to_string()),
                json!(true),
                json!([]),
            ],
        ),
        (
            "eventData",
            json!({"feature": "search", "contentType": "post", "model": "large", "errorType": "Timeout", "tokens": 3, "cost": 0.25}),
            vec![
                json!(ABSENT),
                json!(null),
                json!({}),
                json!([]),
                json!([1]),
                json!("x"),
                json!({"feature": "", "contentType": "\u{7}"}),
                json!({"feature": 7, "contentType": [], "model": {}, "errorType": false}),
                json!({"model": " ", "errorType": null}),
                json!({"tokens": -1, "inputTokens": 1.5, "outputTokens": "3", "cachedTokens": 2_000_000_000}),
                json!({"cost": -1}),
                json!({"cost": "1"}),
                json!({"cost": 1e7, "tokens": null}),
                json!({"inputTokens": 12.0}),
                json!({"cacheWriteTokens": -1, "reasoningTokens": "3"}),
                json!({"usage": {"prompt_tokens": -5}}),
                json!({"usage": 7}),
            ],
        ),
        (
            "metadata",
            json!({"platform": "web", "userAgent": "x", "ipAddress": "203.0.113.9"}),
            vec![
                json!(ABSENT),
                json!(null),
                json!("x"),
                json!([]),
                json!({}),
                json!({"platform": " "}),
                json!({"platform": 7}),
                json!({"platform": "web", "userAgent": 5, "ipAddress": 7}),
                json!({"platform": "web", "ipAddress": ""}),
                json!({"platform": null, "userAgent": "", "ipAddress": null}),
            ],
        ),
    ];
    let mut event = Map::new();
    for (name, good, others) in fields {
        let value = if random.u8(0..4) == 0 { random.choice(others).expect("there are some") } else { good };
        if value != ABSENT {
            event.insert(name.to_owned(), value);
        }
    }
    Value::Object(event)
}
