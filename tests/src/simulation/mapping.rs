//! The event source mapping, as the service documents it: each shard in order, parents before children; a failed batch
//! is bisected, retried, and given up when its retries or its age are used up.

use std::collections::VecDeque;
use std::sync::Arc;

use headcount_consumer::deps::Feed;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::chance;
use super::functions::{Answer, invoke};
use super::redrive::Kept;
use super::scenario::Cause;
use super::stream::{Found, Record};
use super::tally::Kind;
use super::time::{HOUR_MS, MINUTE_MS, between};
use super::world::World;

/// Reads a shard once its parents are done, until it is closed and processed to its end.
pub(super) fn read(world: &Arc<World>, shard: usize) -> JoinHandle<()> {
    let world = Arc::clone(world);
    tokio::spawn(async move { read_shard(&world, shard).await })
}

/// Splits and merges shards now and then, and reads the new ones.
pub(super) async fn reshard(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "reshard", 0);
    let mut readers = Vec::new();
    if !world.scenario.has(Cause::Reshard) {
        return readers;
    }
    let mut times: Vec<i64> = (0..random.u32(0..5)).map(|_| random.i64(0..world.params.span_ms)).collect();
    times.sort_unstable();
    for at_ms in times {
        world.time.until(world.params.began_ms + at_ms).await;
        let children = if random.bool() {
            let open = world.stream.open();
            let shard = open[random.usize(..open.len())];
            let children = world.stream.split(shard, &mut random);
            world.count(Kind::Split, 1);
            world.tell(format_args!("shard {shard} split into {children:?}"));
            children.to_vec()
        } else {
            let Some((parents, child)) = world.stream.merge(&mut random) else { continue };
            world.count(Kind::Merged, 1);
            world.tell(format_args!("shards {parents:?} merged into {child}"));
            vec![child]
        };
        readers.extend(children.into_iter().map(|child| read(&world, child)));
    }
    readers
}

async fn read_shard(world: &Arc<World>, shard: usize) {
    let mut random = chance(world.scenario.seed, "mapping", shard as u64);
    world.stream.parents_are_done(shard).await;
    let mut next = 0;
    loop {
        let most = random.usize(1..=world.params.batch_size);
        let to = match world.stream.read(shard, next, most).await {
            Found::UpTo(to) => to,
            Found::End => break,
            Found::Nothing => continue,
        };
        if !world.weather.is_calm() {
            sleep(between(&mut random, 0, world.params.window_ms)).await;
        }
        let batch = world.stream.records(shard, next, to);
        Batches { world, shard, random: &mut random }.process(batch).await;
        if !world.weather.is_calm() && world.scenario.has(Cause::Rewind) && random.u8(0..15) == 0 {
            world.count(Kind::Rewound, 1);
            world.tell(format_args!("the checkpoint of shard {shard} goes back"));
            continue;
        }
        next = to;
    }
    world.stream.done(shard);
}

/// A batch that is not processed yet, or a piece of one.
struct Piece {
    records: Vec<Record>,
    /// Tries that failed without any record getting through.
    failed: u32,
}

struct Batches<'a> {
    world: &'a Arc<World>,
    shard: usize,
    random: &'a mut fastrand::Rng,
}

impl Batches<'_> {
    /// Hands a batch to the function until each of its records is processed or given up.
    async fn process(&mut self, batch: Vec<Record>) {
        let (world, shard) = (self.world, self.shard);
        let mut pieces = VecDeque::from([Piece { records: batch, failed: 0 }]);
        let mut is_first = true;
        while let Some(mut piece) = pieces.pop_front() {
            if !is_first {
                world.count(Kind::Redelivered, piece.records.len() as u64);
            }
            is_first = false;
            let answer = invoke(world, Feed::Mapping, shard, &piece.records).await;
            world.tell(format_args!("the mapping of shard {shard} learns: {answer:?}"));
            match answer {
                Answer::All => {
                    is_first = true;
                    continue;
                }
                Answer::From(sequence) => {
                    world.count(Kind::PartialAnswer, 1);
                    let done = piece.records.iter().take_while(|record| record.sequence < sequence).count();
                    if done > 0 {
                        piece = Piece { records: piece.records.split_off(done), failed: 0 };
                    } else {
                        piece.failed += 1;
                    }
                }
                Answer::Failed(_) if world.params.bisects && piece.records.len() > 1 => {
                    world.count(Kind::Bisected, 1);
                    let later = piece.records.split_off(piece.records.len() / 2);
                    pieces.push_front(Piece { records: later, failed: piece.failed });
                }
                Answer::Failed(_) => piece.failed += 1,
            }
            if let Some(piece) = self.keep_or_retry(piece).await {
                pieces.push_front(piece);
            }
        }
    }

    /// Waits for the next try; gives up what has no further one.
    async fn keep_or_retry(&mut self, piece: Piece) -> Option<Piece> {
        let (world, params) = (self.world, &self.world.params);
        let calm = world.weather.is_calm();
        if !calm {
            let pause = if self.random.u8(0..20) == 0 { HOUR_MS } else { MINUTE_MS };
            sleep(between(self.random, 50, pause)).await;
        } else if piece.failed > 0 {
            sleep(between(self.random, 50, 1_000)).await;
        }
        let exhausted = params.max_retries.is_some_and(|most| piece.failed > most);
        let oldest = piece.records.first().map_or(0, |record| record.arrived_ms);
        let too_old = params.max_age_ms.is_some_and(|most| world.time.now_ms() - oldest > most);
        if calm || !(exhausted || too_old) {
            return Some(piece);
        }
        world.count(if exhausted { Kind::RetriesExhausted } else { Kind::TooOld }, 1);
        world.tell(format_args!("the mapping of shard {} gives up {} records", self.shard, piece.records.len()));
        world.give_up(Kept { shard: self.shard, records: piece.records });
        None
    }
}
