//! Followers besides the consumer: they catch up with every source, and note in the bucket how far its log goes.

use std::sync::Arc;

use headcount_core::deployment::TableId;
use headcount_core::origin::Source;
use headcount_follow::figures::Write;
use headcount_follow::{Figures, FollowError, ItemOptions, Items, Setup, Table};
use headcount_log::{Head, Log, LogError};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::meta::{OpenError, bind};
use headcount_store::traits::FollowStore;
use headcount_testkit::process::Process;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use crate::chance;
use crate::scenario::Cause;
use crate::tally::Kind;
use crate::time::{MINUTE_MS, between};
use crate::world::World;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// Why a run ended early.
#[derive(Debug)]
enum Failed {
    Log(LogError),
    Open(OpenError),
    Follow(FollowError),
}

/// Follows everything now and then, with company.
pub(crate) async fn now_and_then(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "followers", 0);
    let mut running = Vec::new();
    if !world.scenario.has(Cause::Followers) {
        return running;
    }
    let end_ms = world.params.began_ms + world.params.span_ms;
    while world.time.now_ms() < end_ms {
        sleep(between(&mut random, MINUTE_MS, 2 * world.params.follow_every_ms)).await;
        let company = 1 + usize::from(random.u8(0..3) == 0);
        if company > 1 {
            world.count(Kind::FollowersAtOnce, 1);
        }
        for _ in 0..company {
            let (world, seed) = (Arc::clone(&world), random.u64(..));
            running.push(tokio::spawn(async move { one(&world, seed).await }));
        }
    }
    running
}

/// One run in a process of its own, which may die.
async fn one(world: &World, seed: u64) {
    let process = Process::default();
    let log = Log::new(Arc::new(world.bucket.in_process(&process)), Jitter::from_seed(seed));
    let store = world.table().faulty.in_process(&process);
    let deadline = Instant::now() + Duration::from_mins(5);
    let ended = process.until_crash(follow_all(world, &log, &store, seed, deadline)).await;
    world.tell(format_args!("followers ended: {ended:?}"));
}

/// Follows everything to its end, without any fault.
pub(crate) async fn finish(world: &World) {
    let log = Log::new(Arc::clone(world.bucket.inner()), Jitter::from_seed(1));
    let store = world.table().store;
    let ended = follow_all(world, &log, &store, 1, Instant::now() + Duration::from_hours(1)).await;
    if let Err(error) = ended {
        world.mismatch(format!("what is left cannot be followed: {error:?}"));
    }
}

async fn follow_all<S: FollowStore>(
    world: &World,
    log: &Log,
    store: &S,
    seed: u64,
    deadline: Instant,
) -> Result<(), Failed> {
    let jitter = Jitter::from_seed(seed);
    let Some(deployment) = log.deployment(deadline).await.map_err(Failed::Log)? else { return Ok(()) };
    let id = bind(store, &deployment, TableId(seed), &jitter, deadline).await.map_err(Failed::Open)?;
    let (table, time) = (Table { deployment, id }, world.time);
    let clock = Clock::from_fn(move || time.now_ms());
    let setup = Setup { log, store, table: &table, clock: &clock, jitter: &jitter };
    let figures = Figures::default();
    let items = Items::new(ItemOptions { event_items: world.params.event_items, user_index: true });
    let mut failed = None;
    for source in log.sources(deadline).await.map_err(Failed::Log)? {
        let followed = figures.follow(setup, &source, &[], None, Write::Always, deadline).await;
        failed = followed.err().map(Failed::Follow).or(failed);
        failed = items.follow(setup, &source, &[], None, deadline).await.err().map(Failed::Follow).or(failed);
        failed = write_head(log, &source, deadline).await.err().map(Failed::Log).or(failed);
    }
    failed.map_or(Ok(()), Err)
}

/// Notes how far the log of a source goes.
async fn write_head(log: &Log, source: &Source, deadline: Instant) -> Result<(), LogError> {
    let known = log.head(source, deadline).await?;
    let after = known.map_or(0, |head| head.entry);
    let listed = log.list_after(source, after, LISTED_AT_ONCE, deadline).await?;
    let Some(newest) = listed.last() else { return Ok(()) };
    match log.read_header(source, newest.entry, deadline).await {
        Ok(header) => {
            let facts = header.facts;
            let head = Head { entry: facts.entry, last: facts.last, appended_ms: facts.appended_ms };
            log.put_head(source, &head, deadline).await
        }
        Err(LogError::Damaged { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
