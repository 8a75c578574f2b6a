//! The event log as a person meets it: its place, its files, without event items, damaged, of somebody else.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::{Serve, expect, json as ask, wait_for};
use crate::sample::{days, event, lines, noon};

/// Every entry of the log in this folder.
fn entries(log: &str) -> Vec<PathBuf> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let found = std::fs::read_dir(folder).expect("the log is a folder of folders");
        found.map(|file| file.expect("it can be listed").path()).collect()
    };
    let streams = files(&Path::new(log).join("log"));
    let shards = streams.iter().flat_map(|stream| files(stream));
    let mut entries: Vec<_> = shards.flat_map(|shard| files(&shard)).collect();
    entries.sort();
    entries
}

fn of_user(serve: &Serve, options: &[&str]) -> Value {
    let user = ["user", "user-3", "--json", "--last", "7d", "--dynamodb-endpoint", &serve.dynamodb];
    ask(0, &[&user[..], options].concat(), b"")
}

#[test]
fn figures_and_events_come_from_the_log_where_event_items_are_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::start_with(Some(folder.path()), &["--no-event-items"]);
    let log = std::path::absolute(folder.path().join("log")).expect("a path");
    assert_eq!(Path::new(&serve.log), log);
    let day = days()[1];
    let page = |n: i64| event(&format!("p-{n}"), &format!("user-{}", n % 20), noon(day) + n, "page_view", &json!({}));
    let sent = serve.send(0, &lines(&(0..200).map(page).collect::<Vec<_>>()));
    assert_eq!(sent["sent"], 200);
    // Followed without a roll-up.
    let health = wait_for(
        "it is followed",
        || serve.health(),
        |health| {
            health["records"].as_u64() >= Some(200)
                && health["sources"].as_array().is_some_and(|sources| !sources.is_empty())
                && ["figures", "items"].iter().all(|one| health["followers"][one]["entriesBehind"] == 0)
        },
    );
    let followed: Vec<_> = health["sources"].as_array().expect("sources").iter().collect();
    for source in followed {
        assert!(source["source"].as_str().is_some_and(|name| name.starts_with("headcount-events/")), "{health:#}");
        assert_eq!((&source["figures"], &source["items"]), (&source["entry"], &source["entry"]), "{health:#}");
    }

    assert_eq!(of_user(&serve, &[])["events"], json!([]), "no items");
    let from_log = of_user(&serve, &["--from-log", "--log", &serve.log]);
    let times: Vec<_> = from_log["events"].as_array().expect("events").iter().map(|one| &one["timestamp"]).collect();
    let wanted: Vec<_> = (0..10).rev().map(|n| json!(noon(day) + 3 + 20 * n)).collect();
    assert_eq!(times, wanted.iter().collect::<Vec<_>>(), "the newest first");

    let day = day.to_string();
    let metrics = serve.metrics(&day, &day);
    assert_eq!(metrics["total"]["eventsByType"]["page_view"], 200);
    let entries = entries(&serve.log);
    let files: Vec<_> = entries.iter().map(|entry| entry.to_str().expect("text")).collect();
    let reported = ask(0, &[&["report", "--json"][..], &files].concat(), b"");
    for figure in ["activeUsers", "eventsByType", "platforms", "sessions"] {
        assert_eq!(reported["total"][figure], metrics["total"][figure], "{figure}");
    }
    expect(0, &[&["verify", "--date", &day][..], &serve.places()].concat(), b"");

    // What the log has lost is named, and is not counted again as if it had never been.
    let lost = &entries[0];
    std::fs::rename(lost, folder.path().join("lost")).expect("it can be moved");
    let proven = ask(1, &[&["verify", "--date", &day, "--json"][..], &serve.places()].concat(), b"");
    assert_eq!(proven["passed"], false, "{proven:#}");
    std::fs::rename(folder.path().join("lost"), lost).expect("it can be moved back");
    expect(0, &[&["verify", "--date", &day][..], &serve.places()].concat(), b"");
    assert!(serve.stop().success());
    assert!(log.is_dir(), "it stays in the data directory");
}

#[test]
fn a_log_and_a_table_of_two_deployments_are_refused() {
    let (one, other) = (Serve::start(None), Serve::start(None));
    let mixed = ["rollup", "--dynamodb-endpoint", &one.dynamodb, "--log", &other.log];
    let run = crate::command::run(crate::command::headcount(&mixed), b"");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("the same deployment"), "{said}");
    let logs = [one.log.clone(), other.log.clone()];
    assert!(one.stop().success() && other.stop().success());
    assert!(logs.iter().all(|log| !Path::new(log).exists()), "temporary folders go with serve");
}
