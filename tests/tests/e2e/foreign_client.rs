//! Clients that nobody here wrote: boto3, the aws command, the Kinesis aggregation library.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::command::{Serve, run, wait_for};
use crate::sample::{days, event, lines, noon};

/// The stream that `serve` makes unless told otherwise.
pub(crate) const STREAM: &str = "headcount-events";

/// Puts records through boto3, which `cargo xtask test` installs.
pub(crate) fn put(serve: &Serve, records: &[Vec<u8>]) {
    let mut command = python("put_records.py");
    command.args([&serve.kinesis, STREAM]);
    let mut input = String::new();
    for (n, record) in records.iter().enumerate() {
        let line = json!({"partition_key": format!("key-{n}"), "data": STANDARD.encode(record)});
        input += &line.to_string();
        input.push('\n');
    }
    let output = run(command, input.as_bytes());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), records.len(), "{stderr}");
}

/// Runs a script with the Python that has the clients.
fn python(script: &str) -> Command {
    let python = std::env::var("HEADCOUNT_TEST_PYTHON")
        .expect("HEADCOUNT_TEST_PYTHON names a Python that has boto3: run `cargo xtask test`, which installs it");
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script));
    command
}

/// Puts records as `aggregate_records.py` has it; how many it put.
fn put_by(how: &str, serve: &Serve, records: &[Vec<u8>]) -> usize {
    let mut command = python("aggregate_records.py");
    command.args([&serve.kinesis, STREAM, how]);
    let input: String = records.iter().map(|record| STANDARD.encode(record) + "\n").collect();
    let output = run(command, input.as_bytes());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints a number")
}

fn zstd_of(events: &[Value]) -> Vec<u8> {
    zstd::encode_all(&*lines(events), 3).expect("it compresses")
}

#[test]
fn what_others_aggregate_or_put_by_the_aws_command_is_counted_rightly() {
    let serve = Serve::start(None);
    let day = days()[1];
    let make = |n: usize| {
        let data = json!({"feature": format!("f{}", n % 2)});
        event(&format!("e{n}"), &format!("u{}", n % 20), noon(day) + n as i64, "feature_use", &data)
    };
    let events: Vec<Value> = (0..100).map(make).collect();
    let text = |event: &Value| event.to_string().into_bytes();
    // One an event, an array, lines, compressed lines; two without an id, which are two events; and what is broken.
    let mut anonymous = events[0].clone();
    anonymous.as_object_mut().expect("an object").remove("eventId");
    let mut aggregated: Vec<Vec<u8>> = events[..30].iter().map(text).collect();
    aggregated.push(json!(events[30..50]).to_string().into_bytes());
    aggregated.push(lines(&events[50..60]));
    aggregated.push(zstd_of(&events[60..90]));
    aggregated.extend([text(&anonymous), text(&anonymous)]);
    aggregated.extend([b"{\"userId\":1}".to_vec(), vec![0x1f, 0x8b, 8, 0]]);
    assert_eq!(put_by("aggregated", &serve, &aggregated), 1);
    // The command puts the last ten, and some that were there before.
    let by_command: Vec<_> = [zstd_of(&events[85..95])].into_iter().chain(events[95..].iter().map(text)).collect();
    assert_eq!(put_by("aws", &serve, &by_command), 6);
    put(&serve, &[zstd_of(&events[..10])]);

    let date = day.to_string();
    let right = |metrics: &Value| {
        metrics["days"][0]["eventsByType"]["feature_use"] == 102 && metrics["days"][0]["duplicates"] == 15
    };
    let metrics = wait_for("all are counted", || serve.metrics(&date, &date), right);
    assert_eq!(metrics["total"]["activeUsers"], 20);
    assert_eq!(
        (&metrics["days"][0]["featureUsage"]["f0"], &metrics["days"][0]["featureUsage"]["f1"]),
        (&json!(52), &json!(50))
    );
    let today = chrono::Utc::now().date_naive().to_string();
    let rejected = serve.metrics(&today, &today)["days"][0]["rejected"].clone();
    assert_eq!(rejected, 2, "each with its reason");
    assert!(serve.stop().success());
}

#[test]
fn a_record_of_boto3_is_counted() {
    let serve = Serve::start(None);
    let date = days()[1];
    let one = event("from-boto3", "somebody", noon(date), "page_view", &json!({}));
    put(&serve, &[one.to_string().into_bytes()]);
    let date = date.to_string();
    let metrics =
        wait_for("it is counted", || serve.metrics(&date, &date), |metrics| metrics["total"]["activeUsers"] == 1);
    assert_eq!(metrics["days"][0]["eventsByType"]["page_view"], 1);
    assert!(serve.stop().success());
}
