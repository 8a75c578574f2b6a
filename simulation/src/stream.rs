//! The stream: shards with records in order, which split and merge.

use std::pin::pin;
use std::sync::Arc;

use headcount_core::hash::hash64;
use headcount_core::limits::DAY_MS;
use headcount_core::origin::Source;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// The stream's name, as it stands in sources.
pub(crate) const NAME: &str = "events";

/// How long it keeps records: a day, as a stream does that nobody told otherwise.
pub(crate) const RETENTION_MS: i64 = DAY_MS;

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) arrived_ms: i64,
    pub(crate) data: Arc<[u8]>,
}

#[derive(Debug)]
struct Shard {
    /// Hash keys from the first, up to the second, not included.
    range: (u64, u64),
    parents: Vec<usize>,
    records: Vec<Record>,
    is_closed: bool,
    /// The record that the first mapping reads next: it is through with all before.
    position: usize,
    /// Whether the first mapping is through with all of it.
    is_done: bool,
    next_sequence: u64,
}

/// The stream. Whoever waits for something in it is woken at each change.
#[derive(Debug)]
pub(crate) struct Stream {
    shards: Mutex<Vec<Shard>>,
    // Not a channel of tokio's, which wakes those who wait for it in an order of chance.
    changed: Notify,
}

/// What a reader finds behind its checkpoint.
pub(crate) enum Found {
    /// Records up to this index, not included.
    UpTo(usize),
    /// Nothing yet.
    Nothing,
    /// The shard is closed, and this was its end.
    End,
}

impl Stream {
    pub(crate) fn new(shards: usize, random: &mut fastrand::Rng) -> Self {
        let width = u64::MAX / shards as u64;
        let ranges =
            (0..shards as u64).map(|n| (n * width, if n + 1 == shards as u64 { u64::MAX } else { (n + 1) * width }));
        let shards = ranges.map(|range| Shard::new(range, Vec::new(), random)).collect();
        Self { shards: Mutex::new(shards), changed: Notify::new() }
    }

    /// The shard that a partition key goes to.
    pub(crate) fn shard_of(&self, partition_key: &str) -> usize {
        let key = hash64(partition_key.as_bytes());
        let holds = |shard: &Shard| !shard.is_closed && (shard.range.0..shard.range.1).contains(&key);
        self.shards().iter().position(holds).unwrap_or_default()
    }

    /// Shards that take records.
    pub(crate) fn open(&self) -> Vec<usize> {
        self.shards().iter().enumerate().filter(|(_, shard)| !shard.is_closed).map(|(index, _)| index).collect()
    }

    /// Takes a record.
    pub(crate) fn put(&self, shard: usize, arrived_ms: i64, data: Vec<u8>, random: &mut fastrand::Rng) -> Record {
        let record = self.shards()[shard].put(arrived_ms, data.into(), random);
        self.change();
        record
    }

    /// Splits a shard in two; the children's indices.
    pub(crate) fn split(&self, shard: usize, random: &mut fastrand::Rng) -> [usize; 2] {
        let mut shards = self.shards();
        let (from, to) = shards[shard].range;
        let middle = from + (to - from) / 2;
        shards[shard].is_closed = true;
        let first = shards.len();
        for range in [(from, middle), (middle, to)] {
            shards.push(Shard::new(range, vec![shard], random));
        }
        drop(shards);
        self.change();
        [first, first + 1]
    }

    /// Merges two neighbours, if there are any; the parents and the child.
    pub(crate) fn merge(&self, random: &mut fastrand::Rng) -> Option<([usize; 2], usize)> {
        let mut shards = self.shards();
        let open = |shard: &Shard| !shard.is_closed;
        let (left, right) = shards.iter().enumerate().filter(|(_, shard)| open(shard)).find_map(|(left, one)| {
            let right = shards.iter().position(|other| open(other) && other.range.0 == one.range.1)?;
            Some((left, right))
        })?;
        let range = (shards[left].range.0, shards[right].range.1);
        shards[left].is_closed = true;
        shards[right].is_closed = true;
        let child = shards.len();
        shards.push(Shard::new(range, vec![left, right], random));
        drop(shards);
        self.change();
        Some(([left, right], child))
    }

    /// Closes every shard: no more records come.
    pub(crate) fn close(&self) {
        self.shards().iter_mut().for_each(|shard| shard.is_closed = true);
        self.change();
    }

    /// Waits until the mapping is through with the shard's parents.
    pub(crate) async fn parents_are_done(&self, shard: usize) {
        self.wait(|shards| shards[shard].parents.iter().all(|parent| shards[*parent].is_done)).await;
    }

    /// Waits for records at `next` or behind, or for the shard's end.
    pub(crate) async fn read(&self, shard: usize, next: usize, most: usize) -> Found {
        let look = |shards: &[Shard]| {
            let shard = &shards[shard];
            match shard.records.len() {
                length if length > next => Found::UpTo(length.min(next + most)),
                _ if shard.is_closed => Found::End,
                _ => Found::Nothing,
            }
        };
        self.wait(|shards| !matches!(look(shards), Found::Nothing)).await;
        look(&self.shards())
    }

    pub(crate) fn records(&self, shard: usize, from: usize, to: usize) -> Vec<Record> {
        self.shards()[shard].records[from..to].to_vec()
    }

    /// The first record that arrived at this time or later.
    pub(crate) fn first_since(&self, shard: usize, at_ms: i64) -> usize {
        self.shards()[shard].records.partition_point(|record| record.arrived_ms < at_ms)
    }

    /// One record, if it is there already.
    pub(crate) fn record(&self, shard: usize, index: usize) -> Option<Record> {
        self.shards()[shard].records.get(index).cloned()
    }

    /// How far the first mapping is.
    pub(crate) fn position(&self, shard: usize) -> usize {
        self.shards()[shard].position
    }

    pub(crate) fn passed(&self, shard: usize, position: usize) {
        self.shards()[shard].position = position;
    }

    /// How many shards there were so far.
    pub(crate) fn len(&self) -> usize {
        self.shards().len()
    }

    pub(crate) fn done(&self, shard: usize) {
        self.shards()[shard].is_done = true;
        self.change();
    }

    async fn wait(&self, mut is_so: impl FnMut(&[Shard]) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.shards()) {
                return;
            }
            changed.await;
        }
    }

    fn change(&self) {
        self.changed.notify_waiters();
    }

    fn shards(&self) -> MutexGuard<'_, Vec<Shard>> {
        self.shards.lock()
    }
}

impl Shard {
    fn new(range: (u64, u64), parents: Vec<usize>, random: &mut fastrand::Rng) -> Self {
        // Close below a power of ten, so that numbers soon get a digit more: as text they would go back.
        let next_sequence = 10_u64.pow(random.u32(2..9)) - random.u64(1..12);
        Self { range, parents, records: Vec::new(), is_closed: false, position: 0, is_done: false, next_sequence }
    }

    fn put(&mut self, arrived_ms: i64, data: Arc<[u8]>, random: &mut fastrand::Rng) -> Record {
        let sequence = self.next_sequence;
        self.next_sequence += random.u64(1..4);
        let record = Record { sequence, arrived_ms, data };
        self.records.push(record.clone());
        record
    }
}

/// A shard's id.
pub(crate) fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

/// A shard's source.
pub(crate) fn source(shard: usize) -> Source {
    Source::shard(NAME, None, &shard_id(shard)).expect("the stream has a sound name")
}
