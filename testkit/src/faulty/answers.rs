//! How the faulty store fulfils the traits: every method is one request under the plan.

use chrono::NaiveDate;
use headcount_core::deployment::{TableId, TableMeta};
use headcount_core::exact::{ProvenFigures, ProvenSource};
use headcount_core::keys::{self, Follower, ItemKey};
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::{
    Checkpoint, CheckpointRow, Cursor, DailyRow, EventItem, FirstDay, Lookup, Page, ProvenSourceRow, Put, RejectedItem,
    SketchesRow, TotalRow,
};
use headcount_store::traits::{
    CheckpointStore, DailyStore, ItemStore, MetaStore, PartialStore, ProofStore, Stamp, UserStore,
};

use super::Faulty;
use super::plan::{ItemFault, Operation};

/// The items that the request gets to.
pub(super) fn reached<T: Clone>(items: &[T], faults: &[ItemFault]) -> Vec<T> {
    let reached = items.iter().zip(faults).filter(|(_, fault)| **fault != ItemFault::Unprocessed);
    reached.map(|(item, _)| item.clone()).collect()
}

/// An answer for each item: what the store said of it, or `unprocessed` where the fault hides that.
pub(super) fn weave<T>(answers: Vec<T>, faults: &[ItemFault], unprocessed: impl Fn() -> T) -> Vec<T> {
    let mut answers = answers.into_iter();
    let one = |fault: &ItemFault| match fault {
        ItemFault::Fine => answers.next().unwrap_or_else(&unprocessed),
        ItemFault::Unprocessed => unprocessed(),
        ItemFault::Unreported => {
            answers.next();
            unprocessed()
        }
    };
    faults.iter().map(one).collect()
}

pub(super) fn unprocessed<T>() -> Lookup<T> {
    Lookup::Unprocessed
}

/// The key that stands for a listing of one partition.
pub(super) fn listing(partition: impl Into<String>) -> Vec<ItemKey> {
    vec![ItemKey { pk: partition.into(), sk: String::new() }]
}

impl<S: ItemStore + Clone + 'static> ItemStore for Faulty<S> {
    async fn put_events(&self, items: &[EventItem<'_>]) -> Result<Vec<bool>, StoreError> {
        let keys = items.iter().map(EventItem::key).collect();
        let owned = |item: &EventItem<'_>| EventItem { event: item.event.clone().into_owned(), ..*item };
        let items: Vec<_> = items.iter().map(owned).collect();
        self.request(Operation::PutEvents, keys, |inner, faults| async move {
            Ok(weave(inner.put_events(&reached(&items, &faults)).await?, &faults, || false))
        })
        .await
    }

    async fn put_rejected(&self, items: &[RejectedItem]) -> Result<Vec<bool>, StoreError> {
        let (keys, items) = (items.iter().map(RejectedItem::key).collect(), items.to_vec());
        self.request(Operation::PutRejected, keys, |inner, faults| async move {
            Ok(weave(inner.put_rejected(&reached(&items, &faults)).await?, &faults, || false))
        })
        .await
    }
}

impl<S: UserStore + Clone + 'static> UserStore for Faulty<S> {
    async fn first_days(&self, user_ids: &[&str]) -> Result<Vec<Lookup<NaiveDate>>, StoreError> {
        let keys = user_ids.iter().map(|user_id| keys::profile(user_id)).collect();
        let user_ids: Vec<String> = user_ids.iter().map(|user_id| (*user_id).to_owned()).collect();
        self.request(Operation::FirstDays, keys, |inner, faults| async move {
            let user_ids: Vec<&str> = user_ids.iter().map(String::as_str).collect();
            Ok(weave(inner.first_days(&reached(&user_ids, &faults)).await?, &faults, unprocessed))
        })
        .await
    }

    async fn put_first_day(&self, first_day: &FirstDay) -> Result<Put, StoreError> {
        let keys = vec![keys::profile(&first_day.user_id)];
        let first_day = first_day.clone();
        let act = |inner: S, _| async move { inner.put_first_day(&first_day).await };
        self.request(Operation::PutFirstDay, keys, act).await
    }

    async fn new_users_page(
        &self,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<(u64, Option<Cursor>), StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.new_users_page(date, after.as_ref()).await };
        self.request(Operation::NewUsersPage, listing(keys::new_users(date)), act).await
    }
}

impl<S: PartialStore + Clone + 'static> PartialStore for Faulty<S> {
    async fn read_partial(
        &self,
        table: TableId,
        date: NaiveDate,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        let (keys, source) = (vec![keys::partial(date, source)], source.clone());
        let act = move |inner: S, _| async move { inner.read_partial(table, date, &source).await };
        self.request(Operation::ReadPartial, keys, act).await
    }

    async fn write_partial(
        &self,
        table: TableId,
        record: &PartialRecord,
        expected: u64,
        stamp: Stamp,
    ) -> Result<Put, StoreError> {
        let (keys, record) = (vec![keys::partial(record.date, &record.source)], record.clone());
        let act = move |inner: S, _| async move { inner.write_partial(table, &record, expected, stamp).await };
        self.request(Operation::WritePartial, keys, act).await
    }

    async fn partials_page(
        &self,
        table: TableId,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.partials_page(table, date, after.as_ref()).await };
        self.request(Operation::PartialsPage, listing(keys::partials(date)), act).await
    }
}

