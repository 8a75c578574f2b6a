//! Partials: `SKETCH#<date>` / `SOURCE#<source>`.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::NaiveDate;
use headcount_core::keys::{self, WriteShards};
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;

use super::DynamoStore;
use super::item::{Attributes, b, key_item, n, s};
use super::refusal::{put_outcome, sort};
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Cursor, Page, Put};
use crate::traits::{PartialStore, Stamp, partition_of};

pub(super) fn read(item: Attributes<'_>, date: NaiveDate) -> Result<PartialRecord, StoreError> {
    let source = keys::parse_partial(item.text("SK")?);
    Ok(PartialRecord {
        date,
        source: source.ok_or_else(|| item.malformed("its key names no source"))?,
        version: item.number("Version")?,
        last_sequence: if item.has("LastSequence") { Some(item.parsed("LastSequence")?) } else { None },
        dirty: item.flag("Dirty")?,
        counters: item.framed_bytes("Counters"),
        users: item.framed_bytes("Users"),
        sessions: item.framed_bytes("Sessions"),
    })
}

impl PartialStore for DynamoStore {
    async fn read_partial(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        let table = &self.tables.events;
        let key = key_item(&keys::partial(date, shards, source));
        let request = self.connection.client.get_item().table_name(table).set_key(Some(key)).consistent_read(true);
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.place, table))?;
        answer.item().map(|item| read(Attributes(item), date)).transpose()
    }

    async fn write_partial(
        &self,
        record: &PartialRecord,
        shards: WriteShards,
        expected: u64,
        stamp: Stamp,
    ) -> Result<Put, StoreError> {
        batch::check_version(record.version, expected)?;
        let mut item = key_item(&keys::partial(record.date, shards, &record.source));
        item.extend([
            ("EntityType".to_owned(), s("Partial")),
            ("Version".to_owned(), n(record.version)),
            ("Dirty".to_owned(), AttributeValue::Bool(record.dirty)),
            ("Counters".to_owned(), b(&record.counters)),
            ("Users".to_owned(), b(&record.users)),
            ("Sessions".to_owned(), b(&record.sessions)),
            ("UpdatedAt".to_owned(), n(stamp.now_ms)),
            ("TTL".to_owned(), n(stamp.expires_s)),
        ]);
        if let Some(last) = &record.last_sequence {
            // Text: 56 digits are more than a number of the table holds.
            item.insert("LastSequence".to_owned(), s(last.as_str()));
        }
        let table = &self.tables.events;
        let request = self.connection.client.put_item().table_name(table).set_item(Some(item));
        let request = if expected == 0 {
            request.condition_expression("attribute_not_exists(PK)")
        } else {
            request.condition_expression("Version = :expected").expression_attribute_values(":expected", n(expected))
        };
        put_outcome(request.send().await, &self.connection.place, table)
    }

    async fn partials_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let table = &self.tables.events;
        let partition = partition_of(&keys::partials(date), shards, shard)?;
        self.page(table, self.query(table, &partition, "", after), |item| read(item, date)).await
    }
}
