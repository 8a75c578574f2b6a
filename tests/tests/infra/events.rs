//! Events for the deployed stack, some of them sent twice and some invalid, packed into records in every form.

use std::io::Write as _;

use chrono::{NaiveDate, TimeDelta};
use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::truth::Truth;

/// Occurrences in all.
pub(crate) const OCCURRENCES: usize = 20_000;
/// Of them, those that were sent before.
pub(crate) const DUPLICATES: usize = 400;
/// Of them, those that break a rule.
pub(crate) const INVALID: usize = 200;

const SEED: u64 = 7;
const USERS: usize = 600;
const DAYS: i64 = 3;
/// How far back a duplicate's first occurrence may lie, in occurrences.
const REACH: usize = 3_000;
const PLATFORMS: [&str; 3] = ["web", "ios", "android"];
const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// Records for the stream in their order, and the figures that must come out.
pub(crate) fn generate(today: NaiveDate) -> (Vec<Vec<u8>>, Truth) {
    let mut rng = Rng::with_seed(SEED);
    let mut truth = Truth::default();
    let mut sent: Vec<(NaiveDate, Value)> = Vec::new();
    let mut kinds: Vec<_> = (0..OCCURRENCES).collect();
    rng.shuffle(&mut kinds);
    let mut lines = Vec::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        let line = if kind < INVALID {
            truth.rejected += 1;
            invalid(kind, number, today)
        } else if kind < INVALID + DUPLICATES && !sent.is_empty() {
            let (date, event) = &sent[sent.len() - 1 - rng.usize(..sent.len().min(REACH))];
            truth.repeated(*date);
            event.to_string()
        } else {
            let date = today - TimeDelta::days(1 + rng.i64(0..DAYS));
            let event = valid(&mut rng, number, date);
            truth.count(date, &event);
            let line = event.to_string();
            sent.push((date, event));
            line
        };
        lines.push(line);
    }
    (packed(&lines), truth)
}

fn valid(rng: &mut Rng, number: usize, date: NaiveDate) -> Value {
    let user = rng.usize(..USERS);
    let midnight = date.and_hms_opt(0, 0, 0).expect("a day begins").and_utc().timestamp_millis();
    let name = NAMES[rng.usize(..NAMES.len())];
    let (event_type, data) = match rng.u8(..5) {
        0 => ("page_view", json!({})),
        1 => ("feature_use", json!({"feature": name})),
        2 => ("content_create", json!({"contentType": name})),
        3 => ("error", json!({"errorType": name})),
        // Whole millionths of a dollar.
        _ => (
            "ai_request",
            json!({"model": name, "tokens": rng.u32(1..5_000), "cost": f64::from(rng.u32(..9_000)) / 1e6}),
        ),
    };
    json!({
        "eventId": format!("event-{number}"),
        "userId": format!("user-{user}"),
        "sessionId": format!("session-{user}"),
        "eventType": event_type,
        "timestamp": midnight + rng.i64(0..86_400_000),
        "eventData": data,
        "metadata": {
            "userAgent": "test/1",
            "ipAddress": "203.0.113.9",
            "platform": PLATFORMS[rng.usize(..PLATFORMS.len())],
        },
    })
}

/// A line that breaks a rule, another one for each `kind`.
fn invalid(kind: usize, number: usize, today: NaiveDate) -> String {
    let mut event = valid(&mut Rng::with_seed(number as u64), number, today - TimeDelta::days(1));
    event["eventId"] = json!(format!("invalid-{number}"));
    match kind % 5 {
        0 => event["userId"] = json!("  "),
        1 => event["eventType"] = json!("no_such_type"),
        2 => event["timestamp"] = json!("2020-01-01T00:00:00Z"),
        3 => event["metadata"] = json!({"platform": "web"}),
        _ => event["eventData"] = json!([1, 2]),
    }
    event.to_string()
}

/// Lines as records: one event, an array of five, or a compressed file of twenty.
fn packed(lines: &[String]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = lines;
    for width in [1, 5, 20].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (these, others) = rest.split_at(rest.len().min(width));
        rest = others;
        records.push(match width {
            1 => these[0].clone().into_bytes(),
            5 => format!("[{}]", these.join(",")).into_bytes(),
            _ => compressed(&these.join("\n")),
        });
    }
    records
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory takes all")
}
