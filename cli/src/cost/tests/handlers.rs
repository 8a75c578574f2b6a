//! The formulas against minutes and days of the real functions, and the table of what an event consumes (docs/costs.md).
//!
//! Two worlds make it. In the first one the consumer and the light run of every minute live through minutes of a whole rate, at
//! the end of a day whose partials have their full size, and then comes an hourly roll-up. In the second one the schedules of a day
//! run after six weeks, on a log that has an entry every 20 minutes; events and the budget of proofs are smaller in the same measure.

use headcount_core::calendar::{day_of, days_before};
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};
use headcount_follow::ItemOptions;
use serde_json::json;

use super::super::estimate::logged_bytes;
use super::super::proofs::Proofs;
use super::super::rollups::{LIGHT_RUNS, Runs};
use super::super::units::{DAY_S, Growing, Load, Partials, SESSIONS_PER_USER, START_MS, Units};
use super::load;
use super::world::{Asked, World, event, shard, soon};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Days that take late events.
const LATE_DAYS: u64 = (DEFAULT_LATENESS_MS / DAY_MS) as u64;

/// Users whom the consumer remembers.
const KNOWN: u64 = 500;

const FIGURES_ONLY: ItemOptions = ItemOptions { event_items: false, user_index: false };

/// What a measured number may differ by from the formula.
const TOLERANCE: f64 = 0.03;

/// Makes a load's events, one after the other.
struct Events {
    load: Load,
    known: u64,
    made: u64,
    back_every: u64,
}

impl Events {
    fn new(load: &Load, known: u64) -> Self {
        let back_every = (load.events_per_day / (SESSIONS_PER_USER * load.users)).round() as u64;
        Self { load: *load, known, made: 0, back_every }
    }

    /// The users who come back among the next events.
    fn back(&self, count: u64) -> impl Iterator<Item = String> + use<> {
        let (made, every) = (self.made, self.back_every);
        (made..made + count).filter(move |n| n.is_multiple_of(every)).map(|n| format!("back-{n}"))
    }

    fn next(&mut self, now_ms: i64) -> Vec<u8> {
        let n = self.made;
        self.made += 1;
        let every = if self.load.late > 0.0 { (1.0 / self.load.late).round() as u64 } else { u64::MAX };
        let is_late = n % every == 57 % every && every < u64::MAX;
        let days = if is_late { (1 + n / every % LATE_DAYS) as i64 } else { 0 };
        let user = match n {
            n if n % 100 == 51 => format!("new-{n}"),
            n if n.is_multiple_of(self.back_every) => format!("back-{n}"),
            n => format!("user-{}", n % self.known),
        };
        // Not at the very limit of lateness.
        let at_ms = now_ms - 1_000 - days * (DAY_MS - 1_000);
        event(self.load.event_bytes, n, &user, n % 100 != 52, at_ms)
    }

    fn batch(&mut self, count: u64, now_ms: i64) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.next(now_ms)).collect()
    }
}

fn compare(what: &str, measured: f64, formula: f64) {
    println!("  {what}: {measured:.5}, {formula:.5} by formula");
    assert!((measured / formula - 1.0).abs() < TOLERANCE, "{what}: {measured}, {formula} by formula");
}

/// Some minutes of the first shard of a load, and an hourly roll-up.
struct Minutes {
    events: f64,
    consumed: Asked,
    light: Asked,
    light_runs: f64,
    roll_up: Asked,
    bytes_per_event: f64,
    /// Bytes of the shard's partial of today, and of a past day.
    bytes: usize,
    whole: usize,
}

