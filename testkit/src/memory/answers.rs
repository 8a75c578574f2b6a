//! How the store in memory fulfils the traits.

use std::ops::Bound;

use chrono::NaiveDate;
use headcount_core::deployment::{TableId, TableMeta};
use headcount_core::exact::{ProvenFigures, ProvenSource};
use headcount_core::keys::{self, Follower, ItemKey};
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_store::batch;
use headcount_store::error::StoreError;
use headcount_store::numbers;
use headcount_store::rows::{
    Checkpoint, CheckpointRow, Cursor, DailyRow, EventItem, FirstDay, Lookup, MadeOf, Page, ProvenSourceRow, Put,
    RejectedItem, SketchesRow, TotalRow,
};
use headcount_store::traits::{
    CheckpointStore, DailyStore, ItemStore, MAX_BATCH_GETS, MAX_BATCH_WRITES, MetaStore, PartialStore, ProofStore,
    Stamp, UserStore,
};

use super::{MemoryStore, StoredCheckpoint, StoredPartial, StoredProof, refused};

pub(super) fn lookup<T>(found: Option<T>) -> Lookup<T> {
    found.map_or(Lookup::Absent, Lookup::Found)
}

pub(super) fn put_if(allowed: bool, write: impl FnOnce()) -> Put {
    if allowed {
        write();
        Put::Written
    } else {
        Put::Refused
    }
}

pub(super) fn cursor(key: &ItemKey) -> Cursor {
    Cursor(vec![("PK".into(), key.pk.clone()), ("SK".into(), key.sk.clone())])
}

/// The value of one of the cursor's attributes.
pub(super) fn position(after: Option<&Cursor>, name: &str) -> Option<String> {
    let Cursor(attributes) = after?;
    attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, value)| value.clone())
}

/// Where a listing of a partition begins.
pub(super) fn begin(partition: &str, after: Option<&Cursor>) -> (Bound<ItemKey>, Bound<ItemKey>) {
    let key = |sk: String| ItemKey { pk: partition.to_owned(), sk };
    let begin =
        position(after, "SK").map_or_else(|| Bound::Included(key(String::new())), |sk| Bound::Excluded(key(sk)));
    (begin, Bound::Unbounded)
}

