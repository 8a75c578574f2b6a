//! How single items are shown by a store that fails on command.

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};
use headcount_store::error::StoreError;
use headcount_store::rows::{Cursor, Lookup, Page, RejectedItem};
use headcount_store::traits::{BrowseStore, UserSpan};

use super::Faulty;
use super::answers::{listing, reached, unprocessed, weave};
use super::plan::Operation;

impl<S: BrowseStore + Clone + 'static> BrowseStore for Faulty<S> {
    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let keys = listing(keys::user(&span.user_id));
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
        arrival_date: NaiveDate,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedItem>, StoreError> {
        let before = before.map(str::to_owned);
        let act = move |inner: S, _| async move { inner.rejections_page(arrival_date, before.as_deref(), limit).await };
        self.request(Operation::RejectionsPage, listing(keys::rejections(arrival_date)), act).await
    }
}