impl<S: CheckpointStore + Clone + 'static> CheckpointStore for Faulty<S> {
    async fn read_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let (keys, source) = (vec![keys::checkpoint(follower, source)], source.clone());
        let act = move |inner: S, _| async move { inner.read_checkpoint(table, follower, &source).await };
        self.request(Operation::ReadCheckpoint, keys, act).await
    }

    async fn write_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        checkpoint: &Checkpoint,
    ) -> Result<Put, StoreError> {
        let keys = vec![keys::checkpoint(follower, source)];
        let (source, checkpoint) = (source.clone(), checkpoint.clone());
        let act = move |inner: S, _| async move { inner.write_checkpoint(table, follower, &source, &checkpoint).await };
        self.request(Operation::WriteCheckpoint, keys, act).await
    }

    async fn checkpoints_page(
        &self,
        table: TableId,
        after: Option<&Cursor>,
    ) -> Result<Page<CheckpointRow>, StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.checkpoints_page(table, after.as_ref()).await };
        self.request(Operation::CheckpointsPage, listing(keys::CHECKPOINT), act).await
    }

    async fn mark_finished(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        entry: u64,
    ) -> Result<Put, StoreError> {
        let (keys, source) = (vec![keys::checkpoint(follower, source)], source.clone());
        let act = move |inner: S, _| async move { inner.mark_finished(table, follower, &source, entry).await };
        self.request(Operation::MarkFinished, keys, act).await
    }
}

impl<S: DailyStore + Clone + 'static> DailyStore for Faulty<S> {
    async fn dailies(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<DailyRow>>, StoreError> {
        let keys = dates.iter().map(|date| keys::daily(*date)).collect();
        let dates = dates.to_vec();
        self.request(Operation::Dailies, keys, |inner, faults| async move {
            Ok(weave(inner.dailies(&reached(&dates, &faults)).await?, &faults, unprocessed))
        })
        .await
    }

    async fn sketches(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<SketchesRow>>, StoreError> {
        let keys = dates.iter().map(|date| keys::sketches(*date)).collect();
        let dates = dates.to_vec();
        self.request(Operation::Sketches, keys, |inner, faults| async move {
            Ok(weave(inner.sketches(&reached(&dates, &faults)).await?, &faults, unprocessed))
        })
        .await
    }

    async fn put_daily(&self, row: &DailyRow) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::daily(row.date)], row.clone());
        self.request(Operation::PutDaily, keys, |inner, _| async move { inner.put_daily(&row).await }).await
    }

    async fn put_sketches(&self, row: &SketchesRow) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::sketches(row.date)], row.clone());
        self.request(Operation::PutSketches, keys, |inner, _| async move { inner.put_sketches(&row).await }).await
    }

    async fn put_total(&self, row: &TotalRow) -> Result<Put, StoreError> {
        let (keys, row) = (vec![keys::total(row.date)], *row);
        self.request(Operation::PutTotal, keys, move |inner, _| async move { inner.put_total(&row).await }).await
    }

    async fn totals_page(&self, to: NaiveDate, after: Option<&Cursor>) -> Result<Page<TotalRow>, StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.totals_page(to, after.as_ref()).await };
        self.request(Operation::TotalsPage, listing(keys::TOTALS), act).await
    }
}

impl<S: ProofStore + Clone + 'static> ProofStore for Faulty<S> {
    async fn read_proof(&self, table: TableId, date: NaiveDate) -> Result<Option<ProvenFigures>, StoreError> {
        let act = move |inner: S, _| async move { inner.read_proof(table, date).await };
        self.request(Operation::ReadProof, vec![keys::proof(date)], act).await
    }

    async fn proven_sources_page(
        &self,
        date: NaiveDate,
        number: u64,
        after: Option<&Cursor>,
    ) -> Result<Page<(Source, ProvenSource)>, StoreError> {
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.proven_sources_page(date, number, after.as_ref()).await };
        self.request(Operation::ProvenSourcesPage, listing(keys::proof(date).pk), act).await
    }

    async fn put_proven_sources(&self, rows: &[ProvenSourceRow]) -> Result<Vec<bool>, StoreError> {
        let (keys, rows) = (rows.iter().map(ProvenSourceRow::key).collect(), rows.to_vec());
        self.request(Operation::PutProvenSources, keys, |inner, faults| async move {
            Ok(weave(inner.put_proven_sources(&reached(&rows, &faults)).await?, &faults, || false))
        })
        .await
    }

    async fn put_proof(&self, table: TableId, proof: &ProvenFigures) -> Result<Put, StoreError> {
        let (keys, proof) = (vec![keys::proof(proof.date)], proof.clone());
        let act = move |inner: S, _| async move { inner.put_proof(table, &proof).await };
        self.request(Operation::PutProof, keys, act).await
    }
}

impl<S: MetaStore + Clone + 'static> MetaStore for Faulty<S> {
    async fn read_meta(&self) -> Result<Option<TableMeta>, StoreError> {
        let keys = vec![keys::deployment()];
        self.request(Operation::ReadMeta, keys, |inner, _| async move { inner.read_meta().await }).await
    }

    async fn create_meta(&self, meta: &TableMeta) -> Result<Put, StoreError> {
        let (keys, meta) = (vec![keys::deployment()], meta.clone());
        self.request(Operation::CreateMeta, keys, |inner, _| async move { inner.create_meta(&meta).await }).await
    }

    async fn replace_meta(&self, meta: &TableMeta, replaced: TableId) -> Result<Put, StoreError> {
        let (keys, meta) = (vec![keys::deployment()], meta.clone());
        let act = move |inner: S, _| async move { inner.replace_meta(&meta, replaced).await };
        self.request(Operation::ReplaceMeta, keys, act).await
    }
}
