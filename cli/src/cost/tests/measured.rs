//! The formulas against what the embedded table says that the real consumer consumed.
//!
//! Batches as they would come at a rate and a window, at the end of a day, when the partial is largest. The consumer is
//! warm: it knows the source's partial and most users, but not those who come back after a pause.

use std::time::Duration;

use headcount_consumer::batch::{Batch, Record};
use headcount_consumer::caches::UserHash;
use headcount_consumer::deps::{Deps, Feed, Settings};
use headcount_consumer::handler::consume_batch;
use headcount_core::deployment::Deployment;
use headcount_core::keys::WriteShards;
use headcount_core::limits::{DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::origin::Source;
use headcount_core::validate::Rules;
use headcount_local::table::{Table, TableOptions};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect_metered;
use headcount_store::dynamo::meter::{Meter, UnitsUsed};
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::rows::{FirstDay, Put};
use headcount_store::traits::{DeploymentStore as _, PartialStore as _, Stamp, UserStore as _};
use serde_json::json;
use tokio::time::Instant;

use super::super::units::{Growing, Load, SESSIONS_PER_USER, START_MS, Units, write_units};
use super::load;

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
    async fn new(table: &Table) -> Self {
        let (connection, meter) = connect_metered(&ConnectOptions::local(table.endpoint())).await;
        create_tables(&connection, &Tables::one("headcount"), soon()).await.unwrap();
        let store = DynamoStore::new(connection, Tables::one("headcount"));
        store.create_deployment(&Deployment::new(chrono_tz::Tz::UTC, "tests")).await.unwrap();
        let rules = Rules::new(Vec::new(), Some(DEFAULT_LATENESS_MS), MAX_EARLINESS_MS, "keep".parse().unwrap());
        let settings = Settings { rules: rules.unwrap(), zone: None, project: "tests".into(), feed: Feed::Mapping };
        let deps = Deps::new(store, Clock::from_fn(|| NOW_MS), Jitter::from_seed(4), settings);
        deps.deployment(soon()).await.unwrap();
        Self { deps, meter }
    }

    /// Makes the users' profiles, as an earlier day left them.
    async fn meet(&self, user: &str) {
        let date = headcount_core::calendar::day_of(chrono_tz::Tz::UTC, START_MS).unwrap();
        let first = FirstDay { user_id: user.to_owned(), date, shards: one_shard(), seen_ms: START_MS };
        assert_eq!(self.deps.store.put_first_day(&first).await, Ok(Put::Written));
    }

    /// Handles batches of this load in a source of its own. What an event consumed, and what the formula says.
    async fn measure(&self, case: u64, load: &Load) -> (UnitsUsed, f64, Units) {
        let source = Source::new("headcount-events", &format!("shardId-{case:012}"));
        let mut growing = Growing::new(load.precision);
        growing.grow_to(load.users as u64);
        let formula = Units::of(load, write_units(growing.bytes() as f64));
        let mut partial = growing.into_partial();
        (partial.source, partial.version) = (source.clone(), 1);
        let stamp = Stamp { now_ms: NOW_MS, expires_s: NOW_MS / 1_000 };
        let written = self.deps.store.write_partial(&partial.encode(), one_shard(), 0, stamp).await;
        assert_eq!(written, Ok(Put::Written));
        let date = partial.date;
        self.deps.partials.confirm(partial);

        let of_batch = load.events_per_batch() as u64;
        let batches = 400u64.div_ceil(of_batch);
        let back_every = (load.events_per_day / (SESSIONS_PER_USER * load.users)).round() as u64;
        for n in 0..of_batch * batches {
            if n % back_every == 0 {
                self.meet(&format!("back-{case}-{n}")).await;
            }
        }
        for user in 0..KNOWN {
            self.deps.users.confirm(UserHash::of(&format!("user-{user}")), date);
        }
        self.meter.take();
        for batch in 0..batches {
            let record = |n: u64| {
                let n = batch * of_batch + n;
                let user = match n {
                    n if n % 100 == 51 => format!("new-{case}-{n}"),
                    n if n.is_multiple_of(back_every) => format!("back-{case}-{n}"),
                    n => format!("user-{}", n % KNOWN),
                };
                let id = case * 1_000_000 + n;
                let data = event(load.event_bytes, id, &user, n % 100 != 52);
                Record { sequence: format!("5{id:055}").parse().unwrap(), arrived_ms: NOW_MS, data }
            };
            let batch = Batch { source: source.clone(), records: (0..of_batch).map(record).collect() };
            let outcome = consume_batch(&self.deps, &batch, Instant::now() + Duration::from_mins(5)).await.unwrap();
            assert_eq!(outcome.failed_from, None);
        }
        (self.meter.take(), (of_batch * batches) as f64, formula)
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn units_an_event_are_as_the_formula_says_and_within_bounds() {
    // Of a day long past: nothing may be swept meanwhile.
    let options = TableOptions { ttl_interval: Duration::from_hours(24), ..TableOptions::default() };
    let table = Table::start(options).await.unwrap();
    let bench = Bench::new(&table).await;
    println!("  rate window   writes (formula)   item  copy  partial  users  rejected   reads (formula)");
    let mut case = 0;
    for rate in [10.0, 100.0, 1_000.0] {
        for window in [1.0, 10.0, 60.0] {
            case += 1;
            let load = load(rate, window);
            let (used, events, formula) = bench.measure(case, &load).await;
            let (writes, reads) = (used.writes() / events, used.reads / events);
            println!(
                "{rate:>6}/s {window:>4} s   {writes:.3} ({:.3})   {:.3} {:.3} {:.3} {:.3} {:.3}   {reads:.3} ({:.3})",
                formula.writes(),
                used.inserts / events,
                used.insert_copies / events,
                used.puts / events,
                used.indexed_puts / events,
                used.batched_puts / events,
                formula.first_sight,
            );
            let off = (writes / formula.writes() - 1.0).abs();
            assert!(off < WRITE_TOLERANCE, "{rate}/s {window} s: {writes} writes, {} by formula", formula.writes());
            let off = (reads - formula.first_sight).abs();
            assert!(off < READ_TOLERANCE, "{rate}/s {window} s: {reads} reads, {} by formula", formula.first_sight);
            assert!(reads <= 0.1, "{rate}/s {window} s: {reads} reads");
            // With a window of 1 s, a source of less than 1,000 events a second rewrites its partial for few of them.
            let bound = match (rate, window) {
                (10.0, 1.0) => 5.5,
                (100.0, 1.0) | (10.0, _) => 2.5,
                _ => 2.1,
            };
            assert!(writes <= bound, "{rate}/s {window} s: {writes} writes, wanted {bound}");
        }
    }
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_unit_begins_where_the_formula_has_it() {
    let options = TableOptions { ttl_interval: Duration::from_hours(24), ..TableOptions::default() };
    let table = Table::start(options).await.unwrap();
    let bench = Bench::new(&table).await;
    // Of 1,024 bytes the keys and names take about 263, a little more or less as ids are longer or shorter.
    for (case, event_bytes, units) in [(1, 740.0, 0.99), (2, 790.0, 1.98)] {
        let load = Load { event_bytes, ..load(10.0, 10.0) };
        let (used, events, formula) = bench.measure(case, &load).await;
        assert!((formula.event_item - units).abs() < 1e-9, "{event_bytes}");
        assert!((used.inserts / events - units).abs() < 1e-9, "{event_bytes}: {} units", used.inserts / events);
        assert!((used.insert_copies / events - 0.99).abs() < 1e-9, "{event_bytes}: the copy has keys only");
    }
    table.stop().await;
}

fn one_shard() -> WriteShards {
    WriteShards::new(1).unwrap()
}
