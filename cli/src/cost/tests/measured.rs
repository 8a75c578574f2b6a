//! The formulas against what the embedded table says that the real consumer consumed.
//!
//! Batches as they would come at a rate and a window, at the end of a day, when the partial is largest. The consumer is
//! warm: it knows the source's partial and most users, but not those who come back after a pause. What is written once a
//! minute is measured by itself, and shared among the events of a minute.

use std::sync::Arc;
use std::time::Duration;

use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::deps::{Deps, Settings};
use headcount_consumer::handler::consume;
use headcount_core::limits::{DEFAULT_LATENESS_MS, DEFAULT_LOG_RETENTION_DAYS, MAX_EARLINESS_MS};
use headcount_core::origin::Source;
use headcount_core::validate::Rules;
use headcount_follow::figures::Write;
use headcount_follow::{ItemOptions, Setup};
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
use object_store::memory::InMemory;
use serde_json::json;
use tokio::time::Instant;

use super::super::estimate::compressed;
use super::super::units::{Growing, Load, Partials, SESSIONS_PER_USER, START_MS, Units};
use super::load;
use crate::generate::{Generator, GeneratorOptions};

/// Users whom the consumer remembers.
const KNOWN: u64 = 500;

/// What writes and reads may differ by from the formula.
const WRITE_TOLERANCE: f64 = 0.03;
const READ_TOLERANCE: f64 = 0.01;

/// When the events arrive: in the evening.
const NOW_MS: i64 = START_MS + 20 * 3_600_000;

struct Bench {
    deps: Deps<DynamoStore>,
    meter: Meter,
}

/// What an event consumed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Event items and rejected items.
    items: f64,
    copies: f64,
    partials_and_checkpoints: f64,
    users: f64,
    reads: f64,
    /// Bytes of the log, of each byte of an event's JSON.
    compressed: f64,
}

impl Measured {
    fn writes(self) -> f64 {
        self.items + self.copies + self.partials_and_checkpoints + self.users
    }
}

