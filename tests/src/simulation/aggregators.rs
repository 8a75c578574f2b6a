//! Aggregators: one on its schedule, others beside it, slow ones that are overtaken; and somebody who verifies.

use std::sync::Arc;

use headcount_aggregator::{AggregateError, Compute, Deps, RollUp, Settings, rebuild, roll_up, verify};
use headcount_core::partial::Partial;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::traits::AggregatorStore;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use super::chance;
use super::faults::FaultyStore;
use super::scenario::Cause;
use super::tally::Kind;
use super::time::{HOUR_MS, MINUTE_MS, between};
use super::world::World;

/// Rolls up now and then, with company.
pub(super) async fn now_and_then(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "aggregator", 0);
    let mut running = Vec::new();
    if !world.scenario.has(Cause::Aggregators) {
        return running;
    }
    let end_ms = world.params.began_ms + world.params.span_ms;
    while world.time.now_ms() < end_ms {
        sleep(between(&mut random, 20 * MINUTE_MS, 6 * HOUR_MS)).await;
        let company = 1 + usize::from(random.u8(0..3) == 0);
        if company > 1 {
            world.count(Kind::AggregatorsAtOnce, 1);
        }
        for _ in 0..company {
            let (world, seed) = (Arc::clone(&world), random.u64(..));
            running.push(tokio::spawn(async move { one(&world, world.aggregators.process(), seed).await }));
        }
        verify_in_between(&world, &mut random).await;
    }
    running
}

/// One roll-up in a process of its own, which may die, or be slow.
pub(super) async fn one(world: &Arc<World>, process: FaultyStore, seed: u64) {
    let deps = deps(world, process.clone(), seed);
    let number = world.begin_aggregator();
    let outcome = process.until_crash(roll_up(&deps, None, Instant::now() + Duration::from_hours(1))).await;
    if world.end_aggregator(number) {
        world.count(Kind::SlowAggregator, 1);
    }
    match outcome {
        Ok(outcome) => tell(world, number, &outcome),
        Err(_) => world.tell(format_args!("aggregator {number} died")),
    }
}

fn tell(world: &World, number: u64, outcome: &Result<RollUp, AggregateError>) {
    match outcome {
        Ok(rolled_up) => {
            let recounted: usize = rolled_up.days.iter().map(|day| day.sources_recounted.len()).sum();
            world.count(Kind::Recounted, recounted as u64);
            let days: Vec<_> = rolled_up.days.iter().map(|day| format!("{} {:?}", day.date, day.outcome)).collect();
            world.tell(format_args!("aggregator {number}: {}; {recounted} sources recounted", days.join(", ")));
        }
        Err(error) => world.tell(format_args!("aggregator {number} failed: {error}")),
    }
}

/// What is verified at any moment must pass, but for what is known to wait: dirty sources, damage, records given up.
async fn verify_in_between(world: &Arc<World>, random: &mut fastrand::Rng) {
    let partials = world.store.all_partials();
    let Some(partial) = random.choice(&partials) else { return };
    if world.has_given_up() {
        return;
    }
    let deps = deps(world, world.store.clone(), random.u64(..));
    let found = verify(&deps, partial.date, Instant::now() + Duration::from_mins(15)).await;
    let sources = match &found {
        Ok(verification) => &verification.sources,
        Err(error) => return world.mismatch(format!("{} cannot be verified: {error}", partial.date)),
    };
    for source in sources.iter().filter(|source| !source.passed() && !source.dirty && source.damaged.is_none()) {
        world.mismatch(format!("{}: in between, {source:?} differs", partial.date));
    }
}

/// Rolls all days up without any fault, and rebuilds those that damage left incomplete.
pub(super) async fn finish(world: &Arc<World>) {
    let deps = deps(world, world.store.clone(), world.scenario.seed);
    let deadline = || Instant::now() + Duration::from_mins(15);
    let incomplete: Vec<_> = world
        .store
        .all_partials()
        .iter()
        .filter(|record| Partial::decode(record).is_err())
        .map(|record| record.date)
        .collect();
    let days: Vec<_> = world.days().into_iter().collect();
    let named = roll_up(&deps, Some(&days), deadline()).await;
    tell(world, 0, &named);
    for date in incomplete {
        world.count(Kind::Rebuilt, 1);
        match rebuild(&deps, date, deadline()).await {
            Ok(rebuilt) if rebuilt.is_complete() => {}
            other => world.mismatch(format!("{date} was not rebuilt: {other:?}")),
        }
    }
}

/// Whether one more roll-up, when nothing happened since the last, leaves everything as it is.
pub(super) async fn is_idle_harmless(world: &Arc<World>) -> bool {
    let before = (world.store.all_dailies(), world.store.all_sketches(), world.store.all_partials());
    let deps = deps(world, world.store.clone(), world.scenario.seed);
    let rolled_up = roll_up(&deps, None, Instant::now() + Duration::from_mins(15)).await;
    let after = (world.store.all_dailies(), world.store.all_sketches(), world.store.all_partials());
    rolled_up.is_ok() && before == after
}

/// The roll-up at which all days are past their window, and close.
pub(super) async fn close(world: &Arc<World>) {
    let deps = deps(world, world.store.clone(), world.scenario.seed);
    let rolled_up = roll_up(&deps, None, Instant::now() + Duration::from_mins(15)).await;
    tell(world, 0, &rolled_up);
}

pub(super) fn deps<S: AggregatorStore>(world: &World, store: S, seed: u64) -> Deps<S> {
    let time = world.time;
    let settings = Settings {
        lateness_ms: world.rules.lateness_ms,
        retention_ms: world.params.retention_ms,
        compute: Compute::InPlace,
        parallel_requests: 3,
        ..Settings::default()
    };
    Deps { store, clock: Clock::from_fn(move || time.now_ms()), jitter: Jitter::from_seed(seed), settings }
}
