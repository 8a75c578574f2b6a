//! Checkpoints: `CHECKPOINT` / `FIGURES#<source>` and `ITEMS#<source>`. Their conditions are explained with the partials'.

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::deployment::TableId;
use headcount_core::keys::{self, Follower};
use headcount_core::origin::Source;

use super::DynamoStore;
use super::attributes::{Attributes, key_item, n, s};
use super::refusal::put_outcome;
use crate::error::StoreError;
use crate::rows::{Checkpoint, CheckpointRow, Cursor, Page, Put};
use crate::traits::CheckpointStore;

fn read(item: Attributes<'_>) -> Result<CheckpointRow, StoreError> {
    let key = keys::parse_checkpoint(item.text("SK")?);
    let (follower, source) = key.ok_or_else(|| item.malformed("its key names no follower and source"))?;
    Ok(CheckpointRow {
        follower,
        source,
        checkpoint: Checkpoint { entry: item.number("Entry")?, last: item.parsed("Last")? },
        is_finished: item.has("Finished") && item.flag("Finished")?,
    })
}

impl CheckpointStore for DynamoStore {
    async fn read_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let item = self.get(&self.tables.events, &keys::checkpoint(follower, source)).await?;
        let ours = item.as_ref().map(Attributes).filter(|item| item.is_of(table));
        Ok(ours.map(read).transpose()?.map(|row| row.checkpoint))
    }

    async fn write_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        checkpoint: &Checkpoint,
    ) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::checkpoint(follower, source));
        // The whole item is put: a mark as finished goes with the entry that it was for.
        item.extend([
            ("EntityType".to_owned(), s("Checkpoint")),
            ("Entry".to_owned(), n(checkpoint.entry)),
            // Text: a sequence number has 56 digits, a number of the table 38
            // (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
            ("Last".to_owned(), s(checkpoint.last.as_str())),
            ("Table".to_owned(), n(table.0)),
        ]);
        let request = self
            .put(&self.tables.events, item)
            .condition_expression("attribute_not_exists(#table) OR #table <> :table OR Entry < :entry")
            .expression_attribute_names("#table", "Table")
            .expression_attribute_values(":table", n(table.0))
            .expression_attribute_values(":entry", n(checkpoint.entry));
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.events)
    }

    async fn checkpoints_page(
        &self,
        table: TableId,
        after: Option<&Cursor>,
    ) -> Result<Page<CheckpointRow>, StoreError> {
        let query = self.query(&self.tables.events, keys::CHECKPOINT, "", after);
        self.page(&self.tables.events, query, |item| item.is_of(table).then(|| read(item)).transpose()).await
    }

    async fn mark_finished(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        entry: u64,
    ) -> Result<Put, StoreError> {
        let request = self
            .connection
            .client
            .update_item()
            .table_name(&self.tables.events)
            .set_key(Some(key_item(&keys::checkpoint(follower, source))))
            .condition_expression("Entry = :entry AND #table = :table")
            .update_expression("SET Finished = :finished")
            .expression_attribute_names("#table", "Table")
            .expression_attribute_values(":entry", n(entry))
            .expression_attribute_values(":table", n(table.0))
            .expression_attribute_values(":finished", AttributeValue::Bool(true));
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.events)
    }
}
