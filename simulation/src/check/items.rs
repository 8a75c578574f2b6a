//! Event items and rejected items are those of the log.

use std::collections::{BTreeMap, BTreeSet};

use headcount_core::event::Event;
use headcount_core::json::Json;
use headcount_core::origin::Origin;
use headcount_store::numbers::object_as_stored;
use headcount_store::rows::EventItem;

use super::entries::{Entries, Logged};
use crate::truth::{Key, Truth};
use crate::world::World;

/// In the end.
pub(crate) fn differences(world: &World, _truth: &Truth, entries: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    let store = world.table().store;
    let mut logged: BTreeMap<Key, Vec<(i64, Event<'static>)>> = BTreeMap::new();
    let mut needed = BTreeSet::new();
    let (mut rejected, mut rejected_needed) = (BTreeSet::new(), BTreeSet::new());
    for (_, entry, fate) in entries.all() {
        let Logged { facts, content } = entry;
        for event in entry.events() {
            logged.entry(Key::of(event)).or_default().push((facts.appended_ms, as_stored(event)));
            if entries.is_for_table(fate) && world.params.event_items {
                needed.insert(Key::of(event));
            }
        }
        let origins: Vec<Origin> = content.rejections.iter().map(|rejection| rejection.origin.clone()).collect();
        if entries.is_for_table(fate) {
            rejected_needed.extend(origins.iter().cloned());
        }
        rejected.extend(origins);
    }
    let items = store.all_events();
    for item in &items {
        needed.remove(&Key::of(&item.event));
        if let Err(what) = check(item, world, &logged) {
            found.push(format!("the item of event {}: {what}", item.event.id));
        }
    }
    if !needed.is_empty() {
        found.push(format!("events without an item: {needed:?}"));
    }
    let stored: BTreeSet<Origin> = store.all_rejected().into_iter().map(|item| item.origin).collect();
    if !stored.is_subset(&rejected) || !rejected_needed.is_subset(&stored) {
        found.push(format!("rejected items are {stored:?}, not {rejected_needed:?}"));
    }
    found
}

fn check(
    item: &EventItem<'_>,
    world: &World,
    logged: &BTreeMap<Key, Vec<(i64, Event<'static>)>>,
) -> Result<(), String> {
    let of_key = logged.get(&Key::of(&item.event)).ok_or("it is in no entry")?;
    let is_logged = |(appended_ms, event): &(i64, Event<'_>)| *appended_ms == item.created_ms && *event == item.event;
    if !of_key.iter().any(is_logged) {
        return Err(format!("{item:?} is not {of_key:?}"));
    }
    if item.date != world.rules.day(item.event.timestamp_ms) || !world.params.event_items || !item.is_indexed {
        return Err(format!("{item:?} is not as it should be"));
    }
    Ok(())
}

/// The event with its numbers as the table keeps them.
fn as_stored(event: &Event<'static>) -> Event<'static> {
    let stored = |json: &Json<'_>| object_as_stored(&json.to_object()).into();
    Event { event_data: stored(&event.event_data), metadata: stored(&event.metadata), ..event.clone() }
}
