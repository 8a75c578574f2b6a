//! The formulas against what the embedded table says that the real consumer consumed.
//!
//! Batches as they would come at a rate and a window, at the end of a day, when the partial is largest. The consumer is
//! warm: it knows the source's partial and most users, but not those who come back after a pause. What is written once a
//! minute is measured by itself, and shared among the events of a minute.

use headcount_core::calendar::day_of;
use headcount_core::origin::Source;
use headcount_core::prices::PriceTable;
use headcount_core::validate::{Arrival, Rules, validate};
use headcount_follow::figures::Write;
use headcount_follow::{ItemOptions, Setup};
use headcount_store::dynamo::meter::UnitsUsed;

use super::super::estimate::compressed;
use super::super::units::{Growing, Load, Partials, SESSIONS_PER_USER, START_MS, Units};
use super::load;
use super::world::{World, event, shard, soon};
use crate::generate::{Generator, GeneratorOptions};

/// Users whom the consumer remembers.
const KNOWN: u64 = 500;

/// What writes and reads may differ by from the formula.
const WRITE_TOLERANCE: f64 = 0.03;
const READ_TOLERANCE: f64 = 0.01;

/// When the events arrive: in the evening.
const NOW_MS: i64 = START_MS + 20 * 3_600_000;

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

impl World {
    /// Handles batches of this load in a source of its own, whose partial has this many users. What an event consumed, and
    /// what the formula says.
    async fn measure(&mut self, case: u32, load: &Load, users: u64) -> (Measured, Units) {
        let source = shard(case);
        let mut growing = Growing::new(load.precision);
        growing.grow_to(users);
        let bytes = growing.bytes();
        let formula = Units::of(load, Partials::of_bytes(load, bytes, bytes));
        let mut partial = growing.into_partial();
        partial.source = source.clone();
        self.store_partial(partial).await;

        let of_batch = load.events_per_batch() as u64;
        let batches = 400u64.div_ceil(of_batch);
        let events = of_batch * batches;
        let back_every = (load.events_per_day / (SESSIONS_PER_USER * load.users)).round() as u64;
        for n in (0..events).filter(|n| n.is_multiple_of(back_every)) {
            self.meet(&format!("back-{case}-{n}"), day_of(chrono_tz::Tz::UTC, START_MS).unwrap(), START_MS).await;
        }
        let made = |n: u64, user: &str, is_valid| {
            let id = u64::from(case) * 1_000_000 + n;
            event(load.event_bytes, id, user, is_valid, NOW_MS - 1_000 + id as i64 % 1_000)
        };
        self.deliver(&source, (0..KNOWN).map(|n| made(n, &format!("user-{n}"), true)).collect()).await;
        self.write_all(&source).await;
        self.meter.take();
        for batch in 0..batches {
            let next = |n: u64| {
                let n = batch * of_batch + n;
                match n {
                    n if n % 100 == 51 => made(KNOWN + n, &format!("new-{case}-{n}"), true),
                    n if n.is_multiple_of(back_every) => made(KNOWN + n, &format!("back-{case}-{n}"), n % 100 != 52),
                    n => made(KNOWN + n, &format!("user-{}", n % KNOWN), n % 100 != 52),
                }
            };
            self.deliver(&source, (0..of_batch).map(next).collect()).await;
        }
        let used = self.meter.take();
        // Of a large partial nothing was written so far: a minute has not passed.
        self.write_all(&source).await;
        let snapshot = self.meter.take();
        assert!(snapshot.batched_puts + snapshot.reads < 1e-9, "{snapshot:?}");
        (self.measured(&source, &used, &snapshot, events, load, batches).await, formula)
    }

