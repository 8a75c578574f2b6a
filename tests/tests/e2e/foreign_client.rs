//! A client that nobody here wrote: boto3.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::command::{Serve, run, wait_for};
use crate::sample::{days, event, noon};

/// The stream that `serve` makes unless told otherwise.
pub(crate) const STREAM: &str = "headcount-events";

/// Puts records through boto3, which `cargo xtask test` installs.
pub(crate) fn put(serve: &Serve, records: &[Vec<u8>]) {
    let python = std::env::var("HEADCOUNT_TEST_PYTHON")
        .expect("HEADCOUNT_TEST_PYTHON names a Python that has boto3: run `cargo xtask test`, which installs it");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/put_records.py");
    let mut command = Command::new(python);
    command.args([script, &serve.kinesis, STREAM]);
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
