//! Looks in between: what holds at every moment, whatever is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use headcount_core::keys::Follower;
use headcount_core::metrics::DailyMetrics;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_testkit::memory::MemoryStore;
use tokio::time::sleep;

use super::entries::{self, Entries};
use super::figures::difference;
use crate::chance;
use crate::tally::Kind;
use crate::time::between;
use crate::truth::Key;
use crate::world::World;

/// Partials that were damaged.
type Damaged = BTreeSet<(NaiveDate, Source, u64)>;

/// What earlier looks at a table saw.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    table: u64,
    partials: BTreeMap<(NaiveDate, Source), u64>,
    checkpoints: BTreeMap<(Follower, Source), u64>,
}

/// Looks all the time.
pub(crate) async fn now_and_then(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "look", 0);
    let end_ms = world.params.began_ms + world.params.span_ms;
    while world.time.now_ms() < end_ms && !world.has_failed() {
        let look_every_ms = world.params.look_every_ms;
        let longest_ms = if random.bool() { look_every_ms / 120 } else { look_every_ms };
        sleep(between(&mut random, 1_000, longest_ms)).await;
        look(&world).await;
    }
}

/// One look.
pub(crate) async fn look(world: &World) {
    world.count(Kind::Looks, 1);
    let table = world.table();
    let entries = entries::read(world).await;
    let damaged = world.damaged_partials();
    let found = world.with_looked(|looked| {
        if looked.table != table.number {
            *looked = Looked { table: table.number, ..Looked::default() };
        }
        looked.look(&table.store, &entries, &damaged)
    });
    for mismatch in found {
        world.mismatch(format!("in between: {mismatch}"));
    }
}

impl Looked {
    fn look(&mut self, store: &MemoryStore, entries: &Entries, damaged: &Damaged) -> Vec<String> {
        let mut found = Vec::new();
        let Some(meta) = store.meta() else { return found };
        let partials = store.all_partials();
        let mut first_days = BTreeMap::new();
        for profile in store.all_profiles() {
            first_days.insert(profile.user_id, profile.date);
        }
        for partial in &partials {
            let place = (partial.date, partial.source.clone());
            let known = self.partials.insert(place, partial.version).unwrap_or(0);
            if known > partial.version {
                found.push(format!("the partial of {} of {} goes back", partial.source, partial.date));
            }
            if known != partial.version && !damaged.contains(&(partial.date, partial.source.clone(), partial.version)) {
                found.extend(difference(partial, entries, 0, &meta.deployment));
                found.extend(unseen(partial, entries, &first_days));
            }
        }
        for row in store.all_dailies() {
            let figures = DailyMetrics::from_object(&row.data).map(|metrics| metrics.figures);
            if figures.is_ok_and(|figures| figures.is_final && !figures.verified) {
                found.push(format!("{} is final, but not proven", row.date));
            }
        }
        let rows = store.all_checkpoints();
        for row in rows {
            let place = (row.follower, row.source.clone());
            let at = row.checkpoint.entry;
            let known = self.checkpoints.insert(place, at).unwrap_or(0);
            if at < known {
                found.push(format!("the checkpoint {:?} of {} goes back to {at}", row.follower, row.source));
            }
            if at == known {
                continue;
            }
            match row.follower {
                Follower::Figures => found.extend(figures_behind(&row.source, at, &partials, entries)),
                Follower::Items => found.extend(items_behind(&row.source, at, store, entries)),
            }
        }
        found
    }
}

/// A user who is in a partial, but whose profile does not say so.
fn unseen(partial: &PartialRecord, entries: &Entries, first: &BTreeMap<String, NaiveDate>) -> Option<String> {
    let folded =
        entries.of(&partial.source).filter(|(number, _, fate)| *number <= partial.as_of && entries.is_for_table(*fate));
    let events = folded.filter_map(|(_, logged, _)| logged.content.days.get(&partial.date)).flat_map(|day| &day.events);
    let unseen = events
        .filter_map(|(_, event)| event.user())
        .find(|user| first.get(*user).is_none_or(|first| *first > partial.date))?;
    Some(format!("{unseen} is in the partial of {} of {}, but not seen then", partial.source, partial.date))
}

/// A partial that is behind the checkpoint of figures.
fn figures_behind(source: &Source, at: u64, partials: &[PartialRecord], entries: &Entries) -> Option<String> {
    let followed = entries.of(source).filter(|(number, _, fate)| *number <= at && entries.is_for_table(*fate));
    let mut newest: BTreeMap<NaiveDate, u64> = BTreeMap::new();
    for (number, logged, _) in followed {
        newest.extend(logged.content.days.keys().map(|date| (*date, number)));
    }
    let is_behind = |(date, number): &(&NaiveDate, &u64)| {
        let partial = partials.iter().find(|partial| partial.source == *source && partial.date == **date);
        partial.is_none_or(|partial| partial.as_of < **number)
    };
    let (date, number) = newest.iter().find(is_behind)?;
    Some(format!("figures of {source} are followed up to {at}, but its partial of {date} lacks entry {number}"))
}

/// An item that is behind the checkpoint of items.
fn items_behind(source: &Source, at: u64, store: &MemoryStore, entries: &Entries) -> Option<String> {
    let items = store.all_events();
    let has_events = !items.is_empty();
    let keys: BTreeSet<Key> = items.iter().map(|item| Key::of(&item.event)).collect();
    let rejected: BTreeSet<_> = store.all_rejected().into_iter().map(|item| item.origin).collect();
    for (number, logged, fate) in entries.of(source).filter(|(number, ..)| *number <= at) {
        if !entries.is_for_table(fate) {
            continue;
        }
        let lacks_event = has_events && logged.events().into_iter().any(|event| !keys.contains(&Key::of(event)));
        let lacks_rejection = logged.content.rejections.iter().any(|one| !rejected.contains(&one.origin));
        if lacks_event || lacks_rejection {
            return Some(format!("items of {source} are followed up to {at}, but items of entry {number} are missing"));
        }
    }
    None
}
