//! The real consumer, aggregator and prover on the embedded table and a log in memory, by a clock that the test turns. What they ask
//! of either is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use headcount_aggregator::handler::{Handled, handle};
use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::deps::{Deps, Settings};
use headcount_consumer::handler::consume;
use headcount_core::limits::{DEFAULT_LATENESS_MS, DEFAULT_LOG_RETENTION_DAYS, MAX_EARLINESS_MS};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_local::table::{Table, TableOptions};
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect_metered;
use headcount_store::dynamo::meter::{Meter, UnitsUsed};
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::rows::{FirstDay, Put};
use headcount_store::traits::{PartialStore as _, Stamp, UserStore as _};
use headcount_testkit::objects::FaultyObjects;
use headcount_testkit::objects::plan::{Decision, Operation, Request};
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What was asked of the table and of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) units: UnitsUsed,
    /// Requests that S3 bills as puts, listings among them.
    pub(super) puts: f64,
    pub(super) gets: f64,
}

impl Asked {
    pub(super) fn plus(&self, other: &Self) -> Self {
        let (a, b) = (self.units, other.units);
        Self {
            units: UnitsUsed {
                batched_puts: a.batched_puts + b.batched_puts,
                batched_copies: a.batched_copies + b.batched_copies,
                puts: a.puts + b.puts,
                indexed_puts: a.indexed_puts + b.indexed_puts,
                reads: a.reads + b.reads,
            },
            puts: self.puts + other.puts,
            gets: self.gets + other.gets,
        }
    }
}

/// One deployment.
pub(super) struct World {
    now_ms: Arc<AtomicI64>,
    table: Table,
    objects: FaultyObjects,
    requests: BTreeMap<Operation, u64>,
    pub(super) meter: Meter,
    pub(super) consumer: Deps<DynamoStore>,
    pub(super) aggregator: headcount_aggregator::Deps<DynamoStore>,
    sequence: u64,
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(5)
}

pub(super) fn shard(number: u32) -> Source {
    Source::shard("headcount-events", None, &format!("shardId-{number:012}")).unwrap()
}

impl World {
    /// New, at this time.
    pub(super) async fn new(now_ms: i64, items: ItemOptions) -> Self {
        // Of days long past: nothing may be swept meanwhile.
        let options = TableOptions { ttl_interval: Duration::from_hours(24), ..TableOptions::default() };
        let table = Table::start(options).await.unwrap();
        let (connection, meter) = connect_metered(&ConnectOptions::local(table.endpoint())).await;
        create_tables(&connection, &Tables::one("headcount"), soon()).await.unwrap();
        let store = DynamoStore::new(connection, Tables::one("headcount"));
        let rules = Rules::new(Vec::new(), Some(DEFAULT_LATENESS_MS), MAX_EARLINESS_MS, "keep".parse().unwrap());
        let settings = Settings {
            rules: rules.unwrap(),
            zone: None,
            project: "tests".into(),
            log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
            stream_generation: None,
            items,
        };
        let time = Arc::new(AtomicI64::new(now_ms));
        let (of_objects, of_functions) = (time.clone(), time.clone());
        let clock = Clock::from_fn(move || of_functions.load(Ordering::SeqCst));
        let objects = FaultyObjects::with_clock(
            InMemory::new(),
            |_: &Request<'_>| Decision::default(),
            move || DateTime::from_timestamp_millis(of_objects.load(Ordering::SeqCst)).unwrap(),
        );
        let log = |seed| Log::new(Arc::new(objects.clone()), Jitter::from_seed(seed));
        let settings_of_runs = headcount_aggregator::Settings { items, ..headcount_aggregator::Settings::default() };
        let aggregator = headcount_aggregator::Deps::new(
            log(1),
            store.clone(),
            clock.clone(),
            Jitter::from_seed(2),
            settings_of_runs,
        )
        .with_alarms(headcount_aggregator::Alarms::Log);
        let consumer = Deps::new(log(3), store, clock, Jitter::from_seed(4), settings);
        Self { now_ms: time, table, objects, requests: BTreeMap::new(), meter, consumer, aggregator, sequence: 0 }
    }

    pub(super) async fn stop(self) {
        self.table.stop().await;
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    pub(super) fn turn_to(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// What was asked since the last time.
    pub(super) fn take(&mut self) -> Asked {
        let requests = self.objects.requests();
        let new = |operations: &[Operation]| -> f64 {
            let count = |operation| {
                let of = |counted: &BTreeMap<Operation, u64>| counted.get(operation).copied().unwrap_or(0);
                of(&requests) - of(&self.requests)
            };
            operations.iter().map(count).sum::<u64>() as f64
        };
        let (puts, gets) =
            (new(&[Operation::Create, Operation::Put, Operation::List]), new(&[Operation::Get, Operation::Head]));
        self.requests = requests;
        Asked { units: self.meter.take(), puts, gets }
    }

    /// Makes the users' profiles, as an earlier day left them.
    pub(super) async fn meet(&self, user: &str, date: NaiveDate, seen_ms: i64) {
        let first = FirstDay { user_id: user.to_owned(), date, seen_ms };
        assert_eq!(self.consumer.store.put_first_day(&first).await, Ok(Put::Written));
    }

    /// Stores a partial as if it were folded up to its shard's first entry.
    pub(super) async fn store_partial(&self, mut partial: Partial) {
        let deployment = self.consumer.deployment(soon()).await.unwrap();
        let table = self.consumer.table(&deployment, soon()).await.unwrap();
        partial.version = 1;
        let stamp = Stamp { now_ms: self.now_ms(), expires_s: self.now_ms() / 1_000 };
        let written = self.consumer.store.write_partial(table.id, &partial.encode(), 0, stamp).await;
        assert_eq!(written, Ok(Put::Written));
    }

    /// Delivers a batch to the consumer, one event a record.
    pub(super) async fn deliver(&mut self, source: &Source, events: Vec<Vec<u8>>) {
        let arrived_ms = self.now_ms();
        let mut record = |data| {
            self.sequence += 1;
            Record { sequence: format!("5{:055}", self.sequence).parse().unwrap(), arrived_ms, data }
        };
        let records = events.into_iter().map(&mut record).collect();
        let batch = Batch::of_shard(source.clone(), records);
        let outcome = consume(&self.consumer, &batch, soon()).await.unwrap();
        assert_eq!(outcome.failed_from, None);
        assert_eq!(outcome.entries, 1, "a batch is one put to the log");
    }

    /// Invokes the aggregator's function.
    pub(super) async fn invoke(&self, event: Value) -> Handled {
        handle(&self.aggregator, &event, Duration::from_mins(15)).await.unwrap()
    }
}

/// An event of exactly so many bytes, or one that breaks a rule.
pub(super) fn event(bytes: f64, id: u64, user: &str, is_valid: bool, at_ms: i64) -> Vec<u8> {
    let text = |agent: &str| {
        let mut event = json!({
            "eventId": format!("0198f2b1-5c1e-7cc3-9b2a-{id:012}"), "userId": user, "sessionId": format!("of-{user}"),
            "eventType": "page_view", "timestamp": at_ms,
            "metadata": {"userAgent": agent, "ipAddress": "203.0.113.9", "platform": "web"},
        });
        if !is_valid {
            event["eventType"] = "no_such_type".into();
        }
        event.to_string()
    };
    let agent = "a".repeat(bytes as usize - text("").len());
    text(&agent).into_bytes()
}
