//! Rejected occurrences: `REJECTED#<date>` / `REJECT#<arrival ms>#<source>#<sequence>#<index>`.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use chrono::NaiveDate;
use headcount_core::keys::{self, WriteShards};
use headcount_core::rejection::{Payload, Problem};

use super::DynamoStore;
use super::item::{Attributes, Item, b, key_item, n, s};
use super::refusal::{cut, sort};
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Cursor, Page, RejectedCount, RejectedRow};
use crate::traits::{MAX_BATCH_WRITES, RejectedStore, partition_of};

fn item(row: &RejectedRow) -> Item {
    let problem = |problem: &Problem| {
        AttributeValue::M(Item::from([
            ("field".to_owned(), s(&problem.field)),
            ("problem".to_owned(), s(&problem.problem)),
        ]))
    };
    let mut item = key_item(&row.key());
    item.extend([
        ("EntityType".to_owned(), s("RejectedEvent")),
        ("Problems".to_owned(), AttributeValue::L(row.rejection.problems.iter().map(problem).collect())),
        ("Count".to_owned(), n(row.rejection.count)),
        ("Origin".to_owned(), s(row.origin.to_string())),
        ("ArrivedAt".to_owned(), n(row.arrived_ms)),
        ("TTL".to_owned(), n(row.expires_s)),
    ]);
    let (payload, is_cut) = match &row.rejection.payload {
        Payload::Text { text, truncated } => (s(text), *truncated),
        Payload::Binary { bytes, truncated } => (b(bytes), *truncated),
        Payload::Withheld => return item,
    };
    item.insert("Payload".to_owned(), payload);
    item.insert("Truncated".to_owned(), AttributeValue::Bool(is_cut));
    item
}

impl RejectedStore for DynamoStore {
    async fn put_rejected(&self, rows: &[RejectedRow]) -> Result<Vec<bool>, StoreError> {
        batch::check(rows.iter().map(RejectedRow::key), MAX_BATCH_WRITES)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let put = |row| {
            let put = PutRequest::builder().set_item(Some(item(row))).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
                .map_err(|error| StoreError::Invalid { detail: cut(&error.to_string()) })
        };
        let puts = rows.iter().map(put).collect::<Result<_, _>>()?;
        let table = &self.tables.events;
        let request = self.connection.client.batch_write_item().request_items(table, puts);
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.place, table))?;
        let mut left = HashSet::new();
        for request in answer.unprocessed_items.and_then(|mut left| left.remove(table)).unwrap_or_default() {
            if let Some(put) = request.put_request() {
                left.insert(Attributes(put.item()).key()?);
            }
        }
        Ok(rows.iter().map(|row| !left.contains(&row.key())).collect())
    }

    async fn rejected_page(
        &self,
        arrival_date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<RejectedCount>, StoreError> {
        let table = &self.tables.events;
        let partition = partition_of(&keys::rejections(arrival_date), shards, shard)?;
        let query = self
            .query(table, &partition, "", after)
            .projection_expression("PK, SK, Origin, #count")
            .expression_attribute_names("#count", "Count");
        self.page(table, query, |item| {
            Ok(RejectedCount { origin: item.parsed("Origin")?, count: item.number("Count")? })
        })
        .await
    }
}