async fn live_minutes(load: &Load) -> Minutes {
    let now_ms = START_MS + 20 * HOUR_MS;
    let mut world = World::new(now_ms, load.items).await;
    let today = day_of(chrono_tz::Tz::UTC, now_ms).unwrap();
    let of_shard = load.users / f64::from(load.sources);
    let (mut bytes, mut whole) = (0, 0);
    for back in 0..10 {
        let mut growing = Growing::new(load.precision);
        growing.grow_to((if back == 0 { of_shard * 20.0 / 24.0 } else { of_shard }) as u64);
        (bytes, whole) = if back == 0 { (growing.bytes(), 0) } else { (bytes, growing.bytes()) };
        let partial = growing.into_partial();
        for number in 0..load.sources {
            let (source, date) = (shard(number), days_before(today, back));
            let mut partial = partial.clone();
            (partial.source, partial.date, partial.as_of, partial.first) = (source, date, 1, 1);
            world.store_partial(partial).await;
        }
    }
    let mut events = Events::new(load, KNOWN);
    let of_batch = load.events_per_batch() as u64;
    let batches = (load.late_snapshot_s() / load.seconds_per_batch()).round() as u64;
    let known = (0..KNOWN).map(|n| format!("user-{n}"));
    for user in events.back(of_batch * batches).chain(known) {
        world.meet(&user, days_before(today, 9), START_MS - 9 * DAY_MS).await;
    }
    let warm = |n| event(load.event_bytes, 10_000_000 + n, &format!("user-{n}"), true, now_ms - 1_000);
    for number in 0..load.sources {
        world.deliver(&shard(number), (0..KNOWN).map(warm).collect()).await;
    }
    world.invoke(json!({})).await;
    // The consumer reads what the roll-up wrote, and has all of its partials in memory and in the table.
    world.consumer.figures.forget(&shard(0));
    for (at, minutes) in [(0, 1), (1, 8)] {
        world.turn_to(now_ms + minutes * MINUTE_MS);
        let of_days = (0..=LATE_DAYS as i64).map(|days| {
            let at_ms = world.now_ms() - 1_000 - days * (DAY_MS - 1_000);
            event(load.event_bytes, 20_000_000 + at * 100 + days as u64, "user-1", true, at_ms)
        });
        let of_days = of_days.collect();
        world.deliver(&shard(0), of_days).await;
    }
    // All is followed: it leaves the consumer's partials as they are.
    world.invoke(json!({})).await;
    let began_ms = now_ms + 9 * MINUTE_MS;
    let step_ms = (load.seconds_per_batch() * 1_000.0) as i64;
    let tail = world.consumer.log.newest(&shard(0), 0, soon()).await.unwrap();
    world.take();
    let (mut consumed, mut light, mut light_runs) = (Asked::default(), Asked::default(), 0);
    for batch in 0..batches as i64 {
        let at_ms = began_ms + batch * step_ms;
        while began_ms + (light_runs + 1) * MINUTE_MS - 5_000 <= at_ms {
            light_runs += 1;
            world.turn_to(began_ms + light_runs * MINUTE_MS - 5_000);
            world.invoke(json!({"task": "follow"})).await;
            light = light.plus(&world.take());
        }
        world.turn_to(at_ms);
        let delivered = events.batch(of_batch, at_ms);
        world.deliver(&shard(0), delivered).await;
        consumed = consumed.plus(&world.take());
    }
    let listed = world.consumer.log.list_after(&shard(0), tail, 10_000, soon()).await.unwrap();
    let events = (of_batch * batches) as f64;
    let bytes_per_event = listed.iter().map(|entry| entry.bytes).sum::<u64>() as f64 / events;
    world.take();
    world.invoke(json!({})).await;
    let roll_up = world.take();
    world.stop().await;
    Minutes { events, consumed, light, light_runs: light_runs as f64, roll_up, bytes_per_event, bytes, whole }
}

