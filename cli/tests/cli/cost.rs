//! `headcount cost`.

use std::time::Duration;

use headcount_local::table::{Table, TableOptions};
use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use serde_json::Value;

use super::*;

fn parsed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_docs_show_what_the_command_prints() {
    let output = run(&["cost", "--events-per-day", "864000,8640000,86400000,864000000"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = include_str!("../../../docs/costs.md");
    assert!(page.contains(&stdout(&output)), "put this into docs/costs.md:\n{}", stdout(&output));
}

#[test]
fn the_bill_adds_up_and_the_window_is_worth_money() {
    let of_window = |window: &str| {
        let answer = parsed(&run(&["cost", "--events-per-day", "864000", "--window", window, "--json"]));
        let estimate = answer["estimates"][0].clone();
        let sum: f64 = estimate["lines"].as_array().unwrap().iter().map(|line| line["monthly"].as_f64().unwrap()).sum();
        let monthly = estimate["monthly"].as_f64().unwrap();
        assert!((sum - monthly).abs() < 1e-6, "{estimate:#}");
        assert_eq!(answer["prices"]["region"], "us-east-1");
        (monthly, estimate["unitsPerEvent"]["writes"].as_f64().unwrap())
    };
    let (second, ten, minute) = (of_window("1"), of_window("10"), of_window("60"));
    assert!(second.0 > ten.0 && ten.0 > minute.0, "{second:?} {ten:?} {minute:?}");
    assert!(second.1 > ten.1 && ten.1 > minute.1 && second.1 < 2.5, "{second:?} {ten:?} {minute:?}");
    assert!(ten.0 < 100.0, "ten events a second cost less than a hundred dollars: {}", ten.0);
}

#[test]
fn events_without_items_cost_a_tenth() {
    let monthly = |options: &[&str]| {
        let args = [&["cost", "--events-per-day", "86400000", "--json"], options].concat();
        let estimate = parsed(&run(&args))["estimates"][0].clone();
        (estimate["monthly"].as_f64().unwrap(), estimate["unitsPerEvent"]["eventItem"].as_f64().unwrap())
    };
    let (all, no_index, none) = (monthly(&[]), monthly(&["--no-user-index"]), monthly(&["--no-event-items"]));
    assert!(all.0 > no_index.0 && no_index.0 > 5.0 * none.0, "{all:?} {no_index:?} {none:?}");
    assert!(none.1 < 1e-9 && all.1 > 0.9, "{all:?} {none:?}");
}

#[test]
fn prices_can_be_replaced() {
    let printed = stdout(&run(&["cost", "--print-prices"]));
    let path = scratch("prices.toml");
    std::fs::write(&path, printed.replace("us-east-1", "eu-north-9").replace("shard_hour = 0.015", "shard_hour = 1"))
        .unwrap();
    let output = run(&["cost", "--events-per-day", "864000", "--prices", path.to_str().unwrap()]);
    let text = stdout(&output);
    assert!(text.contains("eu-north-9, 2025-07-21") && text.contains("$730.00"), "{text}{}", stderr(&output));
    std::fs::write(&path, "region = 1").unwrap();
    let output = run(&["cost", "--events-per-day", "864000", "--prices", path.to_str().unwrap()]);
    assert_one_line(&output, &["is no file of prices", "--print-prices"]);
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_tells_its_own_load() {
    let table = Table::start(TableOptions::default()).await.unwrap();
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    create_tables(&connection, &Tables::one("headcount"), deadline).await.unwrap();
    let endpoint = table.endpoint();
    let work = move || {
        let log = tempfile::tempdir().unwrap();
        let there = ["--local", "--dynamodb-endpoint", &endpoint, "--log", log.path().to_str().unwrap()];
        let ask = |args: &[&str]| run(&[args, &there].concat());
        assert_one_line(&ask(&["cost", "--from-table"]), &["no figures of the last 7 full days", "--events-per-day"]);
        let events = run(&["generate", "--events", "900", "--days", "4", "--users", "50", "--invalid", "0"]);
        let path = scratch("history.ndjson");
        std::fs::write(&path, events.stdout).unwrap();
        let output = ask(&["import", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        std::fs::remove_file(path).unwrap();
        parsed(&ask(&["cost", "--from-table", "--json"]))["estimates"][0].clone()
    };
    let estimate = tokio::task::spawn_blocking(work).await.unwrap();
    let number = |name: &str| estimate[name].as_f64().unwrap();
    assert!((100.0..900.0).contains(&number("eventsPerDay")), "{estimate:#}");
    assert!((10.0..=50.0).contains(&number("users")), "{estimate:#}");
    assert!((200.0..900.0).contains(&number("bytes")), "{estimate:#}");
    assert!(number("invalid") < 0.001 && number("shards") >= 1.0, "{estimate:#}");
    table.stop().await;
}
