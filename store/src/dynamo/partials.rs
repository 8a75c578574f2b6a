//! Partials: `SKETCH#<date>` / `SOURCE#<source>`.
//!
//! Conditions hold at the moment of the write, in the order in which the service takes the writes of an item
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html>); a refused one
//! consumes write units by the size of the item that is there. `Table` is a reserved word, so conditions name it `#table`
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>).

use chrono::NaiveDate;
use headcount_core::deployment::TableId;
use headcount_core::keys;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;

use super::DynamoStore;
use super::attributes::{Attributes, b, key_item, n, s};
use super::refusal::put_outcome;
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Cursor, Page, Put};
use crate::traits::{PartialStore, Stamp};

/// The version must be readable, or nothing could replace the item. What the checksum covers may be missing: then it does
/// not match, and the decoder says that the partial is damaged.
fn read(item: Attributes<'_>, date: NaiveDate) -> Result<PartialRecord, StoreError> {
    let source = keys::parse_partial(item.text("SK")?);
    let number = |name| item.number(name).unwrap_or_default();
    Ok(PartialRecord {
        date,
        source: source.ok_or_else(|| item.malformed("its key names no source"))?,
        version: item.number("Version")?,
        as_of: number("AsOf"),
        first: number("First"),
        counters: item.framed_bytes("Counters"),
        users: item.framed_bytes("Users"),
        sessions: item.framed_bytes("Sessions"),
        accounts: item.framed_bytes("Accounts"),
        checksum: number("Checksum"),
    })
}

impl PartialStore for DynamoStore {
    async fn read_partial(
        &self,
        table: TableId,
        date: NaiveDate,
        source: &Source,
    ) -> Result<Option<PartialRecord>, StoreError> {
        let item = self.get(&self.tables.events, &keys::partial(date, source)).await?;
        item.as_ref().map(Attributes).filter(|item| item.is_of(table)).map(|item| read(item, date)).transpose()
    }

    async fn write_partial(
        &self,
        table: TableId,
        record: &PartialRecord,
        expected: u64,
        stamp: Stamp,
    ) -> Result<Put, StoreError> {
        batch::check_version(record.version, expected)?;
        let mut item = key_item(&keys::partial(record.date, &record.source));
        item.extend([
            ("EntityType".to_owned(), s("Partial")),
            ("Version".to_owned(), n(record.version)),
            ("AsOf".to_owned(), n(record.as_of)),
            ("First".to_owned(), n(record.first)),
            ("Counters".to_owned(), b(&record.counters)),
            ("Users".to_owned(), b(&record.users)),
            ("Sessions".to_owned(), b(&record.sessions)),
            ("Accounts".to_owned(), b(&record.accounts)),
            ("Checksum".to_owned(), n(record.checksum)),
            ("Table".to_owned(), n(table.0)),
            ("UpdatedAt".to_owned(), n(stamp.now_ms)),
            ("TTL".to_owned(), n(stamp.expires_s)),
        ]);
        let request = self.put(&self.tables.events, item);
        let request = match expected {
            // Without the attribute `Table` there is no item, or none of ours.
            0 => request.condition_expression("attribute_not_exists(#table) OR #table <> :table"),
            expected => request
                .condition_expression("Version = :expected AND #table = :table")
                .expression_attribute_values(":expected", n(expected)),
        };
        let request =
            request.expression_attribute_names("#table", "Table").expression_attribute_values(":table", n(table.0));
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.events)
    }

    async fn partials_page(
        &self,
        table: TableId,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let query = self.query(&self.tables.events, &keys::partials(date), "", after);
        self.page(&self.tables.events, query, |item| item.is_of(table).then(|| read(item, date)).transpose()).await
    }
}
