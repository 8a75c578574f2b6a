//! A log, a table, records, and a consumer that may be warm or cold.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::deps::{Deps, Settings};
use headcount_consumer::handler::{HandleError, consume};
use headcount_consumer::outcome::Outcome;
use headcount_core::limits::{DAY_MS, DEFAULT_LOG_RETENTION_DAYS};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::traits::FollowStore;
use headcount_testkit::memory::MemoryStore;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

/// Noon of the first day, 2026-03-01.
pub(crate) const NOON: i64 = 1_772_366_400_000;

pub(crate) fn day(n: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(NOON + n * DAY_MS).unwrap().date_naive()
}

pub(crate) fn source(shard: u32) -> Source {
    Source::shard("events", None, &format!("shardId-{shard:012}")).unwrap()
}

/// A page view that breaks no rule.
pub(crate) fn event(id: &str, user: &str, at_ms: i64) -> Value {
    json!({
        "eventId": id, "userId": user, "sessionId": format!("s-{user}"), "eventType": "page_view", "timestamp": at_ms,
        "metadata": {"userAgent": "test", "ipAddress": "10.1.2.3", "platform": "web"},
    })
}

/// A record that arrived a minute after noon of the first day.
pub(crate) fn record(sequence: u64, events: &[Value]) -> Record {
    of_bytes(sequence, Value::from(events.to_vec()).to_string().into_bytes())
}

pub(crate) fn of_bytes(sequence: u64, data: Vec<u8>) -> Record {
    Record { sequence: sequence.into(), arrived_ms: NOON + 60_000, data }
}

/// Where log and table lie, whatever process uses them.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) table: MemoryStore,
    /// A minute after noon of the first day.
    began: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { objects: Arc::new(InMemory::new()), table: MemoryStore::new(), began: Instant::now() }
    }

    pub(crate) fn log(&self) -> Log {
        Log::new(self.objects.clone(), Jitter::from_seed(2))
    }

    /// A process that knows nothing yet.
    pub(crate) fn cold(&self) -> Deps<MemoryStore> {
        self.cold_with(self.table.clone())
    }

    /// The same, with another way to the table.
    pub(crate) fn cold_with<S>(&self, store: S) -> Deps<S> {
        deps(self.log(), store, self.began)
    }

    /// The source's partial of a day, as it is stored.
    pub(crate) fn partial(&self, day: NaiveDate, source: &Source) -> Partial {
        let mut partials = self.table.all_partials().into_iter();
        let found = partials.find(|partial| partial.date == day && partial.source == *source);
        Partial::decode(&found.unwrap_or_else(|| panic!("no partial of {day} {source}"))).unwrap()
    }

    /// The ids of all events in the source's log, entry by entry.
    pub(crate) async fn logged(&self, source: &Source) -> Vec<Vec<String>> {
        let (log, until) = (self.log(), Instant::now() + Duration::from_secs(10));
        let mut entries = Vec::new();
        for listed in log.list_after(source, 0, 1_000, until).await.unwrap() {
            let opened = log.read(source, listed.entry, until).await.unwrap().open().unwrap();
            let content = opened.content().unwrap();
            let events = content.days.values().flat_map(|day| &day.events);
            entries.push(events.map(|(_, event)| event.id.to_string()).collect());
        }
        entries
    }
}

fn deps<S>(log: Log, store: S, began: Instant) -> Deps<S> {
    let settings = Settings {
        rules: Rules::default(),
        zone: None,
        project: "test".to_owned(),
        log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
        stream_generation: None,
        items: ItemOptions::default(),
    };
    let clock = Clock::from_fn(move || NOON + 60_000 + began.elapsed().as_millis() as i64);
    Deps::new(log, store, clock, Jitter::from_seed(1), settings)
}

pub(crate) async fn try_run<S: FollowStore>(
    deps: &Deps<S>,
    shard: u32,
    records: &[Record],
) -> Result<Outcome, HandleError> {
    let batch = Batch::of_shard(source(shard), records.to_vec());
    consume(deps, &batch, Instant::now() + Duration::from_mins(5)).await
}

pub(crate) async fn run<S: FollowStore>(deps: &Deps<S>, shard: u32, records: &[Record]) -> Outcome {
    try_run(deps, shard, records).await.unwrap()
}
