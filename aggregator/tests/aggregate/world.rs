//! A small world to aggregate: a log and a table in memory, a clock, and the real consumer, which appends and follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_aggregator::roll_up::{DayRollUp, Outcome};
use headcount_aggregator::{AggregateError, Compute, Deps, RollUp, Settings, Verification, roll_up, verify};
use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::deps::{Deps as Consumer, Settings as ConsumerSettings};
use headcount_consumer::handler::consume;
use headcount_core::calendar::start_of;
use headcount_core::deployment::{Deployment, TableId};
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::MAX_EARLINESS_MS;
use headcount_core::metrics::{DailyMetrics, Figures};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::rows::Put;
use headcount_store::traits::{AggregatorStore, PartialStore, Stamp};
use headcount_testkit::memory::MemoryStore;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

pub(crate) const HOUR_MS: i64 = 60 * 60 * 1_000;
pub(crate) const FAR: i64 = 4_000_000_000;

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn source(n: u32) -> Source {
    Source::shard("events", None, &format!("shardId-{n:012}")).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

/// Clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) objects: Arc<InMemory>,
    pub(crate) store: MemoryStore,
    pub(crate) zone: Tz,
    pub(crate) settings: Settings,
    consumer: Arc<Consumer<MemoryStore>>,
    now_ms: Arc<AtomicI64>,
    /// The last sequence number of each source.
    delivered: Arc<Mutex<BTreeMap<Source, u64>>>,
}

impl World {
    /// It is noon, UTC, of `today`.
    pub(crate) fn new(today: &str) -> Self {
        Self::of(Tz::UTC, today)
    }

    pub(crate) fn of(zone: Tz, today: &str) -> Self {
        let objects = Arc::new(InMemory::new());
        // Few items a page, so that every listing has several.
        let store = MemoryStore::with_page_items(3);
        let now_ms: Arc<AtomicI64> = Arc::default();
        let settings = Settings { compute: Compute::InPlace, ..Settings::default() };
        let consumer = Arc::new(consumer(objects.clone(), store.clone(), zone, now_ms.clone()));
        let world = Self { objects, store, zone, settings, consumer, now_ms, delivered: Arc::default() };
        world.turn_to(today);
        world
    }

    /// Turns the clock to noon of `today`.
    pub(crate) fn turn_to(&self, today: &str) {
        self.now_ms.store(self.at(today, 12), Ordering::SeqCst);
    }

    /// Turns the clock on.
    pub(crate) fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// `hour` o'clock of the day, counted from its beginning.
    pub(crate) fn at(&self, day: &str, hour: i64) -> i64 {
        start_of(self.zone, date(day)) + hour * HOUR_MS
    }

    pub(crate) fn log(&self) -> Log {
        Log::new(self.objects.clone(), Jitter::from_seed(9))
    }

    pub(crate) fn deps(&self) -> Deps<MemoryStore> {
        self.deps_over(self.store.clone(), 1)
    }

    pub(crate) fn deps_over<S: AggregatorStore>(&self, store: S, seed: u64) -> Deps<S> {
        let now_ms = self.now_ms.clone();
        let clock = Clock::from_fn(move || now_ms.load(Ordering::SeqCst));
        Deps::new(self.log(), store, clock, Jitter::from_seed(seed), self.settings)
    }

    /// The consumer of another process, which knows nothing yet.
    #[must_use]
    pub(crate) fn with_cold_consumer(self) -> Self {
        let consumer = consumer(self.objects.clone(), self.store.clone(), self.zone, self.now_ms.clone());
        Self { consumer: Arc::new(consumer), ..self }
    }

    pub(crate) async fn roll_up(&self) -> RollUp {
        roll_up(&self.deps(), None, soon()).await.unwrap()
    }

    pub(crate) async fn roll_up_named(&self, dates: &[&str]) -> RollUp {
        let dates: Vec<_> = dates.iter().map(|text| date(text)).collect();
        roll_up(&self.deps(), Some(&dates), soon()).await.unwrap()
    }

    pub(crate) async fn verify(&self, day: &str) -> Result<Verification, AggregateError> {
        verify(&self.deps(), date(day), soon()).await
    }

    /// The stored figures of a day.
    pub(crate) fn figures(&self, day: &str) -> Figures {
        let rows = self.store.all_dailies();
        let row = rows.iter().find(|row| row.date == date(day)).unwrap_or_else(|| panic!("no DAILY of {day}"));
        DailyMetrics::from_object(&row.data).unwrap().figures
    }

    /// One batch of one record that holds these events: appended and followed.
    pub(crate) async fn deliver(&self, source: &Source, events: &[Value]) {
        self.consume(source, serde_json::to_vec(events).unwrap()).await;
    }

    /// The same while the table does not answer: appended, and not followed.
    pub(crate) async fn append(&self, source: &Source, events: &[Value]) {
        self.store.set_outage(true);
        self.deliver(source, events).await;
        self.store.set_outage(false);
    }

