//! How single items are shown by a store that fails on command.

use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};
use headcount_core::partial::PartialRecord;

use super::Faulty;
use super::answers::{listing, reached, unprocessed, weave};
use crate::error::StoreError;
use crate::faulty::plan::Operation;
use crate::rows::{Cursor, Lookup, Page, RejectedRow};
use crate::traits::{BrowseStore, DatePartition, UserSpan};

impl<S: BrowseStore + Clone + 'static> BrowseStore for Faulty<S> {
    fn partitions_at_once(&self) -> usize {
        self.inner().partitions_at_once()
    }

    async fn partials_of(
        &self,
        partitions: &[DatePartition],
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let mut keys = Vec::new();
        for one in partitions {
            keys.extend(listing(&keys::partials(one.date), one.shards, one.shard)?);
        }
        let (partitions, after) = (partitions.to_vec(), after.cloned());
        let act = |inner: S, _| async move { inner.partials_of(&partitions, after.as_ref()).await };
        self.request(Operation::PartialsOf, keys, act).await
    }

    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let keys = listing(&keys::user(&span.user_id), span.shards, span.shard)?;
        let (span, after) = (span.clone(), after.cloned());
        let act = move |inner: S, _| async move { inner.user_events_page(&span, after.as_ref(), limit).await };
        self.request(Operation::UserEventsPage, keys, act).await
    }

    async fn events(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Event<'static>>>, StoreError> {
        let keys = keys.to_vec();
        self.request(Operation::Events, keys.clone(), |inner, faults| async move {
            Ok(weave(inner.events(&reached(&keys, &faults)).await?, &faults, unprocessed))
        })
        .await
    }

    async fn rejections_page(
        &self,
        partition: &DatePartition,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedRow>, StoreError> {
        let keys = listing(&keys::rejections(partition.date), partition.shards, partition.shard)?;
        let (partition, before) = (*partition, before.map(str::to_owned));
        let act = move |inner: S, _| async move { inner.rejections_page(&partition, before.as_deref(), limit).await };
        self.request(Operation::RejectionsPage, keys, act).await
    }
}
