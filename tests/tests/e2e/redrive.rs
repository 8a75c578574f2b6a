//! Invocations as a failure destination keeps them, made by hand, handled again and again.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde_json::{Value, json};

use crate::command::{Serve, expect, json};
use crate::sample::{days, event, noon};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
const SHARD: &str = "shardId-000000000000";

/// What Lambda writes of an invocation with these records; without its records, what it tells a queue.
fn kept(records: &[(u64, Vec<u8>)], is_whole: bool, condition: &str) -> Value {
    let now = Utc::now();
    let record = |(sequence, data): &(u64, Vec<u8>)| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": sequence.to_string(),
                "data": STANDARD.encode(data), "approximateArrivalTimestamp": now.timestamp_millis() as f64 / 1_000.0,
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("{SHARD}:{sequence}"),
            "eventName": "aws:kinesis:record", "awsRegion": "us-east-1", "eventSourceARN": ARN,
        })
    };
    let (first, last) = (&records[0].0, &records[records.len() - 1].0);
    let payload = json!({"Records": records.iter().map(record).collect::<Vec<_>>()});
    json!({
        "requestContext": {
            "requestId": "c9b8fa9f", "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:consumer",
            "condition": condition, "approximateInvokeCount": 101,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": now.to_rfc3339(),
        "KinesisBatchInfo": {
            "shardId": SHARD, "startSequenceNumber": first.to_string(), "endSequenceNumber": last.to_string(),
            "approximateArrivalOfFirstRecord": now.to_rfc3339(), "approximateArrivalOfLastRecord": now.to_rfc3339(),
            "batchSize": records.len(), "streamArn": ARN,
        },
        "payload": if is_whole { json!(payload.to_string()) } else { Value::Null },
    })
}

/// Puts a file where Lambda would.
fn put(folder: &Path, name: &str, content: &str) -> PathBuf {
    let day = folder.join("aws/lambda/0f0f0f0f-mapping").join(SHARD).join("2026/03/01");
    fs::create_dir_all(&day).expect("folders can be made");
    let path = day.join(name);
    fs::write(&path, content).expect("it can be written");
    path
}

#[test]
fn what_was_given_up_counts_once_however_often_it_is_redriven() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = days();
    let page = |id: &str, user: &str, at| event(id, user, at, "page_view", &json!({})).to_string().into_bytes();
    let records = [
        (101, page("a", "ann", noon(first))),
        (102, page("b", "bob", noon(first))),
        (103, page("c", "ann", noon(second))),
    ];
    let more = [
        (205, page("d", "eve", noon(second))),
        (206, page("a", "ann", noon(first))),
        (207, b"{\"userId\":\"nobody\"}".to_vec()),
    ];
    let good = [
        put(folder.path(), "2026-03-01T10.00.00-1", &kept(&records, true, "RecordAgeExceeded").to_string()),
        put(folder.path(), "2026-03-01T11.00.00-2", &kept(&more, true, "AWordOfTheFuture").to_string()),
    ];
    let bad = [
        put(folder.path(), "2026-03-01T10.30.00-3", "this is no JSON"),
        put(folder.path(), "2026-03-01T12.00.00-4", &kept(&records, false, "RetryAttemptsExhausted").to_string()),
    ];

    let serve = Serve::start(None);
    let place = folder.path().to_str().expect("the name is text");
    let redrive = [&["redrive", place][..], &serve.places()].concat();
    let as_json = [&redrive[..], &["--json"]].concat();
    let done = json(1, &as_json, b"");
    let found = done["invocations"].as_array().expect("invocations");
    let outcomes: Vec<_> = found.iter().map(|one| one["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["counted", "unreadable", "counted", "unreadable"], "{done:#}");
    let counts = |one: &Value| {
        ["records", "appended", "redelivered", "duplicates", "rejected"].map(|name| one[name].as_u64().unwrap_or(99))
    };
    assert_eq!(counts(&found[0]), [3, 3, 0, 0, 0], "{done:#}");
    assert_eq!(counts(&found[2]), [3, 1, 0, 1, 1], "{done:#}");
    assert_eq!(found[0]["origin"], format!("clicks/{SHARD}"));
    assert!(
        found[1]["key"].as_str().is_some_and(|key| key.ends_with("10.30.00-3")),
        "the one that is no JSON: {done:#}"
    );
    assert!(found[3]["problem"].as_str().is_some_and(|problem| problem.contains("queue")), "{done:#}");

    let (from, today) = (first.to_string(), Utc::now().date_naive().to_string());
    let metrics = || {
        json(0, &["metrics", "--from", &from, "--to", &today, "--json", "--dynamodb-endpoint", &serve.dynamodb], b"")
    };
    // As it aggregated them itself: nobody else did.
    let before = metrics();
    let total = &before["total"];
    assert_eq!((&total["eventsByType"]["page_view"], &total["activeUsers"]), (&json!(4), &json!(3)), "{before:#}");
    assert_eq!((&total["rejected"], &total["duplicates"]), (&json!(1), &json!(1)), "{before:#}");

    let again = json(1, &as_json, b"");
    assert_eq!(counts(&again["invocations"][0]), [3, 0, 3, 0, 0], "{again:#}");
    assert_eq!(counts(&again["invocations"][2]), [3, 0, 3, 0, 0], "{again:#}");
    assert_eq!(metrics(), before);
    for date in [&from, &second.to_string(), &today] {
        expect(0, &[&["verify", "--date", date][..], &serve.places()].concat(), b"");
    }

    // What is counted may go; what could not be read stays for a person to look at.
    let said = expect(1, &[&redrive[..], &["--delete"]].concat(), b"");
    assert_eq!(said.matches("counted, removed").count(), 2, "{said}");
    assert!(good.iter().all(|path| !path.exists()) && bad.iter().all(|path| path.exists()));
    assert_eq!(metrics(), before);
    for path in bad {
        fs::remove_file(path).expect("it can be removed");
    }
    let said = expect(0, &redrive, b"");
    assert!(said.contains("nothing is kept below"), "{said}");
    assert!(serve.stop().success());
}