/// Compares the minutes of a rate; the line of the documents' table.
async fn check_minutes(rate: f64, late: f64) -> String {
    let sources = if rate > 500.0 { 2 } else { 1 };
    let load = Load { event_bytes: 450.0, items: FIGURES_ONLY, late, sources, ..load(rate, 10.0) };
    let minutes = live_minutes(&load).await;
    println!("{rate}/s, {late} late: {:.3?}", minutes.consumed);
    let Minutes { events, consumed, light, light_runs, .. } = &minutes;
    let partials = Partials::of_bytes(&load, minutes.bytes, minutes.whole);
    let units = Units::of(&load, partials);
    compare("writes", consumed.units.writes() / events, units.writes());
    compare("reads", consumed.units.reads / events, units.first_sight);
    compare("puts", consumed.puts / events, 1.0 / load.events_per_entry());
    assert!(consumed.gets < 1e-9, "{consumed:?}");
    let of_day = Runs::light(&load, partials);
    let by_formula = |of_day: f64| of_day / LIGHT_RUNS * light_runs;
    compare("reads of light runs", light.units.reads, by_formula(of_day.reads));
    compare("puts of light runs", light.puts, by_formula(of_day.puts));
    println!("  gets of light runs: {} in {light_runs}", light.gets);
    println!("  a roll-up: {:.2?}", minutes.roll_up);
    println!("  {:.1} bytes an event, {:.1} by formula for other events", minutes.bytes_per_event, logged_bytes(&load));
    let by_day = |of_run: f64, runs: f64| of_run * runs / (rate * DAY_S);
    let (light, roll_up) = (light, &minutes.roll_up);
    let per_run = LIGHT_RUNS / light_runs;
    format!(
        "| {rate} | {} | {:.4} | {:.4} | {:.5} | {:.5} |",
        if late > 0.0 { "1 % days late" } else { "on time" },
        consumed.units.writes() / events + by_day(roll_up.units.writes(), 24.0),
        consumed.units.reads / events + by_day(light.units.reads, per_run) + by_day(roll_up.units.reads, 24.0),
        consumed.puts / events + by_day(light.puts, per_run) + by_day(roll_up.puts, 24.0),
        by_day(light.gets, per_run) + by_day(roll_up.gets, 24.0),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_the_functions_consume_what_the_formulas_say() {
    let mut lines = Vec::new();
    for rate in [10.0, 100.0, 1_000.0] {
        for late in [0.0, 0.01] {
            lines.push(check_minutes(rate, late).await);
        }
    }
    println!("{}", lines.join("\n"));
}

/// Batches a day of the second world.
const BATCHES: i64 = 72;

/// Days before the one that is measured. Most have one batch only; the last ones are all that take late events.
const RUN_IN: i64 = 44;
const BUSY: i64 = 12;

/// Events that are proven together: a day of 72 events is to it what 10 events a second are to the default, and one of 720 what 100 are.
const BUDGET: u64 = 416;

/// A day of the schedules: its hourly roll-ups, and its proofs.
async fn live_a_day(load: &Load) -> (Asked, Asked) {
    let mut world = World::new(START_MS, load.items).await;
    world.aggregator.settings.proof_budget = BUDGET;
    let mut events = Events::new(load, 5);
    let of_batch = (load.events_per_day / BATCHES as f64) as u64;
    let (mut roll_ups, mut proofs) = (Asked::default(), Asked::default());
    for day in 0..=RUN_IN {
        let is_measured = day == RUN_IN;
        for n in (0..BATCHES).filter(|n| day >= RUN_IN - BUSY || *n == 69) {
            let hour_ms = START_MS + day * DAY_MS + n / 3 * HOUR_MS;
            world.turn_to(hour_ms + n % 3 * 20 * MINUTE_MS);
            let delivered = events.batch(of_batch, world.now_ms());
            world.deliver(&shard(0), delivered).await;
            world.take();
            if n % 3 == 0 && (is_measured || n == 69) {
                world.turn_to(hour_ms + 5 * MINUTE_MS);
                world.invoke(json!({})).await;
                let asked = world.take();
                roll_ups = if is_measured { roll_ups.plus(&asked) } else { roll_ups };
            }
            if n % 3 == 1 && (is_measured || n == 13 || n == 67) {
                world.turn_to(hour_ms + 35 * MINUTE_MS);
                world.invoke(json!({"task": "prove"})).await;
                let asked = world.take();
                proofs = if is_measured { proofs.plus(&asked) } else { proofs };
            }
        }
    }
    world.stop().await;
    (roll_ups, proofs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_schedules_consumes_what_the_formulas_say() {
    for (of_batch, late) in [(1.0, 0.0), (1.0, 0.5), (10.0, 0.1)] {
        let events_per_day = of_batch * BATCHES as f64;
        let load = Load { events_per_day, users: 10.0, late, items: FIGURES_ONLY, ..load(1.0, 1_200.0) };
        let (roll_ups, proving) = live_a_day(&load).await;
        let logged_days = BUSY as f64 + (RUN_IN - BUSY) as f64 / BATCHES as f64;
        let (partials, proofs) = (Partials::of_day(&load), Proofs::within(&load, logged_days, BUDGET));
        println!("{events_per_day} events, {late} late: {proofs:?}");
        let days_counted = RUN_IN as f64;
        let by_formula = [
            ("roll-ups", &roll_ups, Runs::roll_ups(&load, partials, days_counted), 0.0),
            ("proofs", &proving, Runs::proving(&load, partials, &proofs, days_counted), proofs.reads),
        ];
        for (run, asked, formula, entries) in by_formula {
            for (what, measured, formula) in [
                ("reads", asked.units.reads, formula.reads),
                ("writes", asked.units.writes(), formula.writes),
                ("puts", asked.puts, formula.puts),
                ("gets", asked.gets, formula.gets + entries),
            ] {
                println!("  {run}: {what} {measured:.1}, {formula:.1} by formula");
                // Of so small a day single units count. Of what an event costs at 10 events a second these are some percent.
                let is_near = measured < formula * 1.1 && measured > formula * 0.8;
                assert!(is_near, "{run}: {what} {measured}, {formula} by formula");
            }
        }
    }
}
