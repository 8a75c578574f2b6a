//! How the store in memory shows single items.

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};
use headcount_store::batch;
use headcount_store::error::StoreError;
use headcount_store::rows::{Cursor, Lookup, Page, RejectedItem};
use headcount_store::traits::{BrowseStore, MAX_BATCH_GETS, UserSpan};

use super::MemoryStore;
use super::answers::{cursor, lookup, position};

impl BrowseStore for MemoryStore {
    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let Some((_, from, to)) = span.bounds() else { return Ok(Page { items: Vec::new(), next: None }) };
        let items = self.ask()?;
        let mut listed: Vec<(String, ItemKey)> = items
            .events
            .iter()
            .filter(|(_, item)| item.is_indexed && item.event.user_id == span.user_id)
            .map(|(key, item)| (keys::event_at(item.event.timestamp_ms), key.clone()))
            .filter(|(at, _)| (&from..=&to).contains(&at))
            .collect();
        listed.sort_by(|a, b| b.cmp(a));
        let after = position(after, "PK").zip(position(after, "SK")).map(|(pk, sk)| ItemKey { pk, sk });
        let last = after.and_then(|after| listed.iter().position(|(_, key)| *key == after));
        let rest = listed.into_iter().skip(last.map_or(0, |at| at + 1)).map(|(_, key)| (key.clone(), key));
        Ok(limited(rest, limit.min(self.page_items)))
    }

    async fn events(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Event<'static>>>, StoreError> {
        batch::check(keys, MAX_BATCH_GETS)?;
        let items = self.ask()?;
        Ok(keys.iter().map(|key| lookup(items.events.get(key).map(|item| item.event.clone()))).collect())
    }

    async fn rejections_page(
        &self,
        arrival_date: NaiveDate,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedItem>, StoreError> {
        let partition = keys::rejections(arrival_date);
        let items = self.ask()?;
        let rest = items
            .rejected
            .iter()
            .rev()
            .filter(|(key, _)| key.pk == partition && before.is_none_or(|before| *key.sk < *before))
            .map(|(key, item)| (key.clone(), item.clone()));
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
