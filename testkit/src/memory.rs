//! A store in memory, **for tests only**: it lasts as long as its process and holds everything in maps.
//!
//! It answers as DynamoDB would, also where that is awkward: pages that end early, a cursor behind the last item,
//! numbers in their stored form, single inserts refused as invalid.

mod answers;
mod browse;
mod refused;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::keys::ItemKey;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;

use crate::rows::{Cursor, DailyRow, EventRow, FirstDay, Page, RejectedRow, SketchesRow, TotalRow};

/// Items on one page, unless told otherwise: few, so that tests meet more than one page.
pub const PAGE_ITEMS: usize = 100;

/// The store in memory. Clones are the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    items: Arc<Mutex<Items>>,
    page_items: usize,
}

#[derive(Debug, Default)]
struct Items {
    events: BTreeMap<ItemKey, EventRow<'static>>,
    rejected: BTreeMap<ItemKey, RejectedRow>,
    partials: BTreeMap<ItemKey, PartialRecord>,
    profiles: BTreeMap<String, FirstDay>,
    dailies: BTreeMap<NaiveDate, DailyRow>,
    sketches: BTreeMap<NaiveDate, SketchesRow>,
    totals: BTreeMap<NaiveDate, TotalRow>,
    deployment: Option<Deployment>,
}

/// One of a partial's three blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialPart {
    /// The counters.
    Counters,
    /// The user sketch.
    Users,
    /// The session sample.
    Sessions,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_page_items(PAGE_ITEMS)
    }

    /// An empty store whose pages hold this many items, at least one.
    pub fn with_page_items(page_items: usize) -> Self {
        Self { items: Arc::default(), page_items: page_items.max(1) }
    }

    /// Every event, in the order of keys.
    pub fn all_events(&self) -> Vec<EventRow<'static>> {
        self.items().events.values().cloned().collect()
    }

    /// Every rejected occurrence, in the order of keys.
    pub fn all_rejected(&self) -> Vec<RejectedRow> {
        self.items().rejected.values().cloned().collect()
    }

    /// Every partial, in the order of keys.
    pub fn all_partials(&self) -> Vec<PartialRecord> {
        self.items().partials.values().cloned().collect()
    }

    /// Every user's first day, in the order of user ids.
    pub fn all_profiles(&self) -> Vec<FirstDay> {
        self.items().profiles.values().cloned().collect()
    }

    /// Every date's metrics, in the order of dates.
    pub fn all_dailies(&self) -> Vec<DailyRow> {
        self.items().dailies.values().cloned().collect()
    }

    /// Every date's merged sketches, in the order of dates.
    pub fn all_sketches(&self) -> Vec<SketchesRow> {
        self.items().sketches.values().cloned().collect()
    }

    /// Spoils the stored bytes of one part of a partial; whether there was such a partial.
    pub fn damage_partial(&self, date: NaiveDate, source: &Source, part: PartialPart) -> bool {
        let mut items = self.items();
        let Some(record) = items.partials.values_mut().find(|record| record.date == date && record.source == *source)
        else {
            return false;
        };
        let bytes = match part {
            PartialPart::Counters => &mut record.counters,
            PartialPart::Users => &mut record.users,
            PartialPart::Sessions => &mut record.sessions,
        };
        match bytes.last_mut() {
            // Not so that a second time would heal the first.
            Some(last) => *last = last.wrapping_add(1),
            None => bytes.push(0xff),
        }
        true
    }

    /// Spoils the stored bytes of a date's merged user sketch; whether there was one.
    pub fn damage_sketches(&self, date: NaiveDate) -> bool {
        let mut items = self.items();
        let last = items.sketches.get_mut(&date).and_then(|row| row.users.last_mut());
        last.map(|last| *last = last.wrapping_add(1)).is_some()
    }

    /// Puts another deployment in the place of the one that is there, as nothing of Headcount ever does.
    pub fn replace_deployment(&self, deployment: Deployment) {
        self.items().deployment = Some(deployment);
    }

    /// Takes an event away behind everybody's back; whether it was there.
    pub fn lose_event(&self, key: &ItemKey) -> bool {
        self.items().events.remove(key).is_some()
    }

    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of what `rest` still holds, which begins behind the cursor. As with DynamoDB, a full page has a cursor
    /// even where nothing follows.
    fn page<K, T>(&self, rest: impl Iterator<Item = (K, T)>, cursor: impl Fn(K) -> Cursor) -> Page<T> {
        let mut items = Vec::new();
        for (key, item) in rest {
            items.push(item);
            if items.len() == self.page_items {
                return Page { items, next: Some(cursor(key)) };
            }
        }
        Page { items, next: None }
    }
}

#[cfg(test)]
mod tests;
