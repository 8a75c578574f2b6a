use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use headcount_core::origin::SequenceNumber;

use super::*;
use crate::clients;

const PATIENCE: Duration = Duration::from_secs(30);

fn kept_in(dir: &Path, shards: u32) -> StreamOptions {
    StreamOptions { data_dir: Some(dir.to_owned()), ..StreamOptions::new("events", shards) }
}

/// Puts a record under each of 40 partition keys, so that every shard gets some; each open shard's highest number.
async fn put_everywhere(client: &Client) -> BTreeMap<String, SequenceNumber> {
    let mut highest = BTreeMap::new();
    for key in 0..40 {
        let put = client.put_record().stream_name("events").partition_key(key.to_string()).data(Blob::new("x"));
        let answer = put.send().await.unwrap();
        let number: SequenceNumber = answer.sequence_number().parse().unwrap();
        highest.insert(answer.shard_id().to_owned(), number);
    }
    highest
}

async fn split_first(client: &Client) {
    let shards = client.list_shards().stream_name("events").send().await.unwrap();
    let before = shards.shards().len();
    let first = shards.shards()[0].shard_id();
    client
        .split_shard()
        .stream_name("events")
        .shard_to_split(first)
        .new_starting_hash_key("1000")
        .send()
        .await
        .unwrap();
    let split = async {
        while client.list_shards().stream_name("events").send().await.unwrap().shards().len() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, split).await.expect("the split happens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_hands_out_higher_numbers_on_every_lane() {
    let dir = tempfile::tempdir().unwrap();
    let mut last: BTreeMap<String, SequenceNumber> = BTreeMap::new();
    // At once, one after the other; the second start finds lanes that a split made in the first, and the other way round.
    for (shards, split) in [(2, true), (4, false), (4, false), (2, false), (1, false)] {
        let stream = Stream::start(kept_in(dir.path(), shards)).await.unwrap();
        let client = clients::kinesis(&stream.endpoint());
        if split {
            split_first(&client).await;
        }
        for (lane, number) in put_everywhere(&client).await {
            let before = last.insert(lane.clone(), number.clone());
            assert!(before.as_ref() < Some(&number), "{lane}: {number:?} after {before:?}");
        }
        stream.stop().await;
    }
    assert_eq!(last.len(), 4, "all lanes were used: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_of_a_resharding_after_a_restart_go_on_too() {
    let dir = tempfile::tempdir().unwrap();
    let first = Stream::start(kept_in(dir.path(), 4)).await.unwrap();
    let before = put_everywhere(&clients::kinesis(&first.endpoint())).await;
    first.stop().await;

    let second = Stream::start(kept_in(dir.path(), 1)).await.unwrap();
    let client = clients::kinesis(&second.endpoint());
    // shardId-...1 and 2 come from the split here; they came from the start before.
    split_first(&client).await;
    for (lane, number) in put_everywhere(&client).await {
        assert!(before[&lane] < number, "{lane}");
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_deleted_and_created_by_a_client_goes_on() {
    let stream = Stream::start(StreamOptions::new("events", 2)).await.unwrap();
    let client = clients::kinesis(&stream.endpoint());
    let before = put_everywhere(&client).await;
    client.delete_stream().stream_name("events").send().await.unwrap();
    let gone = async {
        while client.describe_stream_summary().stream_name("events").send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the stream is deleted");
    client.create_stream().stream_name("events").shard_count(2).send().await.unwrap();
    let there = async {
        while client.list_shards().stream_name("events").send().await.is_ok_and(|shards| shards.shards().is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("the stream is active");
    for (lane, number) in put_everywhere(&client).await {
        assert!(before[&lane] < number, "{lane}");
    }
    stream.stop().await;
}

/// Reads the shard until `done` says that nothing more comes; the data of the records in order. A read that finds
/// nothing is the last one only if all was done before it: a put may come between the read and the question.
async fn read_all(client: &Client, limit: i32, done: impl Fn() -> bool) -> Vec<Vec<u8>> {
    let first = client
        .get_shard_iterator()
        .stream_name("events")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut next = first.send().await.unwrap().shard_iterator;
    let mut seen = Vec::new();
    while let Some(iterator) = next {
        let last = done();
        let read = client.get_records().shard_iterator(iterator).limit(limit).send().await.unwrap();
        let empty = read.records().is_empty();
        seen.extend(read.records().iter().map(|record| record.data().as_ref().to_vec()));
        next = read.next_shard_iterator;
        if empty && last {
            break;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_many_producers_misses_nothing() {
    const PRODUCERS: usize = 8;
    const EACH: usize = 100;
    let stream = Stream::start(StreamOptions::new("events", 1)).await.unwrap();
    let finished = Arc::new(AtomicBool::new(false));
    let producers = (0..PRODUCERS).map(|producer| {
        let client = clients::kinesis(&stream.endpoint());
        tokio::spawn(async move {
            for number in 0..EACH {
                let entries = (0..3).map(|index| {
                    let data = Blob::new(format!("{producer}/{number}/{index}"));
                    PutRecordsRequestEntry::builder().partition_key("k").data(data).build().unwrap()
                });
                let put = client.put_records().stream_name("events").set_records(Some(entries.collect()));
                assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
            }
        })
    });
    let producers: Vec<_> = producers.collect();
    let reader = {
        let (client, finished) = (clients::kinesis(&stream.endpoint()), Arc::clone(&finished));
        tokio::spawn(async move { read_all(&client, 10_000, || finished.load(Ordering::Acquire)).await })
    };
    for producer in producers {
        producer.await.unwrap();
    }
    finished.store(true, Ordering::Release);
    let seen = tokio::time::timeout(PATIENCE, reader).await.expect("the reader ends").unwrap();
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    let all = (0..PRODUCERS).flat_map(|producer| {
        (0..EACH).flat_map(move |number| (0..3).map(move |index| format!("{producer}/{number}/{index}")))
    });
    let missed: Vec<String> = all.filter(|data| !once.contains(data.as_bytes())).collect();
    assert!(missed.is_empty(), "missed {missed:?}");
    assert_eq!((seen.len(), once.len()), (PRODUCERS * EACH * 3, PRODUCERS * EACH * 3), "each record once");
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_pass_and_larger_ones_are_refused_in_words() {
    let stream = Stream::start(StreamOptions::new("events", 1)).await.unwrap();
    let client = clients::kinesis(&stream.endpoint());
    let put = async |records: usize, bytes: usize| {
        let entry = || PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new(vec![b'x'; bytes]));
        let entries = (0..records).map(|_| entry().build().unwrap()).collect();
        client.put_records().stream_name("events").set_records(Some(entries)).send().await
    };
    put(4, 1 << 20).await.expect("4 MiB in one request");
    let refused = put(14, 1 << 20).await.unwrap_err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("too large") || refused.contains("413"), "{refused}");
    put(1, 10).await.expect("the stream goes on");
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_processed_can_be_trimmed() {
    let stream = Stream::start(StreamOptions::new("events", 1)).await.unwrap();
    let client = clients::kinesis(&stream.endpoint());
    let mut numbers = Vec::new();
    for number in 0..10 {
        let put = client.put_record().stream_name("events").partition_key("k").data(Blob::new(number.to_string()));
        numbers.push(put.send().await.unwrap().sequence_number().to_owned());
    }
    let lane = |number: &String| BTreeMap::from([("shardId-000000000000".to_owned(), number.clone())]);
    assert_eq!(stream.trim(&lane(&numbers[9])).await, 0, "few records stay");
    let before = stream.retained_bytes();
    assert_eq!(stream.trim_now(&lane(&numbers[6])).await, 6);
    assert!(stream.retained_bytes() < before);
    assert_eq!(read_all(&client, 100, || true).await, [b"6", b"7", b"8", b"9"]);
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_and_taken_places_are_named() {
    let check = async |options: StreamOptions, words: [&str; 2]| {
        let refused = Stream::start(options).await.unwrap_err().to_string();
        assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
    };
    check(StreamOptions::new("", 1), ["stream name", "1 to 128"]).await;
    check(StreamOptions::new("a b", 1), ["stream name", "letters"]).await;
    check(StreamOptions::new("x".repeat(129), 1), ["stream name", "128"]).await;
    check(StreamOptions::new("events", 0), ["shards", "not 0"]).await;
    check(StreamOptions::new("events", MAX_SHARDS + 1), ["shards", "not 501"]).await;

    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::start(kept_in(dir.path(), 1)).await.unwrap();
    let addr = stream.listener.addr();
    check(StreamOptions { addr, ..StreamOptions::new("events", 1) }, ["in use", "--kinesis-port"]).await;
    check(kept_in(dir.path(), 1), ["another process", "stream.lock"]).await;
    stream.stop().await;
    Stream::start(StreamOptions { addr, ..kept_in(dir.path(), 1) }).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_refused_and_nobody_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::start(kept_in(dir.path(), 1)).await.unwrap();
    // No retries, so that one put is one put.
    let retries = aws_sdk_kinesis::config::retry::RetryConfig::disabled();
    let config =
        aws_sdk_kinesis::config::Builder::from(&clients::config(&stream.endpoint(), None)).retry_config(retries);
    let client = Client::from_conf(config.build());
    let journal = dir.path().join(journal::FOLDER);
    let moved = dir.path().join("moved");
    let put = |data: &'static str| client.put_record().stream_name("events").partition_key("k").data(Blob::new(data));
    std::fs::rename(&journal, &moved).unwrap();
    let refused = put("lost").send().await.unwrap_err();
    assert_eq!(refused.raw_response().map(|response| response.status().as_u16()), Some(500), "{refused:?}");
    std::fs::rename(&moved, &journal).unwrap();
    put("kept").send().await.unwrap();
    assert_eq!(read_all(&client, 100, || true).await, [b"kept"]);
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_journal_came_when_its_readers_were_told_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::start(kept_in(dir.path(), 1)).await.unwrap();
    let client = clients::kinesis(&stream.endpoint());
    for _ in 0..200 {
        client.put_record().stream_name("events").partition_key("k").data(Blob::new("x")).send().await.unwrap();
    }
    let iterator = client
        .get_shard_iterator()
        .stream_name("events")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = iterator.send().await.unwrap().shard_iterator;
    let read = client.get_records().set_shard_iterator(iterator).send().await.unwrap();
    let told =
        |at: Option<&aws_sdk_kinesis::primitives::DateTime>| accepted::arrived_at(at.unwrap()).timestamp_millis();
    let told: Vec<i64> = read.records().iter().map(|record| told(record.approximate_arrival_timestamp())).collect();
    stream.stop().await;
    let mut again = Stream::start(kept_in(dir.path(), 1)).await.unwrap();
    let backlog = again.take_backlog();
    let kept: Vec<i64> = backlog.lanes[0].records.iter().map(|record| record.arrival_ms).collect();
    assert_eq!((told.len(), told), (200, kept));
    again.stop().await;
}

/// The embedded stream blocks a thread for a lock that another reader of it holds while it waits: two threads are soon used
/// up, unless one at a time is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_puts_at_once_are_written_down_and_none_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::start(kept_in(dir.path(), 2)).await.unwrap();
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..8 {
        let client = clients::kinesis(&stream.endpoint());
        producers.spawn(async move {
            for put in 0..25 {
                let entry = |n| {
                    let key = format!("{producer}-{put}-{n}");
                    PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new("x")).build().unwrap()
                };
                let put = client.put_records().stream_name("events").set_records(Some((0..100).map(entry).collect()));
                assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
            }
        });
    }
    tokio::time::timeout(PATIENCE, producers.join_all()).await.expect("no put stands still");
    stream.stop().await;
    let mut again = Stream::start(kept_in(dir.path(), 2)).await.unwrap();
    let kept: usize = again.take_backlog().lanes.iter().map(|lane| lane.records.len()).sum();
    assert_eq!(kept, 8 * 25 * 100);
    again.stop().await;
}
