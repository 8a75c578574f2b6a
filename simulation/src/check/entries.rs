//! The whole log, as it was appended: what expired or was damaged as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headcount_core::origin::Source;
use headcount_log::entry::Entry;
use headcount_log::{Content, Day, EntryFacts};

use crate::trouble::{log, soon};
use crate::truth::Key;
use crate::world::{Gone, World};

/// An entry as it was appended.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) facts: EntryFacts,
    pub(crate) content: Content<'static>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Sound,
    /// It expired when the table with this number was in use.
    Expired(u64),
    /// It is damaged, and may have been followed before, or not.
    Damaged,
}

/// Entries that were read already: they never change.
pub(crate) type Cache = BTreeMap<(Source, u64), Arc<Logged>>;

/// The whole log.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    sources: BTreeMap<Source, BTreeMap<u64, (Arc<Logged>, Fate)>>,
    /// The number of the table that is in use.
    table: u64,
}

impl Entries {
    /// Each source with its entries.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Source, &BTreeMap<u64, (Arc<Logged>, Fate)>)> {
        self.sources.iter()
    }

    pub(crate) fn of(&self, source: &Source) -> impl Iterator<Item = (u64, &Logged, Fate)> {
        let entries = self.sources.get(source).into_iter().flatten();
        entries.map(|(number, (logged, fate))| (*number, &**logged, *fate))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Source, &Logged, Fate)> {
        self.sources
            .iter()
            .flat_map(|(source, entries)| entries.values().map(move |(logged, fate)| (source, &**logged, *fate)))
    }

    /// Entries that the table that is in use must have followed, where they are sound.
    pub(crate) fn is_for_table(&self, fate: Fate) -> bool {
        match fate {
            Fate::Sound => true,
            Fate::Expired(table) => table == self.table,
            Fate::Damaged => false,
        }
    }

    pub(crate) fn is_damaged(&self, source: &Source) -> bool {
        self.of(source).any(|(_, _, fate)| fate == Fate::Damaged)
    }

    /// Whether everything that was ever appended must be in the table.
    pub(crate) fn is_whole(&self) -> bool {
        self.all().all(|(_, _, fate)| self.is_for_table(fate))
    }

    /// Every event that is in a log.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        self.all().flat_map(|(_, logged, _)| logged.events()).map(Key::of).collect()
    }

    /// Occurrences beyond the first of each event.
    pub(crate) fn duplicates(&self) -> u64 {
        let mut keys = BTreeSet::new();
        let events = self.all().flat_map(|(_, logged, _)| logged.events());
        events.filter(|event| !keys.insert(Key::of(event))).count() as u64
    }
}

impl Logged {
    fn read(entry: &Entry) -> Self {
        let opened = entry.open().expect("what was appended can be opened");
        let content = opened.content().expect("what was appended can be read");
        let days = content.days.into_iter().map(|(date, day)| {
            let Day { events, duplicates, rejected } = day;
            let events = events.into_iter().map(|(index, event)| (index, event.into_owned())).collect();
            (date, Day { events, duplicates, rejected })
        });
        let content = Content { days: days.collect(), rejections: content.rejections };
        Self { facts: entry.header.facts.clone(), content }
    }

    /// Its events, in the order of its records.
    pub(crate) fn events(&self) -> Vec<&headcount_core::event::Event<'static>> {
        let days = self.content.days.values();
        let mut events: Vec<_> = days.flat_map(|day| &day.events).collect();
        events.sort_unstable_by_key(|(index, _)| *index);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// Reads the whole log, without any fault.
pub(crate) async fn read(world: &World) -> Entries {
    let (log, gone) = (log(world), world.gone());
    let mut entries = Entries { sources: BTreeMap::new(), table: world.table().number };
    let mut numbers: BTreeSet<(Source, u64)> = gone.keys().cloned().collect();
    for source in log.sources(soon()).await.unwrap_or_default() {
        let listed = log.list_after(&source, 0, usize::MAX, soon()).await.unwrap_or_default();
        numbers.extend(listed.into_iter().map(|listed| (source.clone(), listed.entry)));
    }
    for place in numbers {
        let lost = gone.get(&place);
        let fate = match lost {
            None => Fate::Sound,
            Some(Gone { is_expired: true, table, .. }) => Fate::Expired(*table),
            Some(_) => Fate::Damaged,
        };
        let known = world.with_cache(|cache| cache.get(&place).cloned());
        let logged = match (known, lost) {
            (Some(known), _) => known,
            (None, Some(gone)) => decoded(world, &place, Entry::decode(gone.bytes.clone(), &place.0, place.1)),
            (None, None) => decoded(world, &place, log.read(&place.0, place.1, soon()).await),
        };
        entries.sources.entry(place.0).or_default().insert(place.1, (logged, fate));
    }
    entries
}

fn decoded<E: std::fmt::Display>(world: &World, place: &(Source, u64), entry: Result<Entry, E>) -> Arc<Logged> {
    let entry = entry.unwrap_or_else(|error| panic!("entry {} of {}: {error}", place.1, place.0));
    let logged = Arc::new(Logged::read(&entry));
    world.with_cache(|cache| cache.insert(place.clone(), Arc::clone(&logged)));
    logged
}