fn as_stored(item: &EventItem<'_>) -> EventItem<'static> {
    let mut event = item.event.clone().into_owned();
    event.event_data = numbers::object_as_stored(&event.event_data.to_object()).into();
    event.metadata = numbers::object_as_stored(&event.metadata.to_object()).into();
    EventItem { event, ..*item }
}

impl ItemStore for MemoryStore {
    async fn put_events(&self, items: &[EventItem<'_>]) -> Result<Vec<bool>, StoreError> {
        batch::check(items.iter().map(EventItem::key), MAX_BATCH_WRITES)?;
        let mut stored = self.ask()?;
        // One that is not valid fails all, as in BatchWriteItem.
        if let Some(detail) = items.iter().find_map(refused::reason) {
            return Err(StoreError::Invalid { detail });
        }
        stored.events.extend(items.iter().map(|item| (item.key(), as_stored(item))));
        Ok(vec![true; items.len()])
    }

    async fn put_rejected(&self, items: &[RejectedItem]) -> Result<Vec<bool>, StoreError> {
        batch::check(items.iter().map(RejectedItem::key), MAX_BATCH_WRITES)?;
        self.ask()?.rejected.extend(items.iter().map(|item| (item.key(), item.clone())));
        Ok(vec![true; items.len()])
    }
}

impl UserStore for MemoryStore {
    async fn first_days(&self, user_ids: &[&str]) -> Result<Vec<Lookup<NaiveDate>>, StoreError> {
        batch::check(user_ids, MAX_BATCH_GETS)?;
        let items = self.ask()?;
        Ok(user_ids.iter().map(|user_id| lookup(items.profiles.get(*user_id).map(|known| known.date))).collect())
    }

    async fn put_first_day(&self, first_day: &FirstDay) -> Result<Put, StoreError> {
        let profiles = &mut self.ask()?.profiles;
        let is_earlier = profiles.get(&first_day.user_id).is_none_or(|known| known.date > first_day.date);
        Ok(put_if(is_earlier, || {
            profiles.insert(first_day.user_id.clone(), first_day.clone());
        }))
    }

    async fn new_users_page(
        &self,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<(u64, Option<Cursor>), StoreError> {
        let begin = position(after, "PK").map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.ask()?;
        let rest = items
            .profiles
            .range((begin, Bound::Unbounded))
            .filter(|(_, known)| known.date == date)
            .map(|(user_id, _)| (user_id, ()));
        let page = self.page(rest, |user_id| Cursor(vec![("PK".into(), user_id.clone())]));
        Ok((page.items.len() as u64, page.next))
    }
}

impl PartialStore for MemoryStore {
    async fn read_partial(
        &self,
        table: TableId,
        date: NaiveDate,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        let items = self.ask()?;
        let ours = items.partials.get(&keys::partial(date, source)).filter(|stored| stored.table == table);
        Ok(ours.map(|stored| stored.record.clone()))
    }

    async fn write_partial(
        &self,
        table: TableId,
        record: &PartialRecord,
        expected: u64,
        stamp: Stamp,
    ) -> Result<Put, StoreError> {
        batch::check_version(record.version, expected)?;
        let partials = &mut self.ask()?.partials;
        let key = keys::partial(record.date, &record.source);
        // Version 0 is none: a partial that is there has a larger one.
        let there = partials.get(&key).filter(|stored| stored.table == table).map_or(0, |stored| stored.record.version);
        Ok(put_if(there == expected, || {
            partials.insert(key, StoredPartial { table, record: record.clone(), expires_s: stamp.expires_s });
        }))
    }

    async fn partials_page(
        &self,
        table: TableId,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let partition = keys::partials(date);
        let items = self.ask()?;
        let rest = items
            .partials
            .range(begin(&partition, after))
            .take_while(|(key, _)| key.pk == partition)
            .filter(|(_, stored)| stored.table == table);
        Ok(self.page(rest.map(|(key, stored)| (key, stored.record.clone())), cursor))
    }
}

impl CheckpointStore for MemoryStore {
    async fn read_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let items = self.ask()?;
        let ours = items.checkpoints.get(&keys::checkpoint(follower, source)).filter(|stored| stored.table == table);
        Ok(ours.map(|stored| stored.row.checkpoint.clone()))
    }

    async fn write_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        checkpoint: &Checkpoint,
    ) -> Result<Put, StoreError> {
        let checkpoints = &mut self.ask()?.checkpoints;
        let key = keys::checkpoint(follower, source);
        let there = checkpoints.get(&key).filter(|stored| stored.table == table);
        let moves_on = there.is_none_or(|stored| stored.row.checkpoint.entry < checkpoint.entry);
        Ok(put_if(moves_on, || {
            let (source, checkpoint) = (source.clone(), checkpoint.clone());
            let row = CheckpointRow { follower, source, checkpoint, is_finished: false };
            checkpoints.insert(key, StoredCheckpoint { table, row });
        }))
    }

    async fn checkpoints_page(
        &self,
        table: TableId,
        after: Option<&Cursor>,
    ) -> Result<Page<CheckpointRow>, StoreError> {
        let items = self.ask()?;
        let rest = items.checkpoints.range(begin(keys::CHECKPOINT, after)).filter(|(_, stored)| stored.table == table);
        Ok(self.page(rest.map(|(key, stored)| (key, stored.row.clone())), cursor))
    }

    async fn mark_finished(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        entry: u64,
    ) -> Result<Put, StoreError> {
        let mut items = self.ask()?;
        let there = items.checkpoints.get_mut(&keys::checkpoint(follower, source));
        let ours = there.filter(|stored| stored.table == table && stored.row.checkpoint.entry == entry);
        Ok(ours.map_or(Put::Refused, |stored| {
            stored.row.is_finished = true;
            Put::Written
        }))
    }
}

impl DailyStore for MemoryStore {
    async fn dailies(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<DailyRow>>, StoreError> {
        batch::check(dates, MAX_BATCH_GETS)?;
        let items = self.ask()?;
        Ok(dates.iter().map(|date| lookup(items.dailies.get(date).cloned())).collect())
    }

    async fn sketches(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<SketchesRow>>, StoreError> {
        batch::check(dates, MAX_BATCH_GETS)?;
        let items = self.ask()?;
        Ok(dates.iter().map(|date| lookup(items.sketches.get(date).cloned())).collect())
    }

    async fn put_daily(&self, row: &DailyRow) -> Result<Put, StoreError> {
        let dailies = &mut self.ask()?.dailies;
        let there = dailies.get(&row.date);
        let is_newer = there.is_none_or(|there| row.made_of >= there.made_of);
        let created_ms = there.map_or(row.created_ms, |there| there.created_ms);
        Ok(put_if(is_newer, || {
            let data = numbers::object_as_stored(&row.data);
            dailies.insert(row.date, DailyRow { data, created_ms, ..row.clone() });
        }))
    }

    async fn put_sketches(&self, row: &SketchesRow) -> Result<Put, StoreError> {
        let sketches = &mut self.ask()?.sketches;
        let is_newer = sketches.get(&row.date).is_none_or(|there| row.made_of_day >= there.made_of_day);
        Ok(put_if(is_newer, || {
            sketches.insert(row.date, row.clone());
        }))
    }

    async fn put_total(&self, row: &TotalRow) -> Result<Put, StoreError> {
        let totals = &mut self.ask()?.totals;
        let there = totals.get(&row.date).map_or(MadeOf::default(), |there| there.made_of);
        Ok(put_if(row.made_of >= there, || {
            totals.insert(row.date, *row);
        }))
    }

    async fn totals_page(&self, to: NaiveDate, after: Option<&Cursor>) -> Result<Page<TotalRow>, StoreError> {
        let begin = position(after, "SK").and_then(|sk| keys::parse_total(&sk));
        let begin = begin.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.ask()?;
        let rest = items.totals.range((begin, Bound::Unbounded)).take_while(|(date, _)| **date <= to);
        Ok(self.page(rest.map(|(date, row)| (date, *row)), |date| cursor(&keys::total(*date))))
    }
}

impl ProofStore for MemoryStore {
    async fn read_proof(&self, table: TableId, date: NaiveDate) -> Result<Option<ProvenFigures>, StoreError> {
        let items = self.ask()?;
        let ours = items.proofs.get(&date).filter(|stored| stored.table == table);
        Ok(ours.map(|stored| stored.proof.clone()))
    }

    async fn proven_sources_page(
        &self,
        date: NaiveDate,
        number: u64,
        after: Option<&Cursor>,
    ) -> Result<Page<(Source, ProvenSource)>, StoreError> {
        let partition = keys::proof(date).pk;
        let items = self.ask()?;
        let rest = items.proven_sources.range(begin(&partition, after)).take_while(|(key, _)| key.pk == partition);
        let ours = rest.filter(|(_, row)| row.number == number);
        Ok(self.page(ours.map(|(key, row)| (key, (row.source.clone(), row.proven.clone()))), cursor))
    }

    async fn put_proven_sources(&self, rows: &[ProvenSourceRow]) -> Result<Vec<bool>, StoreError> {
        batch::check(rows.iter().map(ProvenSourceRow::key), MAX_BATCH_WRITES)?;
        self.ask()?.proven_sources.extend(rows.iter().map(|row| (row.key(), row.clone())));
        Ok(vec![true; rows.len()])
    }

    async fn put_proof(&self, table: TableId, proof: &ProvenFigures) -> Result<Put, StoreError> {
        let proofs = &mut self.ask()?.proofs;
        let there = proofs.get(&proof.date).filter(|stored| stored.table == table);
        Ok(put_if(there.is_none_or(|stored| stored.proof.number < proof.number), || {
            proofs.insert(proof.date, StoredProof { table, proof: proof.clone() });
        }))
    }
}

impl MetaStore for MemoryStore {
    async fn read_meta(&self) -> Result<Option<TableMeta>, StoreError> {
        Ok(self.ask()?.meta.clone())
    }

    async fn create_meta(&self, meta: &TableMeta) -> Result<Put, StoreError> {
        let there = &mut self.ask()?.meta;
        Ok(put_if(there.is_none(), || *there = Some(meta.clone())))
    }

    async fn replace_meta(&self, meta: &TableMeta, replaced: TableId) -> Result<Put, StoreError> {
        let there = &mut self.ask()?.meta;
        let is_ours = there.as_ref().is_some_and(|there| there.table == replaced);
        Ok(put_if(is_ours, || *there = Some(meta.clone())))
    }
}
