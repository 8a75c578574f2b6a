//! `headcount report` against `headcount serve`: the same file, the very same figures.

use std::collections::BTreeSet;

use headcount_core::metrics::DailyMetrics;
use serde_json::{Value, json};

use crate::command::{Serve, expect, json as ask, wait_for};

/// Generated events.
const EVENTS: &str = "20000";

/// What a table knows and a file does not, and how exact it is where sources were merged.
const APART: [&str; 6] = ["state", "final", "verified", "rejected", "estimate", "proof"];

fn figures(day: &Value) -> Value {
    let mut day = day.clone();
    let fields = day.as_object_mut().expect("an object");
    fields.retain(|name, _| !APART.contains(&name.as_str()));
    // Of many users live figures list only those that spend most.
    day["aiUsage"].as_object_mut().expect("an object").remove("byUser");
    for model in models(&mut day) {
        let latency = model["latency"].as_object_mut().expect("an object");
        latency.retain(|name, _| name == "count");
    }
    day
}

fn models(day: &mut Value) -> impl Iterator<Item = &mut Value> {
    day["aiUsage"]["byModel"].as_object_mut().expect("models").values_mut()
}

/// Live latencies are estimated, and may be off by what the answer states.
fn check_latencies(of_table: &Value, of_file: &Value) {
    let error = of_table["estimate"]["latencyRelativeError"].as_f64().expect("a number");
    let (mut of_table, mut of_file) = (of_table.clone(), of_file.clone());
    for (live, exact) in models(&mut of_table).zip(models(&mut of_file)) {
        for quantile in ["p50", "p95"] {
            let [live, exact] = [&*live, exact].map(|model| model["latency"][quantile].as_f64());
            let is_near = live.zip(exact).is_none_or(|(live, exact)| (live - exact).abs() <= error * exact + 1.0);
            assert!(
                is_near && live.is_some() == exact.is_some(),
                "{quantile}: {live:?}, not {exact:?}, at most {error} off"
            );
        }
    }
}

#[test]
fn the_figures_of_a_file_are_those_of_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.ndjson");
    let generated = expect(
        0,
        &["generate", "--events", EVENTS, "--seed", "7", "--days", "3", "--invalid", "0.02", "--duplicates", "0.03"],
        b"",
    );
    std::fs::write(&file, &generated).expect("written");
    let path = file.to_str().expect("text");

    let serve = Serve::start(None);
    let sent = ask(1, &["send", path, "--json", "--kinesis-endpoint", &serve.kinesis], b"");
    let report = ask(0, &["report", path, "--lateness-days", "7", "--json"], b"");
    let (from, to) = (text(&report["from"]), text(&report["to"]));
    let table = wait_for(
        "all is counted",
        || {
            // Without a roll-up: the open days are live.
            let range = ["metrics", "--from", &from, "--to", &to, "--json", "--dynamodb-endpoint", &serve.dynamodb];
            ask(0, &range, b"")
        },
        |table| counted(&table["total"]) == counted(&report["total"]),
    );
    let days = |answer: &Value| answer["days"].as_array().expect("days").clone();
    assert_eq!(days(&table).len(), days(&report).len());
    for (of_table, of_file) in
        days(&table).iter().chain([&table["total"]]).zip(days(&report).iter().chain([&report["total"]]))
    {
        assert_eq!(figures(of_table), figures(of_file));
        check_latencies(of_table, of_file);
    }
    let rejected = |answer: &Value| answer["total"]["rejected"].as_u64().expect("a number");
    let no_json = generated.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count() as u64;
    assert_eq!(rejected(&report), rejected(&table) + no_json, "send refuses what is no JSON: {sent:#}");

    // Compressed, in two halves, on one thread: the same.
    let half = generated[..generated.len() / 2].rfind('\n').expect("lines") + 1;
    let (first, second) = (folder.path().join("a.gz"), folder.path().join("b.zst"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &generated.as_bytes()[..half]).expect("memory");
    std::fs::write(&first, gzip.finish().expect("memory")).expect("written");
    std::fs::write(&second, &generated.as_bytes()[half..]).expect("written");
    let (first, second) = (first.to_str().expect("text"), second.to_str().expect("text"));
    let again = ask(0, &["report", first, second, "--threads", "1", "--lateness-days", "7", "--json"], b"");
    assert_eq!(again, report);
    let names: BTreeSet<String> = DailyMetrics::empty(chrono::NaiveDate::MIN).to_object().keys().cloned().collect();
    let csv = expect(0, &["report", path, "--csv"], b"");
    assert!(names.iter().any(|name| csv.starts_with("date") && csv.contains(name.as_str())), "{csv}");
    assert!(serve.stop().success());
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// What says that all was counted.
fn counted(total: &Value) -> Value {
    json!([total["eventsByType"], total["duplicates"], total["activeUsers"], total["newSignups24h"]])
}
