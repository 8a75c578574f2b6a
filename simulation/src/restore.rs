//! A table that is restored to an earlier moment, each of its items to one of its own, under a new number.

use std::collections::VecDeque;
use std::sync::Arc;

use headcount_core::deployment::{TableId, TableMeta};
use headcount_testkit::memory::{MemoryStore, Snapshot};

use crate::chance;
use crate::scenario::Cause;
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::world::World;

/// Backups that are kept.
const BACKUPS: usize = 12;

/// Backs the table up all the time, and restores it now and then.
pub(crate) async fn now_and_then(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "restore", 0);
    if !world.scenario.has(Cause::Restore) || !world.params.has_restore {
        return;
    }
    let end_ms = world.params.began_ms + world.params.span_ms;
    let mut backups = VecDeque::new();
    while world.time.now_ms() < end_ms {
        let pause_ms = if random.bool() { random.i64(MINUTE_MS..10 * MINUTE_MS) } else { random.i64(0..4 * HOUR_MS) };
        world.time.until(world.time.now_ms() + pause_ms).await;
        backups.push_back(world.table().store.snapshot());
        if backups.len() > BACKUPS {
            backups.pop_front();
        }
        if random.u8(0..7) == 0 {
            restore(&world, backups.make_contiguous(), &mut random);
            backups.clear();
        }
    }
}

fn restore(world: &World, backups: &[Snapshot], random: &mut fastrand::Rng) {
    let from = random.usize(0..backups.len());
    let to = (from + random.usize(1..4)).min(backups.len());
    let store = MemoryStore::with_page_items(random.usize(2..12));
    store.restore(&backups[from..to], random.u64(..));
    let Some(TableMeta { deployment, .. }) = store.meta() else { return };
    // Before anybody uses it, the table gets a number of its own: what carries the old one counts as absent.
    store.set_meta(TableMeta { deployment, table: TableId(random.u64(..)) });
    world.count(Kind::Restored, 1);
    world.tell(format_args!("the table is restored from {} backups", to - from));
    world.replace_table(store);
    world.fleet.restart();
}
