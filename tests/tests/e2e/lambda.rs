//! `serve --lambda`: consumer and aggregator as the programs that Lambda runs.

use serde_json::{Value, json};

use crate::command::{Serve, expect, headcount, json as ask, run, runs, signal, wait_for};
use crate::sample::{days, event, lines, noon};

/// The consumer's processes.
fn processes(serve: &Serve) -> Vec<u32> {
    let health = serve.health();
    let ids = health["functionProcesses"].as_array().unwrap_or_else(|| panic!("no processes: {health:#}"));
    ids.iter().filter_map(Value::as_u64).filter_map(|id| id.try_into().ok()).collect()
}

fn send(serve: &Serve, from: u64, to: u64) {
    let at = noon(days()[1]);
    let one = |n| event(&format!("e-{n}"), &format!("user-{n}"), at + n as i64, "page_view", &json!({}));
    serve.send(0, &lines(&(from..to).map(one).collect::<Vec<_>>()));
}

/// Waits until so many records were handled.
fn handled(serve: &Serve, records: u64) {
    wait_for("all is handled", || serve.health(), |health| health["records"] == records);
}

#[test]
fn the_functions_run_as_processes_and_end_with_serve() {
    let folder = tempfile::tempdir().unwrap();
    let day = days()[1].to_string();
    let serve = Serve::start_with(Some(folder.path()), &["--lambda"]);
    assert_eq!(processes(&serve), Vec::<u32>::new(), "none before there is work");
    send(&serve, 0, 40);
    handled(&serve, 40);
    let first = processes(&serve);
    assert!(!first.is_empty());
    signal(first[0], "KILL");
    send(&serve, 40, 80);
    handled(&serve, 80);
    let second = processes(&serve);
    assert!(!second.is_empty() && second != first);
    expect(0, &[&["rollup"][..], &serve.places()].concat(), b"");
    expect(0, &[&["verify", "--date", &day][..], &serve.places()].concat(), b"");
    send(&serve, 80, 100);
    assert!(serve.stop().success());
    assert!(!second.into_iter().any(runs), "they end with it");

    // The last events were counted, and rolled up by the aggregator's own program.
    let serve = Serve::start(Some(folder.path()));
    assert_eq!(serve.health()["functionProcesses"], Value::Null);
    let range = ["metrics", "--from", &day, "--to", &day, "--json", "--dynamodb-endpoint", &serve.dynamodb];
    let metrics = ask(0, &range, b"");
    assert_eq!(metrics["days"][0]["eventsByType"]["page_view"], 100, "{metrics:#}");
    assert!(serve.stop().success());
}

#[test]
fn the_functions_do_not_outlive_a_serve_that_is_killed() {
    let serve = Serve::start_with(None, &["--lambda"]);
    send(&serve, 0, 10);
    handled(&serve, 10);
    let running = processes(&serve);
    assert!(!running.is_empty());
    serve.kill();
    wait_for("they end", || running.iter().any(|id| runs(*id)), |any| !any);
}

#[test]
fn a_folder_without_the_programs_is_refused_with_what_builds_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = headcount(&[
        "serve",
        "--kinesis-port",
        "0",
        "--dynamodb-port",
        "0",
        "--port",
        "0",
        "--collector-port",
        "0",
        "--lambda",
    ]);
    serve.arg(folder.path());
    let output = run(serve, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("headcount-consumer") && said.contains("cargo build -p headcount-consumer"), "{said}");
}
