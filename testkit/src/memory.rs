//! A store in memory: it lasts as long as its process and holds everything in maps.
//!
//! It answers as DynamoDB would, also where that is awkward: pages that end early, a cursor behind the last item, numbers
//! in their stored form, a batch refused for one item that is not valid. Besides it does what happens to a table from
//! outside: [`MemoryStore::set_outage`], [`MemoryStore::expire`], [`MemoryStore::restore`], damage.
//!
//! ```
//! use headcount_store::traits::MetaStore;
//! use headcount_testkit::memory::MemoryStore;
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let store = MemoryStore::new();
//! store.set_outage(true);
//! assert!(store.read_meta().await.unwrap_err().is_unknown());
//! store.set_outage(false);
//! assert_eq!(store.read_meta().await, Ok(None));
//! # }
//! ```

mod answers;
mod browse;
mod budgets;
mod refused;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;
use headcount_core::deployment::{TableId, TableMeta};
use headcount_core::exact::ProvenFigures;
use headcount_core::keys::{self, ItemKey};
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::{
    BudgetItem, CheckpointRow, Cursor, DailyRow, EventItem, FirstDay, Page, ProvenSourceRow, RejectedItem, SketchesRow,
    TotalRow,
};
use parking_lot::{Mutex, MutexGuard};

pub use snapshot::Snapshot;

/// Items on one page, unless told otherwise: few, so that tests meet more than one page.
pub const PAGE_ITEMS: usize = 100;

/// The store in memory. Clones are the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    page_items: usize,
}

#[derive(Debug, Default)]
struct Shared {
    items: Mutex<Items>,
    is_out: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Items {
    events: BTreeMap<ItemKey, EventItem<'static>>,
    rejected: BTreeMap<ItemKey, RejectedItem>,
    partials: BTreeMap<ItemKey, StoredPartial>,
    checkpoints: BTreeMap<ItemKey, StoredCheckpoint>,
    profiles: BTreeMap<String, FirstDay>,
    dailies: BTreeMap<NaiveDate, DailyRow>,
    sketches: BTreeMap<NaiveDate, SketchesRow>,
    totals: BTreeMap<NaiveDate, TotalRow>,
    proofs: BTreeMap<NaiveDate, StoredProof>,
    proven_sources: BTreeMap<ItemKey, ProvenSourceRow>,
    budgets: BTreeMap<ItemKey, BudgetItem>,
    meta: Option<TableMeta>,
}

#[derive(Clone, Debug)]
struct StoredPartial {
    table: TableId,
    record: PartialRecord,
    expires_s: i64,
}

#[derive(Clone, Debug)]
struct StoredCheckpoint {
    table: TableId,
    row: CheckpointRow,
}

#[derive(Clone, Debug)]
struct StoredProof {
    table: TableId,
    proof: ProvenFigures,
}

/// A part of a partial's item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialPart {
    /// The counters.
    Counters,
    /// The user sketch.
    Users,
    /// The session sample.
    Sessions,
    /// The checksum.
    Checksum,
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
        Self { shared: Arc::default(), page_items: page_items.max(1) }
    }

    /// Every event item, in the order of keys.
    pub fn all_events(&self) -> Vec<EventItem<'static>> {
        self.items().events.values().cloned().collect()
    }

    /// Every rejected item, in the order of keys.
    pub fn all_rejected(&self) -> Vec<RejectedItem> {
        self.items().rejected.values().cloned().collect()
    }

    /// Every partial, in the order of keys. Where the table has a record, those with its number; others count as absent.
    pub fn all_partials(&self) -> Vec<PartialRecord> {
        let items = self.items();
        let ours = items.partials.values().filter(|stored| items.is_ours(stored.table));
        ours.map(|stored| stored.record.clone()).collect()
    }

    /// Every checkpoint, in the order of keys. Where the table has a record, those with its number; others count as absent.
    pub fn all_checkpoints(&self) -> Vec<CheckpointRow> {
        let items = self.items();
        let ours = items.checkpoints.values().filter(|stored| items.is_ours(stored.table));
        ours.map(|stored| stored.row.clone()).collect()
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

    /// The table's record.
    pub fn meta(&self) -> Option<TableMeta> {
        self.items().meta.clone()
    }

    /// While it is switched on, every request fails without effect, as unknown: nothing answers.
    pub fn set_outage(&self, is_out: bool) {
        self.shared.is_out.store(is_out, Ordering::SeqCst);
    }

    /// Spoils one part of a partial; whether there was such a partial.
    pub fn damage_partial(&self, date: NaiveDate, source: &Source, part: PartialPart) -> bool {
        let mut items = self.items();
        let Some(StoredPartial { record, .. }) = items.partials.get_mut(&keys::partial(date, source)) else {
            return false;
        };
        let bytes = match part {
            PartialPart::Counters => &mut record.counters,
            PartialPart::Users => &mut record.users,
            PartialPart::Sessions => &mut record.sessions,
            PartialPart::Checksum => {
                record.checksum = record.checksum.wrapping_add(1);
                return true;
            }
        };
        match bytes.last_mut() {
            // Adding: damage done twice must not heal.
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

    /// Sets the table's record, whatever is there.
    pub fn set_meta(&self, meta: TableMeta) {
        self.items().meta = Some(meta);
    }

    /// Removes an event item; whether it was there.
    pub fn lose_event(&self, key: &ItemKey) -> bool {
        self.items().events.remove(key).is_some()
    }

    /// Removes every item, the table's record too.
    pub fn clear(&self) {
        *self.items() = Items::default();
    }

    /// Removes the items whose `TTL` has passed, as DynamoDB does sooner or later.
    pub fn expire(&self, now_s: i64) {
        let mut items = self.items();
        items.events.retain(|_, item| item.expires_s >= now_s);
        items.rejected.retain(|_, item| item.expires_s >= now_s);
        items.partials.retain(|_, stored| stored.expires_s >= now_s);
    }

    fn items(&self) -> MutexGuard<'_, Items> {
        self.shared.items.lock()
    }

    /// The items, for a request.
    fn ask(&self) -> Result<MutexGuard<'_, Items>, StoreError> {
        if self.shared.is_out.load(Ordering::SeqCst) {
            return Err(StoreError::Unknown {
                detail: "no answer from the store in memory: it is switched off".into(),
            });
        }
        Ok(self.items())
    }

    /// A page of `rest`, which begins behind the cursor. As with DynamoDB, a full page has a cursor even where nothing
    /// follows.
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

impl Items {
    fn is_ours(&self, table: TableId) -> bool {
        self.meta.as_ref().is_none_or(|meta| meta.table == table)
    }
}

#[cfg(test)]
mod tests;
