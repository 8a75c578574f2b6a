//! Aggregators: those on their schedules, others at the same time, some overtaken; and somebody who verifies.

use std::collections::BTreeSet;
use std::sync::Arc;

use headcount_aggregator::prove::{Asked, prove_days};
use headcount_aggregator::{AggregateError, Compute, Deps, Settings, follow_behind, rebuild, roll_up, verify};
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::traits::AggregatorStore;
use headcount_testkit::memory::MemoryStore;
use headcount_testkit::process::Process;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use crate::chance;
use crate::scenario::Cause;
use crate::stream::RETENTION_MS;
use crate::tally::Kind;
use crate::time::{MINUTE_MS, between};
use crate::world::World;

/// Runs now and then, with company.
pub(crate) async fn now_and_then(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "aggregator", 0);
    let mut running = Vec::new();
    if !world.scenario.has(Cause::Aggregators) {
        return running;
    }
    let end_ms = world.params.began_ms + world.params.span_ms;
    while world.time.now_ms() < end_ms {
        sleep(between(&mut random, MINUTE_MS, 2 * world.params.follow_every_ms)).await;
        let company = 1 + usize::from(random.u8(0..3) == 0);
        if company > 1 {
            world.count(Kind::AggregatorsAtOnce, 1);
        }
        for _ in 0..company {
            let (world, seed, is_light) = (Arc::clone(&world), random.u64(..), random.bool());
            running.push(tokio::spawn(async move { one(&world, seed, is_light).await }));
        }
        if random.u8(0..4) == 0 {
            verify_in_between(&world, &mut random).await;
        }
    }
    running
}

/// One run in a process of its own, which may die.
async fn one(world: &Arc<World>, seed: u64, is_light: bool) {
    let process = Process::default();
    let log = Log::new(Arc::new(world.bucket.in_process(&process)), Jitter::from_seed(seed));
    let deps = deps(world, log, world.table().faulty.in_process(&process), seed);
    let number = world.begin_aggregator();
    let deadline = Instant::now() + Duration::from_mins(15);
    if is_light {
        let followed = process.until_crash(follow_behind(&deps, deadline)).await;
        world.tell(format_args!("light aggregator {number} ended: {followed:?}"));
        return;
    }
    let sleeps = world.params.sleeps_ms.contains(&world.time.now_ms());
    if world.params.proves && seed.is_multiple_of(3) && !sleeps {
        let proved = process.until_crash(prove_days(&deps, &Asked::AllOpen, deadline)).await;
        if let Ok(Ok(run)) = &proved {
            world.count(Kind::Proved, run.days.iter().filter(|day| day.number.is_some()).count() as u64);
        }
        world.end_aggregator(number);
        world.tell(format_args!("prover {number} ended: {proved:?}"));
        return;
    }
    let rolled_up = process.until_crash(roll_up(&deps, None, deadline)).await;
    if world.end_aggregator(number) {
        world.count(Kind::SlowAggregator, 1);
    }
    if let Ok(Ok(rolled_up)) = &rolled_up {
        let followed = rolled_up.following.sources.iter().map(|source| source.refolded.len());
        let merged = rolled_up.days.iter().map(|day| day.sources_refolded.len());
        world.count(Kind::Refolded, followed.chain(merged).sum::<usize>() as u64);
    }
    world.tell(format_args!("aggregator {number} ended: {rolled_up:?}"));
}

/// What is verified at any moment must pass, but for damage that waits.
async fn verify_in_between(world: &Arc<World>, random: &mut fastrand::Rng) {
    let store = world.table().store;
    let partials = store.all_partials();
    let Some(partial) = random.choice(&partials) else { return };
    // What expired here is much younger than what expires: nobody looks for it to be gone.
    if !world.gone().is_empty() {
        return;
    }
    let deps = quiet(world, store);
    match verify(&deps, partial.date, Instant::now() + Duration::from_mins(15)).await {
        Ok(found) => {
            world.count(Kind::Verified, 1);
            for source in found.sources.iter().filter(|source| !source.passed() && source.damaged.is_none()) {
                world.mismatch(format!("{}: in between, {source:?} differs", partial.date));
            }
        }
        Err(AggregateError::Expired { .. }) if world.params.is_long => {}
        Err(error) => world.mismatch(format!("{} cannot be verified: {error}", partial.date)),
    }
}

/// Follows and rolls everything up without any fault, and rebuilds all days.
pub(crate) async fn finish(world: &Arc<World>) {
    let store = world.table().store;
    let deps = quiet(world, store.clone());
    let deadline = || Instant::now() + Duration::from_mins(15);
    // Also of days whose partials are sound: a rebuild leaves these as they are.
    let rebuilt: BTreeSet<_> = store.all_partials().into_iter().map(|record| record.date).collect();
    // Once to follow, and once more for what the first one left to the next.
    for _ in 0..2 {
        let rolled_up = roll_up(&deps, None, deadline()).await;
        world.tell(format_args!("the last aggregators: {rolled_up:?}"));
        if let Err(error) = rolled_up
            && !matches!(error, AggregateError::NoDeployment)
        {
            world.mismatch(format!("what is left cannot be rolled up: {error}"));
        }
    }
    if !rebuilt.is_empty() && world.gone().is_empty() && !world.params.is_long {
        let dates: Vec<_> = rebuilt.into_iter().collect();
        world.count(Kind::Rebuilt, dates.len() as u64);
        match rebuild(&deps, &dates, deadline()).await {
            Ok(rebuilt) if rebuilt.is_complete() => {}
            other => world.mismatch(format!("{dates:?} were not rebuilt: {other:?}")),
        }
    }
}

/// Whether one more roll-up, when nothing happened since the last, leaves everything as it is.
pub(crate) async fn is_idle_harmless(world: &Arc<World>) -> bool {
    let store = world.table().store;
    let all = || (store.all_dailies(), store.all_sketches(), store.all_partials(), store.all_checkpoints());
    let before = all();
    let rolled_up = roll_up(&quiet(world, store.clone()), None, Instant::now() + Duration::from_mins(15)).await;
    rolled_up.is_ok() && before == all()
}

/// An aggregator that nothing bad happens to.
pub(crate) fn quiet(world: &World, store: MemoryStore) -> Deps<MemoryStore> {
    let log = Log::new(Arc::new(world.quiet_bucket.clone()), Jitter::from_seed(1));
    deps(world, log, store, 1)
}

pub(crate) fn deps<S: AggregatorStore>(world: &World, log: Log, store: S, seed: u64) -> Deps<S> {
    let time = world.time;
    let settings = Settings {
        lateness_ms: world.rules.lateness_ms,
        retention_ms: RETENTION_MS,
        compute: Compute::InPlace,
        parallel_requests: 3,
        zone: Some(world.rules.zone),
        items: ItemOptions { event_items: world.params.event_items, user_index: true },
        proof_memory: world.params.proof_memory,
        ..Settings::default()
    };
    Deps::new(log, store, Clock::from_fn(move || time.now_ms()), Jitter::from_seed(seed), settings)
}
