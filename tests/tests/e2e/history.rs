//! A file of history: imported, imported again, compressed, corrected.

use std::io::Write as _;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::command::{Serve, expect, json, wait_for};
use crate::sample::{days, event, lines, noon};

fn import(serve: &Serve, code: i32, path: &Path) -> Value {
    let path = path.to_str().expect("the name is text");
    json(code, &[&["import", path, "--json"][..], &serve.places()].concat(), b"")
}

fn metrics(serve: &Serve, date: &str) -> Value {
    let range = ["metrics", "--from", date, "--to", date, "--json", "--dynamodb-endpoint", &serve.dynamodb];
    json(0, &range, b"")["days"][0].clone()
}

#[test]
fn a_file_counts_once_however_often_it_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::start(None);
    let old = Utc::now().date_naive() - TimeDelta::days(200);
    let yesterday = days()[1];

    // The stream brought this one before the file does.
    let both = event("both", "user-0", noon(yesterday), "page_view", &json!({}));
    serve.send(0, &lines(std::slice::from_ref(&both)));
    let recent = yesterday.to_string();
    wait_for("it is counted", || serve.metrics(&recent, &recent), |metrics| metrics["total"]["activeUsers"] == 1);

    let mut events = vec![both];
    for n in 0..30 {
        let user = format!("user-{n}");
        events.push(event(&format!("old-{n}"), &user, noon(old) + n, "feature_use", &json!({"feature": "search"})));
        events.push(event(&format!("new-{n}"), &user, noon(yesterday) - n, "page_view", &json!({})));
    }
    let corrected = lines(&events);
    let mut broken = events.clone();
    broken[7]["sessionId"] = json!("");
    let broken = lines(&broken);
    let plain = folder.path().join("history.ndjson");
    std::fs::write(&plain, &broken).expect("it can be written");

    // Line 8 is event old-3.
    let first = import(&serve, 1, &plain);
    assert_eq!(counts(&first), [60, 0, 0, 1], "{first:#}");
    assert_eq!((&first["lines"], &first["rejectedLines"][0]["line"]), (&json!(61), &json!(8)));
    assert_eq!(first["rejectedLines"][0]["problems"], json!(["sessionId must not be empty"]));
    let (old, old_figures) = (old.to_string(), metrics(&serve, &old.to_string()));
    assert_eq!(old_figures["activeUsers"], 29, "{old_figures:#}");
    assert_eq!((&old_figures["featureUsage"]["search"], &old_figures["final"]), (&json!(29), &json!(true)));
    let recent_figures = metrics(&serve, &recent);
    // The one that the stream had brought is in the log twice, and counts once: the import has proven the day.
    assert_eq!((&recent_figures["eventsByType"]["page_view"], &recent_figures["duplicates"]), (&json!(31), &json!(1)));
    assert_eq!(recent_figures["verified"], true);
    assert_eq!((repeated(&serve, &recent), repeated(&serve, &old)), (1, 0));
    assert_eq!(recent_figures["rejected"], 1);
    // Who was seen 200 days ago is new there, and no longer yesterday.
    assert_eq!((&old_figures["newSignups24h"], &recent_figures["newSignups24h"]), (&json!(29), &json!(1)));
    assert_eq!(recent_figures["totalUsers"], 30);
    expect(0, &[&["verify", "--date", &recent][..], &serve.places()].concat(), b"");

    // The very same, and the same compressed: known, line by line.
    let gzipped = folder.path().join("history.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&broken).expect("memory takes all");
    std::fs::write(&gzipped, encoder.finish().expect("memory takes all")).expect("it can be written");
    for path in [&plain, &gzipped] {
        let again = import(&serve, 1, path);
        assert_eq!(counts(&again), [0, 61, 0, 1], "{again:#}");
        assert_eq!(again["source"], first["source"]);
        assert_eq!((metrics(&serve, &old), metrics(&serve, &recent)), (old_figures.clone(), recent_figures.clone()));
    }

    // Corrected, it is another file: all of it is in the log, and what was there before is told apart by its ids.
    std::fs::write(&plain, &corrected).expect("it can be written");
    let repaired = import(&serve, 0, &plain);
    assert_eq!(counts(&repaired), [61, 0, 0, 0], "{repaired:#}");
    assert_ne!(repaired["source"], first["source"]);
    let old_figures = metrics(&serve, &old);
    assert_eq!((&old_figures["activeUsers"], &old_figures["featureUsage"]["search"]), (&json!(30), &json!(30)));
    assert_eq!((repeated(&serve, &old), repeated(&serve, &recent)), (29, 32));
    let said = expect(0, &[&["import", plain.to_str().expect("text")][..], &serve.places()].concat(), b"");
    assert!(said.contains("already there     61"), "{said}");
    assert!(serve.stop().success());
}

/// Events of the day that are in the log more than once.
fn repeated(serve: &Serve, date: &str) -> u64 {
    let proven = json(0, &[&["verify", "--date", date, "--json"][..], &serve.places()].concat(), b"");
    proven["repeated"].as_u64().expect("a count")
}

/// Appended, already there, duplicates, rejected.
fn counts(answer: &Value) -> [u64; 4] {
    ["appended", "alreadyThere", "duplicates", "rejected"].map(|name| answer[name].as_u64().expect("a count"))
}

#[test]
fn what_tells_no_time_or_is_no_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::start(None);
    let path = folder.path().join("timeless");
    std::fs::write(&path, "{\"userId\":\"u\"}\nno JSON\n").expect("it can be written");
    for (path, code) in [(path.as_path(), 1), (folder.path(), 1), (Path::new("/no/such/file"), 1)] {
        let path = path.to_str().expect("the name is text");
        let said = expect(code, &[&["import", path][..], &serve.places()].concat(), b"");
        assert_eq!(said, "", "nothing was done");
    }
    assert!(serve.stop().success());
}
