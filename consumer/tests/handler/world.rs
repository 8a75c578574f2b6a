//! A source, its records, and one warm consumer.

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use chrono::{DateTime, NaiveDate};
use headcount_consumer::deps::{Deps, Feed, Settings};
use headcount_consumer::handler::{HandleError, consume};
use headcount_consumer::outcome::Outcome;
use headcount_core::limits::DAY_MS;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::validate::Rules;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::memory::MemoryStore;
use headcount_store::traits::ConsumerStore;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

/// Noon of the first day, 2026-03-01.
pub(crate) const NOON: i64 = 1_772_366_400_000;

pub(crate) fn day(n: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(NOON + n * DAY_MS).unwrap().date_naive()
}

pub(crate) fn source(shard: u32) -> Source {
    Source::new("events", &format!("shardId-{shard:012}"))
}

/// A page view that breaks no rule.
pub(crate) fn event(id: &str, user: &str, at_ms: i64) -> Value {
    json!({
        "eventId": id, "userId": user, "sessionId": format!("s-{user}"), "eventType": "page_view", "timestamp": at_ms,
        "metadata": {"userAgent": "test", "ipAddress": "10.1.2.3", "platform": "web"},
    })
}

/// One record: its sequence number and data.
pub(crate) type Record = (u64, Vec<u8>);

pub(crate) fn record(sequence: u64, events: &[Value]) -> Record {
    (sequence, Value::from(events.to_vec()).to_string().into_bytes())
}

/// The invocation for these records of a shard, which arrived a minute after noon of the first day.
pub(crate) fn invocation(shard: u32, records: &[Record]) -> KinesisEvent {
    let mut event = KinesisEvent::default();
    for (sequence, data) in records {
        let mut record = KinesisEventRecord::default();
        record.event_id = Some(format!("shardId-{shard:012}:{sequence}"));
        record.event_source_arn = Some("arn:aws:kinesis:us-east-1:000000000000:stream/events".to_owned());
        record.kinesis.sequence_number = sequence.to_string();
        record.kinesis.data.0.clone_from(data);
        record.kinesis.approximate_arrival_timestamp.0 = DateTime::from_timestamp_millis(NOON + 60_000).unwrap();
        event.records.push(record);
    }
    event
}

pub(crate) fn deps<S>(store: S) -> Deps<S> {
    let settings = Settings { rules: Rules::default(), zone: None, project: "test".to_owned(), feed: Feed::Mapping };
    Deps::new(store, Clock::from_fn(|| NOON + 60_000), Jitter::from_seed(1), settings)
}

pub(crate) async fn try_run<S: ConsumerStore>(
    deps: &Deps<S>,
    shard: u32,
    records: &[Record],
) -> Result<Outcome, HandleError> {
    consume(deps, invocation(shard, records), Instant::now() + Duration::from_mins(5)).await
}

pub(crate) async fn run<S: ConsumerStore>(deps: &Deps<S>, shard: u32, records: &[Record]) -> Outcome {
    try_run(deps, shard, records).await.unwrap()
}

/// The source's partial of a day, as it is stored.
pub(crate) fn partial(store: &MemoryStore, day: NaiveDate, source: &Source) -> Partial {
    let found = store.all_partials().into_iter().find(|partial| partial.date == day && partial.source == *source);
    Partial::decode(&found.unwrap_or_else(|| panic!("no partial of {day} {source}"))).unwrap()
}
