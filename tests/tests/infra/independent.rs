//! A stream and a table on servers of two strangers: `headcount consume` in between, killed off and begun again while shards
//! split and merge, and every figure compared with the truth.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard, StreamStatus};
use chrono::Utc;
use headcount_local::clients;
use headcount_tests::binaries;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::deployed::is_same;
use crate::events::generate;
use crate::scripts::answer;
use crate::stand_in::StandIn;

const STREAM: &str = "headcount-events";

/// Names the folder of the servers of `tests/node`, which `cargo xtask test` installs.
const NODE_VARIABLE: &str = "HEADCOUNT_TEST_NODE";

const PATIENCE: Duration = Duration::from_mins(1);

/// Records of one request.
const MOST_RECORDS: usize = 400;

/// A running kinesalite; stopped when dropped.
struct Kinesalite {
    child: Child,
    endpoint: String,
}

impl Kinesalite {
    fn start() -> Self {
        let folder = std::env::var_os(NODE_VARIABLE).map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| panic!("{NODE_VARIABLE} is not set: run `cargo xtask test`"));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a port is free").port().to_string();
        let mut command = Command::new("node");
        command.arg(folder.join("node_modules/kinesalite/cli.js")).args(["--port", &port, "--shardLimit", "50"]);
        command.args(["--createStreamMs", "10", "--updateStreamMs", "10", "--deleteStreamMs", "10"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("node can be started");
        let mut said = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut said).expect("it says where it listens");
        assert!(said.contains("Listening"), "{said}");
        Self { child, endpoint: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Kinesalite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, between the two servers.
fn headcount(table: &str, log: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binaries::folder().join("headcount"));
    command.args(arguments).args(["--dynamodb-endpoint", table]);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
    command.env("HEADCOUNT_LOG", log);
    command
}

/// The sum of an object's numbers.
fn sum(counts: &Value) -> u64 {
    counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

async fn put(client: &Client, records: &[Vec<u8>]) {
    for (part, some) in records.chunks(MOST_RECORDS).enumerate() {
        let entry = |(at, data): (usize, &Vec<u8>)| {
            let key = format!("key-{}", part * MOST_RECORDS + at);
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data.clone()));
            entry.build().expect("all is there")
        };
        let entries = some.iter().enumerate().map(entry).collect();
        let put = client.put_records().stream_name(STREAM).set_records(Some(entries)).send().await;
        assert_eq!(put.expect("the stream takes it").failed_record_count(), Some(0));
    }
}

/// The open shards, once the stream has settled.
async fn open_shards(client: &Client) -> Vec<Shard> {
    let started = Instant::now();
    loop {
        let told = client.describe_stream().stream_name(STREAM).send().await.expect("the stream is there");
        let told = told.stream_description.expect("a description");
        if told.stream_status == StreamStatus::Active {
            let is_open = |shard: &Shard| {
                shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
            };
            return told.shards.into_iter().filter(is_open).collect();
        }
        assert!(started.elapsed() < PATIENCE, "the stream stays {}", told.stream_status);
        tokio::task::yield_now().await;
    }
}

async fn split(client: &Client) {
    let shards = open_shards(client).await;
    let range = shards[0].hash_key_range().expect("keys");
    let bound = |text: &str| text.parse::<u128>().expect("a number");
    let (from, to) = (bound(range.starting_hash_key()), bound(range.ending_hash_key()));
    let middle = (from + (to - from) / 2).to_string();
    let request = client.split_shard().stream_name(STREAM).shard_to_split(shards[0].shard_id());
    request.new_starting_hash_key(middle).send().await.expect("it splits");
    assert_eq!(open_shards(client).await.len(), shards.len() + 1);
}

async fn merge(client: &Client) {
    let mut shards = open_shards(client).await;
    shards.sort_by_key(|shard| shard.hash_key_range().and_then(|range| range.starting_hash_key().parse::<u128>().ok()));
    let request = client.merge_shards().stream_name(STREAM).shard_to_merge(shards[0].shard_id());
    request.adjacent_shard_to_merge(shards[1].shard_id()).send().await.expect("they merge");
    assert_eq!(open_shards(client).await.len(), shards.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_strangers_stream_in_another_strangers_table_equal_the_truth() {
    let (kinesis, dynamodb) = (Kinesalite::start(), StandIn::start());
    let folder = tempfile::tempdir().unwrap();
    let log = &folder.path().join("log");
    let client = clients::kinesis(&kinesis.endpoint);
    client.create_stream().stream_name(STREAM).shard_count(2).send().await.unwrap();
    open_shards(&client).await;
    let made = headcount(&dynamodb.endpoint, log, &["init", "--kinesis-endpoint", &kinesis.endpoint, "--shards", "2"]);
    let made = { made }.output().unwrap();
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.contains("table headcount: made"), "{said}{}", String::from_utf8_lossy(&made.stderr));

    let data_dir = folder.path().to_str().unwrap();
    let consume = ["consume", "--data-dir", data_dir, "--kinesis-endpoint", &kinesis.endpoint, "--window", "0"];
    let (records, truth) = generate(Utc::now().date_naive());
    let (first, rest) = records.split_at(records.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let mut consuming = headcount(&dynamodb.endpoint, log, &consume).stdout(Stdio::null()).spawn().unwrap();
    put(&client, first).await;
    split(&client).await;
    put(&client, second).await;
    merge(&client).await;
    // In the middle of its work.
    consuming.kill().unwrap();
    consuming.wait().unwrap();
    put(&client, third).await;
    let once = [&consume[..], &["--once", "--json"]].concat();
    let outcome = tokio::task::block_in_place(|| answer(headcount(&dynamodb.endpoint, log, &once), b""));
    assert_eq!((&outcome["failures"], &outcome["kept"]), (&Value::from(0), &Value::from(0)));
    let again = tokio::task::block_in_place(|| answer(headcount(&dynamodb.endpoint, log, &once), b""));
    assert_eq!(again["records"], 0, "how far it came outlives it");

    let ask =
        |arguments: &[&str]| tokio::task::block_in_place(|| answer(headcount(&dynamodb.endpoint, log, arguments), b""));
    ask(&["rollup", "--json"]);
    let (from, to) = (truth.dates()[0].to_string(), Utc::now().date_naive().to_string());
    let metrics = ask(&["metrics", "--json", "--from", &from, "--to", &to]);
    let days = metrics["days"].as_array().unwrap();
    let rejected: u64 = days.iter().filter_map(|day| day["rejected"].as_u64()).sum();
    assert_eq!(rejected, truth.rejected);
    for date in truth.dates() {
        let day = days.iter().find(|day| day["date"] == date.to_string()).expect("the day has figures");
        // What a producer sent again, and another process than the first one's took, is in the log twice and said to be.
        let repeated = ask(&["verify", "--json", "--date", &date.to_string()])["repeated"].as_u64().unwrap();
        let (mut events, mut in_truth) = (0, 0);
        for (path, expected) in truth.figures(date) {
            let found = day.pointer(path).unwrap_or(&Value::Null);
            if path == "/eventsByType" {
                (events, in_truth) = (sum(found), sum(&expected));
            }
            assert!(repeated > 0 || is_same(found, &expected), "{date} {path}: {found}, in truth {expected}");
        }
        assert_eq!(events, in_truth + repeated, "{date}");
    }
    // Proven, they are the truth also where the log has an event twice.
    let dates: Vec<String> = truth.dates().iter().flat_map(|date| ["--date".to_owned(), date.to_string()]).collect();
    let dates: Vec<&str> = dates.iter().map(String::as_str).collect();
    let proved = ask(&[&["prove", "--json"], &dates[..]].concat());
    assert_eq!(proved["clean"], true, "{proved}");
    let metrics = ask(&["metrics", "--json", "--from", &from, "--to", &to]);
    for date in truth.dates() {
        let day = metrics["days"].as_array().unwrap().iter().find(|day| day["date"] == date.to_string()).unwrap();
        assert_eq!(day["verified"], true, "{day:#}");
        for (path, expected) in truth.figures(date) {
            let found = day.pointer(path).unwrap_or(&Value::Null);
            assert!(is_same(found, &expected), "{date} {path}: {found} proven, in truth {expected}");
        }
    }
}
