//! The producer against a stream behind a proxy that refuses a part of each request, throttles, fails, resets connections
//! before and after effect, and delays: a hundred thousand queued events arrive, none lost, none under a second identity.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_kinesis::types::ShardIteratorType;
use headcount_core::origin::Source;
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};
use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};
use headcount_producer::{NewEvent, Producer};
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Burst, Fault, Rates, seed_of_run};

const EVENTS: usize = 100_000;

/// Bytes that may wait: what all events take is many times as much.
const MAX_WAITING_BYTES: usize = 4 << 20;

const PATIENCE: Duration = Duration::from_mins(5);

fn event(number: usize) -> NewEvent {
    NewEvent::new("feature_use", &format!("user-{}", number % 5_000), &format!("session-{}", number % 9_000))
        .metadata("Mozilla/5.0 (X11; Linux x86_64)", "203.0.113.9", "web")
        .data("feature", ["search", "export", "share"][number % 3])
        .data("number", number)
}

/// Every event in the stream: how often each (id, time) is there, and the largest record.
async fn read(stream: &Stream) -> (BTreeMap<(String, i64), u32>, usize) {
    let client = clients::kinesis(&stream.endpoint());
    let (mut found, mut largest) = (BTreeMap::new(), 0);
    for shard in client.list_shards().stream_name(stream.name()).send().await.unwrap().shards() {
        let start = client.get_shard_iterator().stream_name(stream.name()).shard_id(shard.shard_id());
        let mut at = start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap().shard_iterator;
        while let Some(iterator) = at {
            let page = client.get_records().shard_iterator(iterator).send().await.unwrap();
            for record in page.records() {
                let arrived_ms = record.approximate_arrival_timestamp().unwrap().to_millis().unwrap();
                let source = Source::shard(stream.name(), None, shard.shard_id()).unwrap();
                let arrival = Arrival { source, sequence: record.sequence_number().parse().unwrap(), arrived_ms };
                largest = largest.max(record.data().as_ref().len());
                let opened = OpenedRecord::open(record.data().as_ref());
                let decoded = opened.decode(&arrival, &Rules::default());
                assert_eq!(decoded.rejections, vec![]);
                for (_, event) in decoded.events {
                    *found.entry((event.id.into_owned(), event.timestamp_ms)).or_default() += 1;
                }
            }
            at = page.next_shard_iterator.filter(|_| !page.records.is_empty());
        }
    }
    (found, largest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_queued_events_arrive_whatever_the_network_does() {
    let seed = seed_of_run("producing");
    let stream = Stream::start(StreamOptions::new("events", 3)).await.unwrap();
    let rates = Rates { partial: 0.5, longest_delay: Duration::from_millis(40), ..Rates::stormy() };
    let proxy = FaultProxy::start(seed, rates, Some(Burst { every: 40, length: 5 })).await.unwrap();
    proxy.forward_to(&stream.endpoint());
    let producer = Producer::builder()
        .max_waiting_bytes(MAX_WAITING_BYTES)
        .linger(Duration::from_millis(50))
        .retry_for(PATIENCE)
        .seed(seed)
        .build(&clients::kinesis(&proxy.endpoint()), stream.name())
        .unwrap();

    let mut sent = BTreeSet::new();
    let mut full = 0_u32;
    for number in 0..EVENTS {
        let receipt = match producer.queue(event(number)) {
            Err(headcount_producer::ProducerError::QueueFull { event, .. }) => {
                full += 1;
                producer.queue_wait(event).await.unwrap()
            }
            queued => queued.unwrap(),
        };
        assert!(sent.insert((receipt.event_id, receipt.timestamp_ms)));
        assert!(producer.counts().waiting_bytes <= MAX_WAITING_BYTES as u64);
    }
    producer.close(PATIENCE).await.unwrap();
    let (counts, faults) = (producer.counts(), proxy.counts());
    eprintln!("{counts:?}; the queue was full {full} times; requests: {faults:?}");

    let (found, largest) = read(&stream).await;
    assert_eq!(found.len(), EVENTS, "as many events as were queued, each under one id and time");
    assert!(found.keys().eq(&sent), "and they are the same ones");
    assert!(largest <= headcount_producer::limits::MAX_RECORD_BYTES);
    assert_eq!((counts.queued, counts.sent, counts.waiting_events), (EVENTS as u64, EVENTS as u64, 0));
    assert!(counts.most_waiting_bytes <= MAX_WAITING_BYTES as u64 && full > 0, "{counts:?}");
    assert!(counts.retried > 0 && counts.refused == 0, "{counts:?}");
    for kind in [Fault::Throttle, Fault::Partial].map(Fault::name) {
        assert!(faults.get(kind).is_some_and(|count| *count > 0), "{kind} never struck: {faults:?}");
    }
    let resets: u64 = [Fault::ResetBefore, Fault::ResetAfter].iter().filter_map(|one| faults.get(one.name())).sum();
    assert!(resets > 0, "no connection was reset: {faults:?}");
    stream.stop().await;
}
