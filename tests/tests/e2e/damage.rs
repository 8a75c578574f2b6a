//! Stored bytes spoiled by hand, while everything runs: named, set aside, found by the proof, and made again.

use std::process::Command;

use chrono::Utc;
use serde_json::{Value, json};

use crate::command::{Serve, expect, json, run, wait_for};
use crate::sample::{days, event, lines, noon};

/// The table that `serve` makes.
const TABLE: &str = "headcount";

/// Turns over a byte of one part of a date's partial, through the table's endpoint and a client that nobody here wrote.
/// Returns the partial's source.
fn spoil(serve: &Serve, date: &str, part: &str) -> String {
    let python = std::env::var("HEADCOUNT_TEST_PYTHON")
        .expect("HEADCOUNT_TEST_PYTHON names a Python that has boto3: run `cargo xtask test`, which installs it");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/spoil_partial.py");
    let mut command = Command::new(python);
    command.args([script, &serve.dynamodb, TABLE, date, part]);
    let output = run(command, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a source is text").trim().to_owned()
}

/// 40 users on two days; each of their events is sent twice, so that every source has duplicates to lose.
fn sample() -> Vec<Value> {
    let [first, second] = days().map(noon);
    let mut events = Vec::new();
    for n in 0..40 {
        let user = format!("user-{n}");
        let feature = json!({"feature": if n % 4 == 0 { "search" } else { "export" }});
        events.push(event(&format!("use-{n}"), &user, first + n, "feature_use", &feature));
        events.push(event(&format!("page-{n}"), &user, second + n, "page_view", &json!({})));
    }
    [events.clone(), events].concat()
}

fn metrics(serve: &Serve, from: &str, to: &str) -> Value {
    json(0, &["metrics", "--from", from, "--to", to, "--json", "--dynamodb-endpoint", &serve.dynamodb], b"")
}

/// The figures but for duplicates, which raw events cannot tell.
fn without_duplicates(metrics: &Value) -> Value {
    let mut metrics = metrics.clone();
    for day in metrics["days"].as_array_mut().expect("days") {
        day["duplicates"].take();
    }
    metrics["total"]["duplicates"].take();
    metrics
}

fn day<'a>(answer: &'a Value, date: &str) -> &'a Value {
    let days = answer["days"].as_array().expect("days");
    days.iter().find(|day| day["date"] == date).unwrap_or_else(|| panic!("{date} in {answer:#}"))
}

#[test]
fn what_was_spoiled_is_named_and_rebuilt() {
    let serve = Serve::start(None);
    let [first, second] = days().map(|date| date.to_string());
    let today = Utc::now().date_naive().to_string();
    let table = ["--dynamodb-endpoint", &serve.dynamodb];
    serve.send(0, &lines(&sample()));
    let before = wait_for(
        "all is counted",
        || serve.metrics(&first, &second),
        |metrics| metrics["total"]["duplicates"] == 80 && metrics["total"]["activeUsers"] == 40,
    );

    let without_counters = spoil(&serve, &first, "Counters");
    let without_users = spoil(&serve, &second, "Users");
    // The aggregator names both, and goes on with another day; the figures that are there stay.
    serve.send(0, &lines(&[event("now", "user-0", Utc::now().timestamp_millis(), "page_view", &json!({}))]));
    let rollup = [&["rollup", "--json"][..], &table].concat();
    let rolled_up = wait_for(
        "the other day is aggregated",
        || (json(1, &rollup, b""), metrics(&serve, &today, &today)),
        |(_, metrics)| metrics["total"]["activeUsers"] == 1,
    )
    .0;
    for (date, source, part) in [(&first, &without_counters, "counters"), (&second, &without_users, "user sketch")] {
        let set_aside = &day(&rolled_up, date)["sourcesSetAside"];
        assert_eq!(set_aside.as_array().map(Vec::len), Some(1), "{rolled_up:#}");
        assert_eq!(set_aside[0]["source"], **source);
        assert!(set_aside[0]["reason"].as_str().is_some_and(|reason| reason.contains(part)), "{set_aside}");

        let found = json(1, &[&["verify", "--date", date, "--json"][..], &table].concat(), b"");
        let bad: Vec<_> = found["sources"]
            .as_array()
            .expect("sources")
            .iter()
            .filter(|source| !source["damaged"].is_null())
            .collect();
        assert_eq!((bad.len(), &found["passed"]), (1, &json!(false)), "{found:#}");
        assert_eq!(bad[0]["source"], **source);
        assert!(bad[0]["damaged"].as_str().is_some_and(|what| what.contains(part)), "{found:#}");
        let said = expect(1, &[&["verify", "--date", date][..], &table].concat(), b"");
        assert!(said.contains(source.as_str()) && said.contains("headcount rebuild --date"), "{said}");
    }
    assert_eq!(metrics(&serve, &first, &second), before);

    let rebuild = [&["rebuild", "--date", &first, "--date", &second, "--json"][..], &table].concat();
    let rebuilt = json(0, &rebuild, b"");
    assert_eq!(rebuilt["complete"], true, "{rebuilt:#}");
    for (date, source, lost) in
        [(&first, &without_counters, json!(["duplicates"])), (&second, &without_users, json!([]))]
    {
        let day = day(&rebuilt, date);
        let recounted = day["sourcesRecounted"].as_array().expect("sources");
        let recounted =
            recounted.iter().find(|one| one["source"] == **source).unwrap_or_else(|| panic!("{source}: {day:#}"));
        assert_eq!(recounted["lost"], lost);
        assert_eq!(day["carriedOver"], json!(["duplicates"]));
        expect(0, &[&["verify", "--date", date][..], &table].concat(), b"");
    }
    let after = metrics(&serve, &first, &second);
    assert_eq!(without_duplicates(&after), without_duplicates(&before));
    assert!(after["days"][0]["duplicates"].as_u64() < Some(40), "its source's are lost, as was said: {after:#}");
    assert_eq!(after["days"][1]["duplicates"], 40, "a user sketch knows nothing of them");
    let again = expect(0, &[&["rebuild", "--date", &first][..], &table].concat(), b"");
    assert!(again.contains("carried over: duplicates"), "{again}");
    assert!(serve.stop().success());
}
