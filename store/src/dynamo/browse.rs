//! Single items for people to look at.

use chrono::NaiveDate;
use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};

use super::DynamoStore;
use super::attributes::{Attributes, s};
use super::request::{Wanted, read_found, start_key};
use super::schema::INDEX;
use super::{events, rejected};
use crate::error::StoreError;
use crate::rows::{Cursor, Lookup, Page, RejectedItem};
use crate::traits::{BrowseStore, UserSpan};

impl BrowseStore for DynamoStore {
    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let Some((partition, from, to)) = span.bounds() else { return Ok(Page { items: Vec::new(), next: None }) };
        let table = &self.tables.events;
        let query = self
            .connection
            .client
            .query()
            .table_name(table)
            .index_name(INDEX)
            .key_condition_expression("GSI1PK = :partition AND GSI1SK BETWEEN :from AND :to")
            .expression_attribute_values(":partition", s(partition))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(to))
            .scan_index_forward(false)
            .limit(page_limit(limit))
            .set_exclusive_start_key(start_key(after));
        self.page(table, query, |item| item.key().map(Some)).await
    }

    async fn events(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Event<'static>>>, StoreError> {
        let wanted = Wanted { attribute: None, consistent: false };
        read_found(self.get_batch(&self.tables.events, keys, wanted).await?, events::read)
    }

    async fn rejections_page(
        &self,
        arrival_date: NaiveDate,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedItem>, StoreError> {
        let table = &self.tables.events;
        let condition = if before.is_some() { " AND SK < :before" } else { "" };
        let mut query = self
            .query(table, &keys::rejections(arrival_date), condition, None)
            .scan_index_forward(false)
            .limit(page_limit(limit));
        if let Some(before) = before {
            query = query.expression_attribute_values(":before", s(before));
        }
        self.page(table, query, |item: Attributes<'_>| rejected::read(item, arrival_date).map(Some)).await
    }
}

/// At least one item: DynamoDB refuses less.
fn page_limit(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}
