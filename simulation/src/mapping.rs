//! Event source mappings, as the service documents them: each shard in order, parents before children; a failed batch is
//! bisected, retried, and given up when its retries or its age are used up.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chance;
use crate::functions::{Answer, Caller, Work, invoke};
use crate::redrive::Kept;
use crate::scenario::Cause;
use crate::stream::{Found, RETENTION_MS, Record, source};
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS, between};
use crate::world::World;

/// Reads a shard once its parents are done, until it is closed and processed to its end.
pub(crate) fn read(world: &Arc<World>, shard: usize) -> JoinHandle<()> {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        world.stream.parents_are_done(shard).await;
        read_shard(&world, 1, shard, 0).await;
        world.stream.done(shard);
    })
}

/// Splits and merges shards now and then, and reads the new ones.
pub(crate) async fn reshard(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "reshard", 0);
    let mut readers = Vec::new();
    if !world.scenario.has(Cause::Reshard) {
        return readers;
    }
    let mut times: Vec<i64> = (0..random.u32(0..7)).map(|_| random.i64(0..world.params.span_ms)).collect();
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

/// Lets a second mapping read some shards as well, from a record that the first one is through with at the latest.
pub(crate) async fn second(world: Arc<World>) -> Vec<JoinHandle<()>> {
    let mut random = chance(world.scenario.seed, "second mapping", 0);
    let mut readers = Vec::new();
    if !world.scenario.has(Cause::SecondMapping) || random.u8(0..3) > 0 {
        return readers;
    }
    let mut times: Vec<i64> = (0..random.u32(1..4)).map(|_| random.i64(0..world.params.span_ms)).collect();
    times.sort_unstable();
    for (number, at_ms) in (2..).zip(times) {
        world.time.until(world.params.began_ms + at_ms).await;
        let shard = random.usize(..world.stream.len());
        let begin = world.stream.position(shard);
        let begin = random.usize(oldest_kept(&world, shard).min(begin)..=begin);
        world.count(Kind::SecondMapping, 1);
        world.tell(format_args!("mapping {number} reads shard {shard} from its record {begin} on"));
        let world = Arc::clone(&world);
        readers.push(tokio::spawn(async move {
            world.stream.parents_are_done(shard).await;
            read_shard(&world, number, shard, begin).await;
        }));
    }
    readers
}

/// The first record of a shard that the stream still keeps.
fn oldest_kept(world: &World, shard: usize) -> usize {
    world.stream.first_since(shard, world.time.now_ms() - RETENTION_MS)
}

async fn read_shard(world: &Arc<World>, mapping: u32, shard: usize, begin: usize) {
    let mut random = chance(world.scenario.seed, &format!("mapping {mapping}"), shard as u64);
    let mut next = begin;
    loop {
        let most = random.usize(1..=world.params.batch_size);
        let to = match world.stream.read(shard, next, most).await {
            Found::UpTo(to) => to,
            Found::End => return,
            Found::Nothing => continue,
        };
        if !world.weather.is_calm() {
            sleep(between(&mut random, 0, world.params.window_ms)).await;
        }
        let batch = world.stream.records(shard, next, to);
        Batches { world, mapping, shard, random: &mut random }.process(batch).await;
        next = to;
        if mapping == 1 {
            world.stream.passed(shard, next);
        }
        if !world.weather.is_calm() && world.scenario.has(Cause::Rewind) && random.u8(0..15) == 0 {
            world.count(Kind::Rewound, 1);
            next = random.usize(oldest_kept(world, shard).min(next)..=next);
            world.tell(format_args!("mapping {mapping} goes back to record {next} of shard {shard}"));
        }
    }
}

/// A batch that is not processed yet, or a piece of one.
struct Piece {
    records: Vec<Record>,
    /// Tries that failed without any record getting through.
    failed: u32,
}

struct Batches<'a> {
    world: &'a Arc<World>,
    mapping: u32,
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
            let source = source(shard);
            let work = Work { origin: source.clone(), source, records: piece.records.clone(), is_history: false };
            let answer = invoke(world, Caller::Mapping(self.mapping), work).await;
            world.tell(format_args!("mapping {} of shard {shard} learns: {answer:?}", self.mapping));
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
        world.tell(format_args!(
            "mapping {} of shard {} gives up {} records",
            self.mapping,
            self.shard,
            piece.records.len()
        ));
        world.give_up(Kept { origin: source(self.shard), records: piece.records });
        None
    }
}