    /// Writes the partials of a source, due or not.
    async fn write_all(&self, source: &Source) {
        let deps = &self.consumer;
        let deployment = deps.deployment(soon()).await.unwrap();
        let table = deps.table(&deployment, soon()).await.unwrap();
        let setup =
            Setup { log: &deps.log, store: &deps.store, table: &table, clock: &deps.clock, jitter: &deps.jitter };
        deps.figures.follow(setup, source, &[], None, Write::Always, soon()).await.unwrap();
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
        let listed = self.consumer.log.list_after(source, 1, 10_000, soon()).await.unwrap();
        assert_eq!(listed.len() as u64, batches);
        let bytes: u64 = listed.iter().map(|entry| entry.bytes).sum();
        let events = events as f64;
        Measured {
            items: used.batched_puts / events,
            copies: used.batched_copies / events,
            partials_and_checkpoints: used.puts / events + snapshot.puts / (load.rate_of_source() * load.snapshot_s()),
            users: used.indexed_puts / events,
            reads: used.reads / events,
            compressed: bytes as f64 / (events * load.event_bytes),
        }
    }
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
    let mut world = World::new(NOW_MS, ItemOptions::default()).await;
    let mut case = 0;
    for rate in [10.0, 100.0, 1_000.0] {
        for window in [1.0, 10.0, 60.0] {
            case += 1;
            let load = load(rate, window);
            let (measured, formula) = world.measure(case, &load, load.users as u64).await;
            compare(&format!("{rate}/s {window} s"), measured, formula);
            assert!(measured.writes() <= 2.4, "{rate}/s {window} s: {} writes", measured.writes());
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_event_items_an_event_costs_a_tenth_of_a_unit() {
    let items = ItemOptions { event_items: false, user_index: false };
    let mut world = World::new(NOW_MS, items).await;
    for (case, rate) in [(1, 10.0), (2, 100.0)] {
        let load = Load { items, ..load(rate, 10.0) };
        let (measured, formula) = world.measure(case, &load, load.users as u64).await;
        compare(&format!("{rate}/s without items"), measured, formula);
        assert!(measured.writes() < 0.15 && measured.copies < 1e-9, "{rate}/s: {measured:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_compress_as_the_estimate_says() {
    let mut world = World::new(NOW_MS, ItemOptions { event_items: false, user_index: false }).await;
    let options = GeneratorOptions { events: 12_000, days: 1, ..GeneratorOptions::new(NOW_MS) };
    let lines: Vec<_> = Generator::new(&options).unwrap().map(|line| line.json.into_bytes()).collect();
    let mut rest = &lines[..];
    for (case, of_batch, batches) in [(1, 100, 10), (2, 1_000, 2), (3, 5_000, 1)] {
        let source = shard(case);
        let mut json = 0;
        for _ in 0..batches {
            let (batch, others) = rest.split_at(of_batch);
            rest = others;
            json += batch.iter().map(Vec::len).sum::<usize>();
            world.deliver(&source, batch.to_vec()).await;
        }
        let listed = world.consumer.log.list_after(&source, 0, 10_000, soon()).await.unwrap();
        let logged: u64 = listed.iter().map(|entry| entry.bytes).sum();
        let share = logged as f64 / json as f64;
        let estimated = compressed(of_batch as f64);
        println!("batches of {of_batch}: {share:.3} of {json} bytes of JSON, {estimated} by the estimate");
        assert!(share < estimated && share > estimated - 0.04, "batches of {of_batch}: {share}");
    }
    world.stop().await;
}

/// Accounts, users and features of a day of AI use: more of each than a partial tells apart.
fn use_models(partial: &mut headcount_core::partial::Partial) {
    let arrival = Arrival { source: shard(0), sequence: 1.into(), arrived_ms: NOW_MS };
    let rules = Rules::default().with_prices(PriceTable::shipped());
    let mut random = fastrand::Rng::with_seed(7);
    let models = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5", "gemini-2.5-pro"];
    for n in 0..20_000 {
        let text = serde_json::json!({
            "eventId": format!("{n}"), "userId": format!("user-{}", random.u32(..2_000)), "sessionId": "s",
            "accountId": format!("account-{}", random.u32(..1_000)), "eventType": "ai_request", "timestamp": NOW_MS,
            "eventData": {
                "model": models[random.usize(..5)], "feature": format!("feature-{}", random.u8(..20)),
                "inputTokens": random.u32(..9_000), "outputTokens": random.u32(..900), "latencyMs": random.u32(200..20_000),
            },
            "metadata": {"userAgent": "a", "ipAddress": "203.0.113.9", "platform": "web"},
        });
        let text = text.to_string();
        partial.fold(&validate(&text, &arrival, 0, &rules).unwrap().event, chrono_tz::Tz::UTC);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_ai_use_cost_at_most_four_units_a_batch() {
    let mut world = World::new(NOW_MS, ItemOptions { event_items: false, user_index: false }).await;
    let load = load(10.0, 10.0);
    let mut units = Vec::new();
    for case in [1, 2] {
        let source = shard(case);
        let mut growing = Growing::new(load.precision);
        growing.grow_to(load.users as u64);
        let mut partial = growing.into_partial();
        partial.source = source.clone();
        if case == 2 {
            use_models(&mut partial);
        }
        world.store_partial(partial).await;
        world.deliver(&source, vec![event(load.event_bytes, case.into(), "user-1", true, NOW_MS - 1_000)]).await;
        world.write_all(&source).await;
        world.meter.take();
        world
            .deliver(&source, vec![event(load.event_bytes, 10 + u64::from(case), "user-1", true, NOW_MS - 1_000)])
            .await;
        world.write_all(&source).await;
        units.push(world.meter.take().puts);
    }
    let more = units[1] - units[0];
    let a_batch = more * load.seconds_per_batch() / load.snapshot_s();
    println!("a partial is written in {units:?} units, {a_batch:.2} more a batch");
    assert!(more > 0.0 && a_batch <= 4.0, "{units:?}: {a_batch} more a batch");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_partial_is_written_for_every_batch() {
    let mut world = World::new(NOW_MS, ItemOptions::default()).await;
    let load = load(10.0, 10.0);
    let (measured, formula) = world.measure(1, &load, 1).await;
    // The users of the warm-up are in it as well, and those of each batch.
    assert!((measured.writes() / formula.writes() - 1.0).abs() < 0.1, "{measured:?} {formula:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_unit_begins_where_the_formula_has_it() {
    let mut world = World::new(NOW_MS, ItemOptions::default()).await;
    // Of 1,024 bytes the keys and names take about 157, a little more or less as ids are longer or shorter.
    for (case, event_bytes, units) in [(1, 850.0, 0.99), (2, 885.0, 1.98)] {
        let load = Load { event_bytes, ..load(10.0, 10.0) };
        let (measured, formula) = world.measure(case, &load, load.users as u64).await;
        assert!((formula.event_item - units).abs() < 1e-9, "{event_bytes}");
        let items = measured.items - formula.rejected;
        println!("{event_bytes}: {measured:?}");
        assert!((items - units).abs() < 1e-9, "{event_bytes}: {items} units");
        assert!((measured.copies - 0.99).abs() < 1e-9, "{event_bytes}: the copy has keys only");
        assert!(measured.compressed < compressed(load.events_per_entry()), "{event_bytes}: {measured:?}");
    }
    world.stop().await;
}
