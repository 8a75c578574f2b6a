//! The collector of `serve`, and the one that Lambda runs: what they accept is counted, once.

use std::io::Write as _;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::command::{Serve, expect, wait_for};
use crate::function_url::Function;
use crate::http::post;

const KEY: &str = "wk_0123456789abcdef";

/// An event as a browser would send it; the rest is the request's.
pub(crate) fn event(id: &str, user: &str) -> Value {
    json!({
        "eventId": id, "userId": user, "sessionId": format!("session-of-{user}"), "eventType": "page_view",
        "timestamp": Utc::now().timestamp_millis(), "metadata": {"platform": "web"},
    })
}

/// The figures of yesterday and today together: a test may run across midnight.
pub(crate) fn total(serve: &Serve) -> Value {
    let today = Utc::now().date_naive();
    let metrics = serve.metrics(&(today - TimeDelta::days(1)).to_string(), &today.to_string());
    metrics["total"].clone()
}

#[test]
fn what_is_accepted_is_counted_once_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("# ours\n{KEY}\n")).unwrap();
    let serve = Serve::start_with(None, &["--write-keys", &keys.to_string_lossy(), "--ip-policy", "truncate"]);
    let key = format!("Authorization: Bearer {KEY}\r\n");
    let events: Vec<Value> = (0..30).map(|n| event(&format!("e-{n}"), &format!("user-{}", n % 7))).collect();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines[10..20].join("\n").as_bytes()).unwrap();
    let zstd = zstd::bulk::compress(lines[20..30].join("\n").as_bytes(), 3).unwrap();
    for (headers, body) in [
        ("Content-Type: application/json\r\n", Value::from(events[..10].to_vec()).to_string().into_bytes()),
        ("Content-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\n", gzip.finish().unwrap()),
        ("Content-Encoding: zstd\r\n", zstd),
        // Sent again, as after an answer that got lost.
        ("", lines[..5].join("\n").into_bytes()),
    ] {
        let answer = post(&serve.collector, &format!("{key}{headers}"), &body);
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    assert_eq!(post(&serve.collector, "", lines[0].as_bytes()).status, 401);
    let mixed = format!("[{},{{\"userId\":\"u\"}}]", event("e-30", "user-9"));
    let answer = post(&serve.collector, &key, mixed.as_bytes());
    assert_eq!((answer.status, &answer.body["accepted"]), (400, &json!(1)), "{answer:?}");
    let figures = wait_for("all is counted", || total(&serve), |total| total["eventsByType"]["page_view"] == 31);
    assert_eq!(
        (&figures["activeUsers"], &figures["duplicates"], &figures["rejected"]),
        (&json!(8), &json!(5), &json!(0))
    );
    let today = Utc::now().date_naive().to_string();
    expect(0, &[&["verify", "--date", &today][..], &serve.places()].concat(), b"");
    assert!(serve.stop().success());
}

#[test]
fn what_was_accepted_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(Some(folder.path()));
    let mut accepted = 0;
    for batch in 0..20 {
        let events: Vec<Value> = (0..25).map(|n| event(&format!("e-{batch}-{n}"), &format!("user-{n}"))).collect();
        let answer = post(&serve.collector, "", Value::from(events).to_string().as_bytes());
        assert_eq!(answer.status, 202, "{answer:?}");
        accepted += 25;
    }
    serve.kill();
    let serve = Serve::start(Some(folder.path()));
    wait_for("all is counted", || total(&serve), |total| total["eventsByType"]["page_view"] == accepted);
    assert!(serve.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lambda_binary_takes_what_a_function_url_hands_over() {
    let serve = Serve::start(None);
    let variables = [("STREAM", "headcount-events"), ("WRITE_KEYS", KEY), ("AWS_ENDPOINT_URL_KINESIS", &serve.kinesis)];
    let collector = Function::start("headcount-collector", &variables);
    let headers = json!({"authorization": format!("Bearer {KEY}"), "user-agent": "Browser/7", "content-type": "application/json"});
    let events = Value::from(vec![event("e-1", "user-1"), event("e-2", "user-2")]).to_string();
    let answer = collector.ask("POST", "/v1/events", headers.clone(), &events).await;
    assert_eq!(answer["statusCode"], 202, "{answer:#}");
    let refused = collector.ask("POST", "/v1/events", json!({"user-agent": "x"}), &events).await;
    assert_eq!(refused["statusCode"], 401, "{refused:#}");
    let script = collector.ask("GET", "/headcount.js", headers, "").await;
    assert!(script["body"].as_str().is_some_and(|text| text.contains("sendBeacon")), "{script:#}");
    collector.stop().await;
    tokio::task::spawn_blocking(move || {
        wait_for("both are counted", || total(&serve), |total| total["eventsByType"]["page_view"] == 2);
        assert!(serve.stop().success());
    })
    .await
    .unwrap();
}