    /// `count` events of one record that break a rule.
    pub(crate) async fn reject(&self, source: &Source, count: usize) {
        self.deliver(source, &vec![json!({"userId": ""}); count]).await;
    }

    async fn consume(&self, source: &Source, data: Vec<u8>) {
        let sequence = {
            let mut delivered = self.delivered.lock();
            let last = delivered.entry(source.clone()).or_default();
            *last += 1;
            *last
        };
        let record = Record { sequence: sequence.into(), arrived_ms: self.now_ms(), data };
        let batch = Batch::of_shard(source.clone(), vec![record]);
        // A virtual minute: what follows an outage is tried until then.
        let outcome = consume(&self.consumer, &batch, Instant::now() + Duration::from_mins(1)).await.unwrap();
        assert_eq!((outcome.failed_from, outcome.entries), (None, 1));
    }

    /// Removes an entry of the log.
    pub(crate) async fn lose_entry(&self, source: &Source, entry: u64) {
        self.objects.delete(&entry_path(source, entry)).await.unwrap();
    }

    /// Changes the last byte of an entry.
    pub(crate) async fn damage_entry(&self, source: &Source, entry: u64) {
        let path = entry_path(source, entry);
        let mut bytes = self.objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 0xff;
        self.objects.put(&path, bytes.into()).await.unwrap();
    }

    /// Changes a byte of an entry's header.
    pub(crate) async fn damage_header(&self, source: &Source, entry: u64) {
        let path = entry_path(source, entry);
        let mut bytes = self.objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[12] ^= 0xff;
        self.objects.put(&path, bytes.into()).await.unwrap();
    }

    pub(crate) fn table(&self) -> TableId {
        self.store.meta().unwrap().table
    }

    /// Writes a source's partial as it was never counted.
    pub(crate) async fn change_partial(&self, day: &str, source: &Source, change: impl FnOnce(&mut Partial)) {
        let table = self.table();
        let record = self.store.read_partial(table, date(day), source).await.unwrap().unwrap();
        let mut partial = Partial::decode(&record).unwrap();
        change(&mut partial);
        partial.version += 1;
        let stamp = Stamp { now_ms: 1, expires_s: FAR };
        let put = self.store.write_partial(table, &partial.encode(), record.version, stamp).await.unwrap();
        assert_eq!(put, Put::Written);
    }
}

pub(crate) fn entry_path(source: &Source, entry: u64) -> Path {
    Path::from(format!("log/{source}/{entry:012}.ndjson.zst"))
}

fn consumer(objects: Arc<InMemory>, store: MemoryStore, zone: Tz, now_ms: Arc<AtomicI64>) -> Consumer<MemoryStore> {
    // A record of any age: tests write history.
    let rules = Rules::new(Vec::new(), None, MAX_EARLINESS_MS, IpPolicy::Keep).unwrap();
    let settings = ConsumerSettings {
        rules,
        zone: Some(zone),
        project: "test".to_owned(),
        log_retention_days: 90,
        stream_generation: None,
        items: ItemOptions::default(),
    };
    let clock = Clock::from_fn(move || now_ms.load(Ordering::SeqCst));
    Consumer::new(Log::new(objects, Jitter::from_seed(7)), store, clock, Jitter::from_seed(8), settings)
}

/// Another deployment's record.
pub(crate) fn other_deployment() -> Deployment {
    Deployment::new("other".to_owned(), Tz::UTC, "test")
}

/// A user looks at a page; each user has one session a day.
pub(crate) fn page_view(id: &str, user: &str, at_ms: i64) -> Value {
    event("page_view", id, user, at_ms, json!({}))
}

pub(crate) fn feature_use(id: &str, feature: &str, at_ms: i64) -> Value {
    event("feature_use", id, "ann", at_ms, json!({"feature": feature}))
}

fn event(event_type: &str, id: &str, user: &str, at_ms: i64, event_data: Value) -> Value {
    json!({
        "eventId": id,
        "userId": user,
        "sessionId": format!("session of {user}"),
        "eventType": event_type,
        "timestamp": at_ms,
        "eventData": event_data,
        "metadata": {"platform": "web", "userAgent": "test", "ipAddress": "203.0.113.9"},
    })
}

/// What a roll-up did about a day.
#[track_caller]
pub(crate) fn day<'a>(rolled_up: &'a RollUp, day: &str) -> &'a DayRollUp {
    let found = rolled_up.days.iter().find(|found| found.date == date(day));
    found.unwrap_or_else(|| panic!("nothing about {day} in {rolled_up:?}"))
}

/// The dates of a roll-up with this outcome.
pub(crate) fn dates_with(rolled_up: &RollUp, outcome: &Outcome) -> Vec<String> {
    rolled_up.days.iter().filter(|day| day.outcome == *outcome).map(|day| day.date.to_string()).collect()
}
