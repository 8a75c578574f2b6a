//! How the store in memory shows single items.

use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};
use headcount_core::partial::PartialRecord;

use super::MemoryStore;
use super::answers::{cursor, lookup, position};
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Cursor, EventRow, Lookup, Page, RejectedRow};
use crate::traits::{BrowseStore, DatePartition, MAX_BATCH_GETS, UserSpan, partition_of, partitions_of_partials};

impl BrowseStore for MemoryStore {
    async fn partials_of(
        &self,
        partitions: &[DatePartition],
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let names = partitions_of_partials(partitions)?;
        let after = position(after, "PK").zip(position(after, "SK")).map(|(pk, sk)| ItemKey { pk, sk });
        let items = self.items();
        let rest = items
            .partials
            .iter()
            .filter(|(key, _)| names.contains(&key.pk) && after.as_ref().is_none_or(|after| *key > after));
        Ok(self.page(rest.map(|(key, record)| (key, record.clone())), cursor))
    }

    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let Some((partition, from, to)) = span.bounds()? else { return Ok(Page { items: Vec::new(), next: None }) };
        let listed_under = |row: &EventRow<'_>| row.shards.partition(&keys::user(&row.event.user_id), &row.event.id);
        let items = self.items();
        let mut listed: Vec<(String, ItemKey)> = items
            .events
            .iter()
            .filter(|(_, row)| row.event.user_id == span.user_id && listed_under(row) == partition)
            .map(|(key, row)| (keys::event_at(row.event.timestamp_ms), key.clone()))
            .filter(|(at, _)| (&from..=&to).contains(&at))
            .collect();
        listed.sort_by(|a, b| b.cmp(a));
        let after = position(after, "SK");
        let begin = after.map_or(0, |sk| listed.iter().position(|(_, key)| key.sk == sk).map_or(0, |at| at + 1));
        let rest = listed.into_iter().skip(begin).map(|(_, key)| (key.clone(), key));
        Ok(limited(rest, limit.min(self.page_items)))
    }

    async fn events(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Event<'static>>>, StoreError> {
        batch::check(keys, MAX_BATCH_GETS)?;
        let items = self.items();
        Ok(keys.iter().map(|key| lookup(items.events.get(key).map(|row| row.event.clone()))).collect())
    }

    async fn rejections_page(
        &self,
        partition: &DatePartition,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedRow>, StoreError> {
        let name = partition_of(&keys::rejections(partition.date), partition.shards, partition.shard)?;
        let items = self.items();
        let rest = items
            .rejected
            .iter()
            .rev()
            .filter(|(key, _)| key.pk == name && before.is_none_or(|before| *key.sk < *before))
            .map(|(key, row)| (key.clone(), row.clone()));
        Ok(limited(rest, limit.min(self.page_items)))
    }
}

/// The first `limit` items, at least one. As with DynamoDB, a full page has a cursor even where nothing follows.
fn limited<T>(rest: impl Iterator<Item = (ItemKey, T)>, limit: usize) -> Page<T> {
    let mut last = None;
    let mut items = Vec::new();
    for (key, item) in rest.take(limit.max(1)) {
        items.push(item);
        last = Some(key);
    }
    let next = last.filter(|_| items.len() == limit.max(1)).map(|key| cursor(&key));
    Page { items, next }
}
