//! `headcount init`, against embedded servers.

use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};
use headcount_local::table::{Table, TableOptions};
use serde_json::{Value, json};

use super::*;

async fn servers() -> (Stream, Table) {
    let stream = Stream::start(StreamOptions::new("there", 2)).await.unwrap();
    (stream, Table::start(TableOptions::default()).await.unwrap())
}

async fn init(stream: &Stream, table: &Table, args: &[&str]) -> Output {
    let (kinesis, dynamodb) = (stream.endpoint(), table.endpoint());
    let common = ["init", "--local", "--kinesis-endpoint", &kinesis, "--dynamodb-endpoint", &dynamodb];
    let args: Vec<String> = common.iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    let run = move || run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_and_table_are_made_once_and_can_be_used() {
    let (stream, table) = servers().await;
    let asked = ["--stream", "clicks", "--shards", "3", "--retention-hours", "48", "--json"];
    for created in [true, false] {
        let output = init(&stream, &table, &asked).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let parts = parsed(&output);
        let named = |at: usize| json!([parts[at]["kind"], parts[at]["name"], parts[at]["created"]]);
        assert_eq!(named(0), json!(["stream", "clicks", created]));
        assert_eq!(named(1), json!(["table", "headcount", created]));
        assert_eq!(parts[0]["differences"], json!([]));
        // The embedded table has no backups, and says so; nothing breaks.
        assert_eq!(parts[1]["differences"][0]["what"], "point-in-time recovery");
        assert_eq!(parts[1]["differences"][0]["breaksPromises"], false);
    }
    let kinesis = clients::kinesis(&stream.endpoint());
    let described = kinesis.describe_stream_summary().stream_name("clicks").send().await.unwrap();
    let summary = described.stream_description_summary.unwrap();
    assert_eq!((summary.open_shard_count, summary.retention_period_hours), (3, 48));
    let endpoint = stream.endpoint();
    let send = move || {
        let event = "{\"userId\":\"u\",\"eventId\":\"e\",\"timestamp\":5}\n";
        run_with(event, &["send", "--local", "--kinesis-endpoint", &endpoint, "--stream", "clicks"])
    };
    assert_eq!(tokio::task::spawn_blocking(send).await.unwrap().status.code(), Some(0));
    stream.stop().await;
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_compared_and_changed_only_when_asked() {
    let (stream, table) = servers().await;
    let asked = ["--stream", "there", "--shards", "1", "--retention-hours", "72", "--no-recovery"];
    for _ in 0..2 {
        let output = init(&stream, &table, &asked).await;
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("stream there: exists, and differs\n"), "{text}");
        assert!(text.contains("\n  capacity: 2 shards, not 1 shard: change it"), "{text}");
        assert!(
            text.contains("BREAKS A PROMISE: retention: 24 hours, not 72 hours") && text.contains("--fix"),
            "{text}"
        );
    }
    let output = init(&stream, &table, &[&asked[..], &["--fix"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("switched on: the longer retention"), "{}", stdout(&output));
    assert!(stdout(&output).contains("table headcount: exists, as it would have been made"), "{}", stdout(&output));
    // A longer one than asked for is left, but a day could then close too early.
    let output = init(&stream, &table, &["--stream", "there", "--shards", "2", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let difference = parsed(&output)[0]["differences"][0].clone();
    assert_eq!((&difference["found"], &difference["breaksPromises"]), (&json!("72 hours"), &json!(true)));
    assert!(difference["remedy"].as_str().unwrap().contains("RETENTION_HOURS=72"));
    stream.stop().await;
    table.stop().await;
}

#[test]
fn nothing_there_and_no_region_are_one_line() {
    let endpoint = nothing_there();
    let both = ["init", "--local", "--kinesis-endpoint", &endpoint, "--dynamodb-endpoint", &endpoint];
    assert_one_line(&run(&both), &[&endpoint, "check the endpoint"]);
    assert_one_line(&run(&["init"]), &["no AWS region", "--region"]);
}
