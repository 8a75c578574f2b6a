//! What must be: in between and in the end, everything that log and table hold, beside what the naive model says.

pub(crate) mod daily;
pub(crate) mod entries;
pub(crate) mod figures;
pub(crate) mod items;
pub(crate) mod log;
pub(crate) mod looks;

use std::sync::Arc;

use crate::tally::Kind;
use crate::world::World;

/// When all faults are over and everything is followed.
pub(crate) async fn everything(world: &Arc<World>) {
    looks::look(world).await;
    let entries = entries::read(world).await;
    world.count_entries(entries.all().count() as u64);
    world.count(Kind::CrossDuplicates, entries.duplicates());
    let found = world.with_truth(|truth| {
        let mut found = log::differences(truth, &entries);
        found.extend(figures::differences(world, truth, &entries));
        found.extend(items::differences(world, truth, &entries));
        found
    });
    let daily = if entries.is_whole() && world.table().number == 1 {
        daily::differences(world, &entries).await
    } else {
        Vec::new()
    };
    for mismatch in found.into_iter().chain(daily) {
        world.mismatch(mismatch);
    }
}
