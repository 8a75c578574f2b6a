//! Each source's partials are a fresh fold of its log, users' first days are those of the events that were followed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};

use super::entries::{Entries, Fate};
use crate::truth::Truth;
use crate::world::World;

/// More damaged entries of one source's date are not told apart.
const MAX_DAMAGED: usize = 4;

/// In the end.
pub(crate) fn differences(world: &World, truth: &Truth, entries: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    let store = world.table().store;
    let Some(meta) = store.meta() else { return vec!["the table was never used".to_owned()] };
    let mut stored: BTreeMap<(NaiveDate, Source), PartialRecord> = BTreeMap::new();
    for record in store.all_partials() {
        stored.insert((record.date, record.source.clone()), record);
    }
    for (source, by_number) in entries.sources() {
        let mut dates = BTreeSet::new();
        for (logged, fate) in by_number.values() {
            dates.extend(logged.content.days.keys().filter(|_| entries.is_for_table(*fate)));
        }
        for date in dates {
            match stored.remove(&(date, source.clone())) {
                None => found.push(format!("{source} has no partial of {date}")),
                Some(record) => {
                    found.extend(difference(&record, entries, u64::MAX, &meta.deployment));
                }
            }
        }
    }
    let needless = stored.into_keys().filter(|(date, source)| !may_have(entries, source, *date));
    found.extend(needless.map(|(date, source)| format!("{source} has a partial of {date}, but no entry")));
    let rows = store.all_checkpoints();
    for (source, by_number) in entries.sources() {
        let is_followed = |follower: Follower| {
            let row = rows.iter().find(|row| row.follower == follower && row.source == *source);
            row.map_or(0, |row| row.checkpoint.entry)
        };
        let needed = by_number.iter().rev().find(|(_, (_, fate))| entries.is_for_table(*fate));
        let needed = needed.map_or(0, |(number, _)| *number);
        for follower in Follower::ALL {
            if is_followed(follower) < needed {
                found.push(format!("{follower:?} of {source} are at {}, not {needed}", is_followed(follower)));
            }
        }
    }
    first_days(world, truth, entries, &mut found);
    found
}

fn may_have(entries: &Entries, source: &Source, date: NaiveDate) -> bool {
    entries.of(source).any(|(_, logged, _)| logged.content.days.contains_key(&date))
}

/// How a partial differs from a fold of its source's entries up to its own position, and up to `at_least`.
pub(crate) fn difference(
    record: &PartialRecord,
    entries: &Entries,
    at_least: u64,
    deployment: &Deployment,
) -> Option<String> {
    let PartialRecord { date, source, as_of, .. } = record;
    let name = || format!("the partial of {source} of {date} at entry {as_of}");
    if let Err(damage) = Partial::decode(record) {
        return Some(format!("{}: {damage}", name()));
    }
    let of_date = entries.of(source).filter(|(_, logged, _)| logged.content.days.contains_key(date));
    let of_date: Vec<_> = of_date.collect();
    let newest_needed = of_date.iter().filter(|(number, _, fate)| *number <= at_least && entries.is_for_table(*fate));
    let newest_needed = newest_needed.map(|(number, ..)| *number).max().unwrap_or(0);
    if *as_of < newest_needed {
        return Some(format!("{} lacks entry {newest_needed}", name()));
    }
    // What is damaged may have been folded before, or not.
    let damaged: Vec<u64> =
        of_date.iter().filter(|(_, _, fate)| *fate == Fate::Damaged).map(|(number, ..)| *number).collect();
    if damaged.len() > MAX_DAMAGED {
        return None;
    }
    let mut nearest = None;
    for choice in 0..1_u32 << damaged.len() {
        let is_folded = |number: u64, fate: Fate| match damaged.iter().position(|one| *one == number) {
            Some(place) => choice >> place & 1 == 1,
            None => entries.is_for_table(fate),
        };
        let mut partial = Partial::new(*date, source.clone(), deployment.precision).ok()?;
        for (number, logged, fate) in of_date.iter().filter(|(number, ..)| number <= as_of) {
            let Some(day) = logged.content.days.get(date).filter(|_| is_folded(*number, *fate)) else { continue };
            for (_, event) in &day.events {
                partial.fold(event, deployment.zone);
            }
            partial.counters.add_duplicates(day.duplicates);
            partial.counters.add_rejected(day.rejected);
            partial.advance(*number);
        }
        let events = partial.counters.events;
        let expected = PartialRecord { version: record.version, checksum: record.checksum, ..partial.encode() };
        if expected == *record {
            return None;
        }
        nearest.get_or_insert((events, expected.as_of, expected.first));
    }
    let has = Partial::decode(record).map_or(0, |partial| partial.counters.events);
    Some(format!("{} has {has} events since {}, a fold of the log {nearest:?}", name(), record.first))
}

fn first_days(world: &World, truth: &Truth, entries: &Entries, found: &mut Vec<String>) {
    let profiles = world.table().store.all_profiles();
    let stored: BTreeMap<&str, NaiveDate> = profiles.iter().map(|one| (one.user_id.as_str(), one.date)).collect();
    let known = entries.keys();
    let wanted = truth.first_days(&world.rules, &known);
    if entries.is_whole() {
        if stored != wanted {
            found.push(format!("first days of users: {stored:?}, not {wanted:?}"));
        }
        return;
    }
    for (user, date) in &stored {
        if wanted.get(user).is_none_or(|wanted| wanted > date) {
            found.push(format!("{user} was first seen on {date}, before any event"));
        }
    }
}
