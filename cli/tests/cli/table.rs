//! The commands that read and aggregate a table, on an embedded one.

use chrono_tz::Tz;
use headcount_core::deployment::Deployment;
use headcount_local::table::{Table, TableOptions};
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use tempfile::TempDir;

use super::*;

const READING: [&[&str]; 3] =
    [&["rollup"], &["verify", "--date", "2026-03-01"], &["metrics", "--from", "2026-03-01", "--to", "2026-03-02"]];

/// The command with the log that it needs, if it does.
fn with_log<'a>(args: &[&'a str], log: &'a TempDir) -> Vec<&'a str> {
    let log = log.path().to_str().unwrap();
    if args[0] == "metrics" { args.to_vec() } else { [args, &["--log", log]].concat() }
}

/// Runs it against log and table without keeping this thread, on which the table may live.
async fn ask(endpoint: &str, log: &TempDir, args: &[&str]) -> Output {
    let args = [&with_log(args, log)[..], &["--local", "--dynamodb-endpoint", endpoint]].concat();
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let run = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[test]
fn an_endpoint_where_nothing_is_is_one_line() {
    let (endpoint, log) = (nothing_there(), tempfile::tempdir().unwrap());
    for args in READING {
        let args = [&with_log(args, &log)[..], &["--local", "--dynamodb-endpoint", &endpoint]].concat();
        assert_one_line(&run(&args), &[&endpoint, "check the endpoint"]);
    }
}

#[test]
fn without_credentials_it_says_what_is_missing() {
    let log = tempfile::tempdir().unwrap();
    for args in READING {
        let args = with_log(args, &log);
        assert_one_line(&run(&args), &["no AWS credentials were found", "AWS_ACCESS_KEY_ID", "--local"]);
        let output = run(&[&args[..], &["--region", "eu-west-1", "--dynamodb-endpoint", &nothing_there()]].concat());
        assert_one_line(&output, &["no AWS credentials were found", "AWS_ACCESS_KEY_ID", "--local"]);
    }
}

#[test]
fn a_command_that_needs_the_log_says_how_to_name_it() {
    for args in [&["rollup"][..], &["verify", "--date", "2026-03-01"], &["rebuild", "--date", "2026-03-01"]] {
        assert_one_line(&run(args), &["needs the event log", "--log s3://", "HEADCOUNT_LOG", "--local"]);
        let output = run(&[args, &["--log", "gs://bucket"]].concat());
        assert_one_line(&output, &["gs://bucket", "s3://bucket"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_missing_or_was_never_used_is_one_line() {
    let (table, log) = (Table::start(TableOptions::default()).await.unwrap(), tempfile::tempdir().unwrap());
    for args in READING {
        let output = ask(&table.endpoint(), &log, args).await;
        assert_one_line(&output, &["the table headcount does not exist", "create it"]);
    }
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    create_tables(&connection, &Tables::one("headcount"), deadline).await.unwrap();
    for args in READING {
        assert_one_line(&ask(&table.endpoint(), &log, args).await, &["send events first"]);
    }
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_without_events_are_empty_and_prove_themselves() {
    let table = Table::start(TableOptions::default()).await.unwrap();
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    create_tables(&connection, &Tables::one("headcount"), deadline).await.unwrap();
    let log = tempfile::tempdir().unwrap();
    let opened = Log::in_folder(log.path(), Jitter::from_entropy()).unwrap();
    let deployment = Deployment::new("d-1".to_owned(), Tz::UTC, "tests");
    opened.open_deployment(&deployment, deadline).await.unwrap();
    let today = chrono::DateTime::from_timestamp_millis(headcount_runtime::clock::Clock::system().now_ms()).unwrap();
    let today = today.date_naive().to_string();

    let output = ask(&table.endpoint(), &log, &["rollup", "--date", &today]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&today), "{}", stdout(&output));
    let output = ask(&table.endpoint(), &log, &["rollup"]).await;
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "no day needed anything\n"));

    let output = ask(&table.endpoint(), &log, &["verify", "--date", &today]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("verified"), "{}", stdout(&output));
    let output = ask(&table.endpoint(), &log, &["verify", "--date", &today, "--json"]).await;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["passed"], &answer["date"]), (&true.into(), &today.as_str().into()));

    let range = ["metrics", "--from", &today, "--to", &today];
    let output = ask(&table.endpoint(), &log, &range).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("activeUsers") && stdout(&output).contains("total"), "{}", stdout(&output));
    let output = ask(&table.endpoint(), &log, &[&range[..], &["--json"]].concat()).await;
    let metrics: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        metrics.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["days", "from", "previous", "timeZone", "to", "today", "total", "usersError"]
    );
    assert_eq!(metrics["days"][0]["date"], today.as_str());
    assert_eq!(metrics["total"]["activeUsers"], 0);
    table.stop().await;
}

#[test]
fn a_range_that_runs_backwards_is_a_wrong_command_line() {
    let output = run(&["metrics", "--local", "--from", "2026-03-02", "--to", "2026-03-01"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("lies after"), "{}", stderr(&output));
}
