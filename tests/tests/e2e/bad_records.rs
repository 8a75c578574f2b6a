//! Records that no producer should send: each passes, bounded and counted, and its shard goes on.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::command::{Serve, expect, wait_for};
use crate::foreign_client::put;
use crate::sample::{days, event, noon};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"deeper": inner}))
}

#[test]
fn bad_records_pass_and_the_shard_goes_on() {
    let date = days()[1];
    let at = noon(date);
    let with = |id: &str, data: Value| event(id, "somebody", at, "page_view", &data).to_string().into_bytes();
    let mut many_digits = with("digits", json!({"n": 0}));
    many_digits = String::from_utf8(many_digits)
        .expect("JSON is text")
        .replace("\"n\":0", "\"n\":123456789012345678901234567890123456789.5")
        .into_bytes();
    let bad = vec![
        vec![0xff, 0x00, 0x13, 0x37],
        b"{\"broken\": ".to_vec(),
        Vec::from(&b"\x1f\x8bno gzip at all"[..]),
        gzip(format!("[{}{{}}]", "{},".repeat(349_999)).as_bytes()),
        gzip(&vec![b' '; 50 << 20]),
        with("deep", nested(40)),
        with("huge", json!({"n": 1e300})),
        many_digits,
        with("nameless", json!({"": 1})),
        event("", "somebody", at, "page_view", &json!({})).to_string().into_bytes(),
    ];
    let serve = Serve::start(None);
    put(&serve, &bad);
    put(&serve, &[with("good", json!({"n": 1e100, "deep": nested(10)}))]);

    let arrival = chrono::Utc::now().date_naive().to_string();
    let day = date.to_string();
    let counted = wait_for(
        "the good event is counted",
        || serve.metrics(&day, &arrival),
        // Four are mended: the deep, the huge, the digits, the nameless.
        |metrics| metrics["total"]["eventsByType"]["page_view"] == 5 && rejected(metrics) >= 6,
    );
    // Every bad event for itself; the 350,000 empty objects as many, or as one record that holds too many.
    let rejected = rejected(&counted);
    assert!(rejected == 6 || rejected == 5 + 350_000, "{counted:#}");
    expect(0, &[&["verify", "--date", &arrival][..], &serve.places()].concat(), b"");
    assert!(serve.stop().success());
}

fn rejected(metrics: &Value) -> u64 {
    metrics["total"]["rejected"].as_u64().unwrap_or_default()
}
