//! How the faulty store fulfils the traits: every method is one request under the plan.

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::keys::{self, ItemKey, WriteShards};
use headcount_core::origin::{Origin, Source};
use headcount_core::partial::PartialRecord;

use super::Faulty;
use super::plan::{ItemFault, Operation};
use crate::error::StoreError;
use crate::rows::{
    Claim, Cursor, DailyRow, EventRow, FirstDay, Lookup, Page, Put, RejectedCount, RejectedRow, SketchesRow, TotalRow,
};
use crate::traits::{
    DailyStore, DeploymentStore, EventSpan, EventStore, PartialStore, RejectedStore, Stamp, UserStore, partition_of,
};

/// The items that the request gets to.
pub(super) fn reached<T: Clone>(items: &[T], faults: &[ItemFault]) -> Vec<T> {
    let is_reached = |fault| match fault {
        ItemFault::Fine | ItemFault::UnknownAfter => true,
        ItemFault::Unprocessed | ItemFault::UnknownBefore => false,
    };
    items.iter().zip(faults).filter(|(_, fault)| is_reached(**fault)).map(|(item, _)| item.clone()).collect()
}

/// An answer for each item: what the store said of it, or what the fault makes of it.
pub(super) fn weave<T>(answers: Vec<T>, faults: &[ItemFault], instead: impl Fn(ItemFault) -> T) -> Vec<T> {
    let mut answers = answers.into_iter();
    let one = |fault: &ItemFault| match fault {
        ItemFault::Fine => answers.next().unwrap_or_else(|| instead(ItemFault::Unprocessed)),
        ItemFault::UnknownAfter => {
            answers.next();
            instead(*fault)
        }
        ItemFault::Unprocessed | ItemFault::UnknownBefore => instead(*fault),
    };
    faults.iter().map(one).collect()
}

pub(super) fn unprocessed<T>(_fault: ItemFault) -> Lookup<T> {
    Lookup::Unprocessed
}

/// The key that stands for a listing of one partition.
pub(super) fn listing(prefix: &str, shards: WriteShards, shard: u32) -> Result<Vec<ItemKey>, StoreError> {
    Ok(vec![ItemKey { pk: partition_of(prefix, shards, shard)?, sk: String::new() }])
}

impl<S: EventStore + Clone + 'static> EventStore for Faulty<S> {
    async fn claim(&self, events: &[EventRow<'_>]) -> Result<Vec<Claim>, StoreError> {
        let (keys, events) = (
            events.iter().map(EventRow::key).collect(),
            events.iter().cloned().map(EventRow::into_owned).collect::<Vec<_>>(),
        );
        self.request(Operation::Claim, keys, |inner, faults| async move {
            let claims = inner.claim(&reached(&events, &faults)).await?;
            Ok(weave(claims, &faults, |fault| match fault {
                ItemFault::Unprocessed => Claim::Throttled,
                ItemFault::Fine | ItemFault::UnknownBefore | ItemFault::UnknownAfter => Claim::Unknown,
            }))
        })
        .await
    }

    async fn origins(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Origin>>, StoreError> {
        let keys = keys.to_vec();
        self.request(Operation::Origins, keys.clone(), |inner, faults| async move {
            Ok(weave(inner.origins(&reached(&keys, &faults)).await?, &faults, unprocessed))
        })
        .await
    }

    async fn events_page(
        &self,
        span: &EventSpan,
        after: Option<&Cursor>,
    ) -> Result<Page<EventRow<'static>>, StoreError> {
        let keys = listing(&keys::events(span.date), span.shards, span.shard)?;
        let (span, after) = (span.clone(), after.cloned());
        let act = |inner: S, _| async move { inner.events_page(&span, after.as_ref()).await };
        self.request(Operation::EventsPage, keys, act).await
    }
}

impl<S: RejectedStore + Clone + 'static> RejectedStore for Faulty<S> {
    async fn put_rejected(&self, rows: &[RejectedRow]) -> Result<Vec<bool>, StoreError> {
        let (keys, rows) = (rows.iter().map(RejectedRow::key).collect(), rows.to_vec());
        self.request(Operation::PutRejected, keys, |inner, faults| async move {
            Ok(weave(inner.put_rejected(&reached(&rows, &faults)).await?, &faults, |_| false))
        })
        .await
    }

    async fn rejected_page(
        &self,
        arrival_date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<RejectedCount>, StoreError> {
        let keys = listing(&keys::rejections(arrival_date), shards, shard)?;
        let after = after.cloned();
        let act =
            move |inner: S, _| async move { inner.rejected_page(arrival_date, shards, shard, after.as_ref()).await };
        self.request(Operation::RejectedPage, keys, act).await
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
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<(u64, Option<Cursor>), StoreError> {
        let keys = listing(&keys::new_users(date), shards, shard)?;
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.new_users_page(date, shards, shard, after.as_ref()).await };
        self.request(Operation::NewUsersPage, keys, act).await
    }
}

impl<S: PartialStore + Clone + 'static> PartialStore for Faulty<S> {
    async fn read_partial(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        let keys = vec![keys::partial(date, shards, source)];
        let source = source.clone();
        let act = move |inner: S, _| async move { inner.read_partial(date, shards, &source).await };
        self.request(Operation::ReadPartial, keys, act).await
    }

    async fn write_partial(
        &self,
        record: &PartialRecord,
        shards: WriteShards,
        expected: u64,
        stamp: Stamp,
    ) -> Result<Put, StoreError> {
        let keys = vec![keys::partial(record.date, shards, &record.source)];
        let record = record.clone();
        let act = move |inner: S, _| async move { inner.write_partial(&record, shards, expected, stamp).await };
        self.request(Operation::WritePartial, keys, act).await
    }

    async fn partials_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let keys = listing(&keys::partials(date), shards, shard)?;
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.partials_page(date, shards, shard, after.as_ref()).await };
        self.request(Operation::PartialsPage, keys, act).await
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
        let keys = listing(keys::TOTALS, WriteShards::ONE, 0)?;
        let after = after.cloned();
        let act = move |inner: S, _| async move { inner.totals_page(to, after.as_ref()).await };
        self.request(Operation::TotalsPage, keys, act).await
    }
}

impl<S: DeploymentStore + Clone + 'static> DeploymentStore for Faulty<S> {
    async fn read_deployment(&self) -> Result<Option<Deployment>, StoreError> {
        let keys = vec![keys::deployment()];
        self.request(Operation::ReadDeployment, keys, |inner, _| async move { inner.read_deployment().await }).await
    }

    async fn create_deployment(&self, deployment: &Deployment) -> Result<Put, StoreError> {
        let keys = vec![keys::deployment()];
        let deployment = deployment.clone();
        let act = |inner: S, _| async move { inner.create_deployment(&deployment).await };
        self.request(Operation::CreateDeployment, keys, act).await
    }
}
