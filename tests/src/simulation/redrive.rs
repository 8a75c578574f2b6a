//! Batches that were given up, and what is done about them: the real handler, once more, on the very records.

use std::sync::Arc;

use headcount_consumer::deps::Feed;
use tokio::time::sleep;

use super::chance;
use super::functions::{Answer, invoke};
use super::stream::Record;
use super::tally::Kind;
use super::time::{MINUTE_MS, between};
use super::world::World;

/// A batch as the failure destination keeps it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) shard: usize,
    pub(super) records: Vec<Record>,
}

/// Handles a kept batch until all of it is processed, as `headcount redrive` does.
pub(super) async fn redrive(world: &Arc<World>, kept: &Kept, random: &mut fastrand::Rng) {
    world.count(Kind::Redriven, 1);
    let mut records = &kept.records[..];
    while !records.is_empty() {
        match invoke(world, Feed::Redrive, kept.shard, records).await {
            Answer::All => return,
            Answer::From(sequence) => {
                let done = records.iter().take_while(|record| record.sequence < sequence).count();
                records = &records[done..];
            }
            Answer::Failed(_) => {}
        }
        sleep(between(random, 50, MINUTE_MS)).await;
    }
}

/// Redrives something now and then, while all goes on; what was redriven is kept all the same.
pub(super) async fn now_and_then(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "redrive", 0);
    for _ in 0..4 {
        let at_ms = world.time.now_ms() + random.i64(0..world.params.span_ms / 3);
        world.time.until(at_ms).await;
        if let Some(kept) = world.some_kept(&mut random) {
            redrive(&world, &kept, &mut random).await;
        }
    }
}

/// Redrives everything, in any order, some of it twice.
pub(super) async fn everything(world: &Arc<World>) {
    let mut random = chance(world.scenario.seed, "redrive", 1);
    let mut all = world.all_kept();
    random.shuffle(&mut all);
    for kept in &all {
        redrive(world, kept, &mut random).await;
        if random.u8(0..4) == 0 {
            redrive(world, kept, &mut random).await;
        }
    }
}
