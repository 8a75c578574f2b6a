//! Batches that were given up, and what is done about them: the real handler, once more, each as a source of its own.

use std::sync::Arc;

use headcount_core::origin::Source;
use tokio::time::sleep;

use crate::functions::{Answer, Caller, Work, invoke};
use crate::stream::Record;
use crate::tally::Kind;
use crate::time::{MINUTE_MS, between};
use crate::world::World;
use crate::{ages, chance};

/// A batch as the failure destination keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) origin: Source,
    pub(crate) records: Vec<Record>,
}

/// Handles a kept batch until all of it is processed, as `headcount redrive` does.
pub(crate) async fn redrive(world: &Arc<World>, number: usize, kept: &Kept, random: &mut fastrand::Rng) {
    if !ages::are_open(world, &world.days_of(kept), random).await {
        return;
    }
    world.count(Kind::Redriven, 1);
    let source = Source::redrive(&format!("kept/{number}"));
    if world.is_redriven_again(&source, kept) {
        world.count(Kind::RedrivenAgain, 1);
    }
    until_done(world, &source, &kept.origin, &kept.records, false, random).await;
}

/// Hands records to the function, in a process of its own each time, until all of them are processed.
pub(crate) async fn until_done(
    world: &Arc<World>,
    source: &Source,
    origin: &Source,
    records: &[Record],
    is_history: bool,
    random: &mut fastrand::Rng,
) {
    loop {
        // All of them each time: a person who repeats the command knows nothing of what is done.
        let work = Work { source: source.clone(), origin: origin.clone(), records: records.to_vec(), is_history };
        if invoke(world, Caller::Person, work).await == Answer::All {
            return;
        }
        sleep(between(random, 50, MINUTE_MS)).await;
    }
}

/// Redrives something now and then, while all goes on, some of it by two people at once; what was redriven is kept.
pub(crate) async fn now_and_then(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "redrive", 0);
    for _ in 0..4 {
        let at_ms = world.time.now_ms() + random.i64(0..world.params.span_ms / 3);
        world.time.until(at_ms).await;
        let Some((number, kept)) = world.some_kept(&mut random) else { continue };
        let other = (random.u8(0..3) == 0).then(|| {
            let (world, kept, mut random) = (Arc::clone(&world), kept.clone(), random.fork());
            tokio::spawn(async move { redrive(&world, number, &kept, &mut random).await })
        });
        redrive(&world, number, &kept, &mut random).await;
        if let Some(other) = other {
            crate::world::joined(other.await);
        }
    }
}

/// Redrives everything, in any order, some of it twice.
pub(crate) async fn everything(world: &Arc<World>) {
    let mut random = chance(world.scenario.seed, "redrive", 1);
    let mut all: Vec<_> = world.all_kept().into_iter().enumerate().collect();
    random.shuffle(&mut all);
    for (number, kept) in &all {
        redrive(world, *number, kept, &mut random).await;
        if random.u8(0..4) == 0 {
            redrive(world, *number, kept, &mut random).await;
        }
    }
}
