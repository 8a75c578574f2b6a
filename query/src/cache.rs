//! What was read a moment ago, so that many who look at the same page cost as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use headcount_core::deployment::TableMeta;
use headcount_core::exact::ProvenDay;
use headcount_core::partial::PartialRecord;
use headcount_store::rows::{DailyRow, SketchesRow, TotalRow};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long what is read of an open day is taken for current.
pub(crate) const OPEN_TIME: Duration = Duration::from_secs(5);

/// How long what is read of other days is: only a rebuild or an import changes them.
pub(crate) const CLOSED_TIME: Duration = Duration::from_mins(1);

/// Days of which something is kept; a sketch has some 15 KB.
const MAX_DAYS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Cache {
    meta: Mutex<Option<(Instant, Arc<TableMeta>)>>,
    pub(crate) dailies: Shelf<Option<DailyRow>>,
    pub(crate) sketches: Shelf<Option<SketchesRow>>,
    pub(crate) partials: Shelf<Vec<PartialRecord>>,
    pub(crate) proofs: Shelf<Option<ProvenDay>>,
    pub(crate) new_users: Shelf<u64>,
    /// The totals up to a day.
    pub(crate) totals: Shelf<Vec<TotalRow>>,
}

impl Cache {
    pub(crate) fn meta(&self) -> Option<Arc<TableMeta>> {
        let kept = self.meta.lock();
        kept.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, meta)| meta.clone())
    }

    /// Keeps the table's record. Another table of the same name has other partials: what was kept of them is forgotten.
    pub(crate) fn keep_meta(&self, meta: TableMeta) -> Arc<TableMeta> {
        let meta = Arc::new(meta);
        let before = self.meta.lock().replace((Instant::now() + CLOSED_TIME, meta.clone()));
        if before.is_some_and(|(_, before)| before.table != meta.table) {
            self.partials.clear();
        }
        meta
    }
}

/// One kind of what is kept, by its day.
#[derive(Debug)]
pub(crate) struct Shelf<T>(Mutex<BTreeMap<NaiveDate, (Instant, Arc<T>)>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    pub(crate) fn get(&self, date: NaiveDate) -> Option<Arc<T>> {
        self.0.lock().get(&date).filter(|(until, _)| Instant::now() < *until).map(|(_, kept)| kept.clone())
    }

    fn clear(&self) {
        self.0.lock().clear();
    }

    pub(crate) fn forget(&self, dates: &[NaiveDate]) {
        let mut shelf = self.0.lock();
        for date in dates {
            shelf.remove(date);
        }
    }

    pub(crate) fn keep(&self, date: NaiveDate, value: T, time: Duration) -> Arc<T> {
        let (now, value) = (Instant::now(), Arc::new(value));
        let mut shelf = self.0.lock();
        if shelf.len() >= MAX_DAYS {
            shelf.retain(|_, (until, _)| now < *until);
        }
        if shelf.len() < MAX_DAYS {
            shelf.insert(date, (now + time, value.clone()));
        }
        value
    }
}