/// An event of exactly so many bytes, or one that breaks a rule.
fn event(bytes: f64, id: u64, user: &str, is_valid: bool) -> Vec<u8> {
    let text = |agent: &str| {
        let mut event = json!({
            "eventId": format!("0198f2b1-5c1e-7cc3-9b2a-{id:012}"), "userId": user, "sessionId": format!("of-{user}"),
            "eventType": "page_view", "timestamp": NOW_MS - 1_000 + id as i64 % 1_000,
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

impl Bench {
    async fn new(table: &Table, items: ItemOptions) -> Self {
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
        let log = Log::new(Arc::new(InMemory::new()), Jitter::from_seed(3));
        Self { deps: Deps::new(log, store, Clock::from_fn(|| NOW_MS), Jitter::from_seed(4), settings), meter }
    }

    /// Makes the users' profiles, as an earlier day left them.
    async fn meet(&self, user: &str) {
        let date = headcount_core::calendar::day_of(chrono_tz::Tz::UTC, START_MS).unwrap();
        let first = FirstDay { user_id: user.to_owned(), date, seen_ms: START_MS };
        assert_eq!(self.deps.store.put_first_day(&first).await, Ok(Put::Written));
    }

    /// Handles batches of this load in a source of its own, whose partial has this many users. What an event consumed, and
    /// what the formula says.
    async fn measure(&self, case: u64, load: &Load, users: u64) -> (Measured, Units) {
        let deployment = self.deps.deployment(soon()).await.unwrap();
        let table = self.deps.table(&deployment, soon()).await.unwrap();
        let source = Source::shard("headcount-events", None, &format!("shardId-{case:012}")).unwrap();
        let mut growing = Growing::new(load.precision);
        growing.grow_to(users);
        let partials = Partials::of_bytes(load, growing.bytes());
        let formula = Units::of(load, partials);
        let mut partial = growing.into_partial();
        (partial.source, partial.version) = (source.clone(), 1);
        let stamp = Stamp { now_ms: NOW_MS, expires_s: NOW_MS / 1_000 };
        let written = self.deps.store.write_partial(table.id, &partial.encode(), 0, stamp).await;
        assert_eq!(written, Ok(Put::Written));

        let of_batch = load.events_per_batch() as u64;
        let batches = 400u64.div_ceil(of_batch);
        let events = of_batch * batches;
        let back_every = (load.events_per_day / (SESSIONS_PER_USER * load.users)).round() as u64;
        for n in (0..events).filter(|n| n.is_multiple_of(back_every)) {
            self.meet(&format!("back-{case}-{n}")).await;
        }
        let record = |n: u64, user: &str, is_valid| {
            let id = case * 1_000_000 + n;
            let data = event(load.event_bytes, id, user, is_valid);
            Record { sequence: format!("5{id:055}").parse().unwrap(), arrived_ms: NOW_MS, data }
        };
        let warm = (0..KNOWN).map(|n| record(n, &format!("user-{n}"), true)).collect();
        self.consume(&source, warm).await;
        let setup = Setup {
            log: &self.deps.log,
            store: &self.deps.store,
            table: &table,
            clock: &self.deps.clock,
            jitter: &self.deps.jitter,
        };
        let follow = || self.deps.figures.follow(setup, &source, &[], None, Write::Always, soon());
        follow().await.unwrap();
        self.meter.take();
        for batch in 0..batches {
            let record = |n: u64| {
                let n = batch * of_batch + n;
                match n {
                    n if n % 100 == 51 => record(KNOWN + n, &format!("new-{case}-{n}"), true),
                    n if n.is_multiple_of(back_every) => record(KNOWN + n, &format!("back-{case}-{n}"), n % 100 != 52),
                    n => record(KNOWN + n, &format!("user-{}", n % KNOWN), n % 100 != 52),
                }
            };
            self.consume(&source, (0..of_batch).map(record).collect()).await;
        }
        let used = self.meter.take();
        // Of a large partial nothing was written so far: a minute has not passed.
        follow().await.unwrap();
        let snapshot = self.meter.take();
        assert!(snapshot.batched_puts + snapshot.reads < 1e-9, "{snapshot:?}");
        (self.measured(&source, &used, &snapshot, events, load, batches).await, formula)
    }

    async fn consume(&self, source: &Source, records: Vec<Record>) {
        let batch = Batch::of_shard(source.clone(), records);
        let outcome = consume(&self.deps, &batch, Instant::now() + Duration::from_mins(5)).await.unwrap();
        assert_eq!(outcome.failed_from, None);
        assert_eq!(outcome.entries, 1, "a batch is one put to the log");
    }

    async fn measured(
        &self,
        source: &Source,
        used: &UnitsUsed,
        snapshot: &UnitsUsed,
        events: u64,
        load: &Load,
        batches: u64,
    ) -> Measured {
        let listed = self.deps.log.list_after(source, 1, 10_000, soon()).await.unwrap();
        assert_eq!(listed.len() as u64, batches);
        let bytes: u64 = listed.iter().map(|entry| entry.bytes).sum();
        let events = events as f64;
        Measured {
            items: used.batched_puts / events,
            copies: used.batched_copies / events,
            partials_and_checkpoints: used.puts / events + snapshot.puts / load.events_per_snapshot(),
            users: used.indexed_puts / events,
            reads: used.reads / events,
            compressed: bytes as f64 / (events * load.event_bytes),
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// Of a day long past: nothing may be swept meanwhile.
async fn table() -> Table {
    Table::start(TableOptions { ttl_interval: Duration::from_hours(24), ..TableOptions::default() }).await.unwrap()
}

fn compare(what: &str, measured: Measured, formula: Units) {
    let (writes, reads) = (measured.writes(), measured.reads);
    println!(
        "{what}: {writes:.3} writes ({:.3}), {reads:.3} reads ({:.3}): {measured:.3?}",
        formula.writes(),
        formula.first_sight
    );
    let off = (writes / formula.writes() - 1.0).abs();
    assert!(
        off < WRITE_TOLERANCE,
        "{what}: {writes} writes, {} by formula: {measured:?} {formula:?}",
        formula.writes()
    );
    let off = (reads - formula.first_sight).abs();
    assert!(off < READ_TOLERANCE, "{what}: {reads} reads, {} by formula", formula.first_sight);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_an_event_are_as_the_formula_says_and_within_bounds() {
    let table = table().await;
    let bench = Bench::new(&table, ItemOptions::default()).await;
    let mut case = 0;
    for rate in [10.0, 100.0, 1_000.0] {
        for window in [1.0, 10.0, 60.0] {
            case += 1;
            let load = load(rate, window);
            let (measured, formula) = bench.measure(case, &load, load.users as u64).await;
            compare(&format!("{rate}/s {window} s"), measured, formula);
            assert!(measured.writes() <= 2.4, "{rate}/s {window} s: {} writes", measured.writes());
        }
    }
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_event_items_an_event_costs_a_tenth_of_a_unit() {
    let table = table().await;
    let items = ItemOptions { event_items: false, user_index: false };
    let bench = Bench::new(&table, items).await;
    for (case, rate) in [(1, 10.0), (2, 100.0)] {
        let load = Load { items, ..load(rate, 10.0) };
        let (measured, formula) = bench.measure(case, &load, load.users as u64).await;
        compare(&format!("{rate}/s without items"), measured, formula);
        assert!(measured.writes() < 0.15 && measured.copies < 1e-9, "{rate}/s: {measured:?}");
    }
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_compress_as_the_estimate_says() {
    let table = table().await;
    let bench = Bench::new(&table, ItemOptions { event_items: false, user_index: false }).await;
    let options = GeneratorOptions { events: 12_000, days: 1, ..GeneratorOptions::new(NOW_MS) };
    let lines: Vec<_> = Generator::new(&options).unwrap().map(|line| line.json.into_bytes()).collect();
    let mut rest = &lines[..];
    for (case, of_batch, batches) in [(1, 100, 10), (2, 1_000, 2), (3, 5_000, 1)] {
        let source = Source::shard("headcount-events", None, &format!("shardId-{case:012}")).unwrap();
        let (mut json, mut sequence) = (0, 0);
        for _ in 0..batches {
            let (batch, others) = rest.split_at(of_batch);
            rest = others;
            json += batch.iter().map(Vec::len).sum::<usize>();
            let record = |data: &Vec<u8>| {
                sequence += 1;
                Record { sequence: format!("5{sequence:055}").parse().unwrap(), arrived_ms: NOW_MS, data: data.clone() }
            };
            bench.consume(&source, batch.iter().map(record).collect()).await;
        }
        let listed = bench.deps.log.list_after(&source, 0, 10_000, soon()).await.unwrap();
        let logged: u64 = listed.iter().map(|entry| entry.bytes).sum();
        let share = logged as f64 / json as f64;
        let estimated = compressed(of_batch as f64);
        println!("batches of {of_batch}: {share:.3} of {json} bytes of JSON, {estimated} by the estimate");
        assert!(share < estimated && share > estimated - 0.04, "batches of {of_batch}: {share}");
    }
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_partial_is_written_for_every_batch() {
    let table = table().await;
    let bench = Bench::new(&table, ItemOptions::default()).await;
    let load = load(10.0, 10.0);
    let (measured, formula) = bench.measure(1, &load, 1).await;
    // The users of the warm-up are in it as well, and those of each batch.
    assert!((measured.writes() / formula.writes() - 1.0).abs() < 0.1, "{measured:?} {formula:?}");
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_unit_begins_where_the_formula_has_it() {
    let table = table().await;
    let bench = Bench::new(&table, ItemOptions::default()).await;
    // Of 1,024 bytes the keys and names take about 157, a little more or less as ids are longer or shorter.
    for (case, event_bytes, units) in [(1, 850.0, 0.99), (2, 885.0, 1.98)] {
        let load = Load { event_bytes, ..load(10.0, 10.0) };
        let (measured, formula) = bench.measure(case, &load, load.users as u64).await;
        assert!((formula.event_item - units).abs() < 1e-9, "{event_bytes}");
        let items = measured.items - formula.rejected;
        println!("{event_bytes}: {measured:?}");
        assert!((items - units).abs() < 1e-9, "{event_bytes}: {items} units");
        assert!((measured.copies - 0.99).abs() < 1e-9, "{event_bytes}: the copy has keys only");
        assert!(measured.compressed < compressed(load.events_per_batch()), "{event_bytes}: {measured:?}");
    }
    table.stop().await;
}
