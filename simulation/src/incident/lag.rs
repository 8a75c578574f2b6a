//! How far everything is behind, second by second.

use std::sync::Arc;

use headcount_core::keys::Follower;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_log::Entry;

use super::service::Service;
use crate::stream::source;
use crate::trouble::{bytes_of, path};
use crate::world::World;

const SECOND_MS: i64 = 1_000;

/// Ages in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lags {
    /// Of the oldest record that was not handed to the consumer yet.
    pub(super) unread: i64,
    /// Of the oldest record that is not in the log yet.
    pub(super) unlogged: i64,
    /// Since the oldest entry was appended that is not in the figures.
    pub(super) figures: i64,
    /// Of the oldest record that is not in the figures, since its arrival at the stream.
    pub(super) uncounted: i64,
    /// Since the oldest entry was appended whose items are missing.
    pub(super) items: i64,
}

impl Lags {
    fn max(self, other: Self) -> Self {
        Self {
            unread: self.unread.max(other.unread),
            unlogged: self.unlogged.max(other.unlogged),
            figures: self.figures.max(other.figures),
            uncounted: self.uncounted.max(other.uncounted),
            items: self.items.max(other.items),
        }
    }
}

/// Looks at stream, log and table each second.
pub(super) struct Watch {
    world: Arc<World>,
    service: Arc<Service>,
    shards: Vec<Shard>,
    /// The largest of each since the last reset.
    peaks: Lags,
}

struct Shard {
    source: Source,
    entries: Vec<InLog>,
    /// Records that are in the log.
    logged: usize,
    figures: u64,
    items: u64,
}

#[derive(Clone, Copy)]
struct InLog {
    appended_ms: i64,
    /// When its first record arrived.
    arrived_ms: i64,
    events: u64,
}

impl Watch {
    pub(super) fn new(world: &Arc<World>, service: &Arc<Service>) -> Self {
        let shard = |shard| Shard { source: source(shard), entries: Vec::new(), logged: 0, figures: 0, items: 0 };
        Self {
            world: Arc::clone(world),
            service: Arc::clone(service),
            shards: (0..world.params.shards).map(shard).collect(),
            peaks: Lags::default(),
        }
    }

    /// The largest lags since this was asked last.
    pub(super) fn take_peaks(&mut self) -> Lags {
        std::mem::take(&mut self.peaks)
    }

    /// Events in the log.
    pub(super) fn events(&self) -> u64 {
        self.shards.iter().flat_map(|shard| &shard.entries).map(|entry| entry.events).sum()
    }

    /// The number of the newest entry of each shard.
    pub(super) fn tails(&self) -> Vec<u64> {
        self.shards.iter().map(|shard| shard.entries.len() as u64).collect()
    }

    /// Whether a follower is through with these entries.
    pub(super) fn has_followed(&self, follower: Follower, tails: &[u64]) -> bool {
        self.shards.iter().zip(tails).all(|(shard, tail)| match follower {
            Follower::Figures => shard.figures >= *tail,
            Follower::Items => shard.items >= *tail,
        })
    }

    /// Looks each second until that moment.
    pub(super) async fn until(&mut self, at_ms: i64) {
        while self.world.time.now_ms() < at_ms {
            self.second().await;
        }
    }

    /// Looks, and looks again after a second.
    pub(super) async fn second(&mut self) -> Lags {
        self.world.time.until(self.world.time.now_ms() + SECOND_MS).await;
        let lags = self.look().await;
        self.peaks = self.peaks.max(lags);
        lags
    }

    async fn look(&mut self) -> Lags {
        let now_ms = self.world.time.now_ms();
        let rows = self.world.table().store.all_checkpoints();
        let mut largest = Lags::default();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            shard.read(&self.world, number).await;
            let entry = |follower| {
                let row = rows.iter().find(|row| row.follower == follower && row.source == shard.source);
                row.map_or(0, |row| row.checkpoint.entry)
            };
            (shard.figures, shard.items) = (entry(Follower::Figures), entry(Follower::Items));
            let arrived = |index| self.world.stream.record(number, index).map(|record| record.arrived_ms);
            let age = |since: Option<i64>| since.map_or(0, |since| now_ms - since);
            let unlogged = arrived(shard.logged);
            let uncounted = shard.after(shard.figures);
            largest = largest.max(Lags {
                unread: age(arrived(self.service.handed(number))),
                unlogged: age(unlogged),
                figures: age(uncounted.map(|entry| entry.appended_ms)),
                uncounted: age(uncounted.map(|entry| entry.arrived_ms).or(unlogged)),
                items: age(shard.after(shard.items).map(|entry| entry.appended_ms)),
            });
        }
        largest
    }
}

impl Shard {
    /// The entry behind one; entry numbers begin at 1.
    fn after(&self, entry: u64) -> Option<InLog> {
        self.entries.get(entry as usize).copied()
    }

    /// Reads the entries that were appended since the last look.
    async fn read(&mut self, world: &World, number: usize) {
        loop {
            let next = self.entries.len() as u64 + 1;
            let Some(bytes) = bytes_of(world, &path(&self.source, next)).await else { return };
            let header = Entry::decode(bytes, &self.source, next).expect("an entry can be read").header;
            let first = world.stream.record(number, self.logged);
            let is_covered = |index| {
                let record = world.stream.record(number, index);
                record.is_some_and(|record| SequenceNumber::from(record.sequence) <= header.facts.last)
            };
            while is_covered(self.logged) {
                self.logged += 1;
            }
            self.entries.push(InLog {
                appended_ms: header.facts.appended_ms,
                arrived_ms: first.map_or(header.facts.appended_ms, |record| record.arrived_ms),
                events: header.dates.values().map(|counts| counts.events).sum(),
            });
        }
    }
}
