//! `headcount check`, against embedded servers.

use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};
use headcount_local::table::{Table, TableOptions};
use serde_json::Value;

use super::*;

async fn headcount(command: &str, stream: &Stream, table: &Table) -> Output {
    let (kinesis, dynamodb) = (stream.endpoint(), table.endpoint());
    let args = [command, "--local", "--json", "--kinesis-endpoint", &kinesis, "--dynamodb-endpoint", &dynamodb];
    let args = args.map(str::to_owned);
    let run = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn broken(output: &Output) -> Vec<String> {
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    let findings = answer["findings"].as_array().unwrap().iter();
    let broken = findings.filter(|finding| finding["severity"] == "breaksPromise");
    broken.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_not_made_and_what_init_made_is_good() {
    let stream = Stream::start(StreamOptions::new("headcount-events", 1)).await.unwrap();
    let table = Table::start(TableOptions::default()).await.unwrap();
    // A table that is missing is not made.
    let missing = headcount("check", &stream, &table).await;
    assert_one_line(&missing, &["headcount"]);
    assert!(clients::dynamodb(&table.endpoint()).list_tables().send().await.unwrap().table_names().is_empty());

    assert_eq!(headcount("init", &stream, &table).await.status.code(), Some(0));
    let good = headcount("check", &stream, &table).await;
    assert_eq!((good.status.code(), broken(&good)), (Some(0), vec![]));
    let notes = stdout(&good);
    assert!(notes.contains("keeps records for 24 hours") && notes.contains("not encrypted"), "{notes}");
    stream.stop().await;
    table.stop().await;
}
