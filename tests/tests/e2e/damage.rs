//! Stored bytes spoiled by hand, while everything runs: found by `verify`, and counted again from the event log.

use std::process::Command;

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

/// 40 users on two days; each of their events is sent twice, so that every source has duplicates to count.
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

fn day<'a>(answer: &'a Value, date: &str) -> &'a Value {
    let days = answer["days"].as_array().expect("days");
    days.iter().find(|day| day["date"] == date).unwrap_or_else(|| panic!("{date} in {answer:#}"))
}

#[test]
fn what_was_spoiled_is_named_and_counted_again() {
    let serve = Serve::start(None);
    let [first, second] = days().map(|date| date.to_string());
    let places = serve.places();
    serve.send(0, &lines(&sample()));
    let before = wait_for(
        "all is counted",
        || serve.metrics(&first, &second),
        |metrics| metrics["total"]["duplicates"] == 80 && metrics["total"]["activeUsers"] == 40,
    );

    let parts = [(&first, "Counters", "counters"), (&second, "Users", "user sketch")];
    let spoiled = parts.map(|(date, part, named)| (date, spoil(&serve, date, part), named));
    for (date, source, part) in &spoiled {
        let found = json(1, &[&["verify", "--date", date, "--json"][..], &places].concat(), b"");
        let bad: Vec<_> = found["sources"]
            .as_array()
            .expect("sources")
            .iter()
            .filter(|source| !source["damaged"].is_null())
            .collect();
        assert_eq!((bad.len(), &found["passed"]), (1, &json!(false)), "{found:#}");
        assert_eq!(bad[0]["source"], **source);
        assert!(bad[0]["damaged"].as_str().is_some_and(|what| what.contains(part)), "{found:#}");
        let said = expect(1, &[&["verify", "--date", date][..], &places].concat(), b"");
        assert!(said.contains(source.as_str()) && said.contains("headcount rebuild --date"), "{said}");
    }
    assert_eq!(metrics(&serve, &first, &second), before, "the figures that are there stay");

    // Named days are aggregated whatever the table says, and what is damaged of them is counted again.
    let named = ["rollup", "--date", &first, "--date", &second, "--json"];
    let rolled_up = json(0, &[&named[..], &places].concat(), b"");
    for (date, source, _) in &spoiled {
        assert_eq!(day(&rolled_up, date)["sourcesRefolded"], json!([source]), "{rolled_up:#}");
        expect(0, &[&["verify", "--date", date][..], &places].concat(), b"");
    }
    assert_eq!(metrics(&serve, &first, &second), before);

    let spoiled = parts.map(|(date, part, _)| (date, spoil(&serve, date, part)));
    let rebuild = [&["rebuild", "--date", &first, "--date", &second, "--json"][..], &places].concat();
    let rebuilt = json(0, &rebuild, b"");
    assert_eq!(rebuilt["complete"], true, "{rebuilt:#}");
    for (date, source) in &spoiled {
        let sources = day(&rebuilt, date)["sources"].as_array().expect("sources");
        let changed: Vec<_> = sources.iter().filter(|one| one["changed"] == true).map(|one| &one["source"]).collect();
        assert_eq!(changed, [source], "{rebuilt:#}");
        expect(0, &[&["verify", "--date", date][..], &places].concat(), b"");
    }
    assert_eq!(metrics(&serve, &first, &second), before);
    let again = expect(0, &[&["rebuild", "--date", &first][..], &places].concat(), b"");
    assert!(again.contains("as it was") && !again.contains("written;"), "{again}");
    assert!(serve.stop().success());
}
