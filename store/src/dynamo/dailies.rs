//! A day's results: `METRICS#<date>` / `DAILY` and `SKETCHES`, and `TOTALS` / `DAY#<date>`.

use chrono::NaiveDate;
use headcount_core::keys;

use super::DynamoStore;
use super::attributes::{Attributes, b, from_object, key_item, n, s};
use super::refusal::put_outcome;
use super::request::{Wanted, read_found};
use crate::error::StoreError;
use crate::rows::{Cursor, DailyRow, Lookup, MadeOf, Page, Put, SketchesRow, TotalRow};
use crate::traits::DailyStore;

/// The order of [`MadeOf`], as the table decides it.
const NOT_OLDER: &str = "attribute_not_exists(PK) OR MadeOfDay < :day OR (MadeOfDay = :day AND (MadeOfProof < :proof OR \
                         (MadeOfProof = :proof AND MadeOfMonth <= :month)))";

/// All of an item, read consistently.
const ALL: Wanted<'_> = Wanted { attribute: None, consistent: true };

fn read_made_of(item: Attributes<'_>) -> Result<MadeOf, StoreError> {
    Ok(MadeOf {
        day: item.number("MadeOfDay")?,
        proof: item.number("MadeOfProof")?,
        month: item.number("MadeOfMonth")?,
    })
}

fn read_date(item: Attributes<'_>) -> Result<NaiveDate, StoreError> {
    let date = item.text("PK")?.strip_prefix("METRICS#").and_then(|date| date.parse().ok());
    date.ok_or_else(|| item.malformed("its key names no date"))
}

fn read_daily(item: Attributes<'_>) -> Result<DailyRow, StoreError> {
    Ok(DailyRow {
        date: read_date(item)?,
        data: item.object("Data")?,
        made_of: read_made_of(item)?,
        created_ms: item.number("CreatedAt")?,
        updated_ms: item.number("UpdatedAt")?,
    })
}

fn read_sketches(item: Attributes<'_>) -> Result<SketchesRow, StoreError> {
    Ok(SketchesRow {
        date: read_date(item)?,
        users: item.framed_bytes("Users"),
        sessions: item.framed_bytes("Sessions"),
        accounts: item.framed_bytes("Accounts"),
        latencies: item.framed_bytes("Latencies"),
        made_of_day: item.number("MadeOfDay")?,
        updated_ms: item.number("UpdatedAt")?,
    })
}

fn read_total(item: Attributes<'_>) -> Result<TotalRow, StoreError> {
    let date = keys::parse_total(item.text("SK")?);
    Ok(TotalRow {
        date: date.ok_or_else(|| item.malformed("its key names no date"))?,
        new_users: item.number("NewUsers")?,
        made_of: read_made_of(item)?,
    })
}

impl DailyStore for DynamoStore {
    async fn dailies(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<DailyRow>>, StoreError> {
        let keys: Vec<_> = dates.iter().map(|date| keys::daily(*date)).collect();
        read_found(self.get_batch(&self.tables.metrics, &keys, ALL).await?, read_daily)
    }

    async fn sketches(&self, dates: &[NaiveDate]) -> Result<Vec<Lookup<SketchesRow>>, StoreError> {
        let keys: Vec<_> = dates.iter().map(|date| keys::sketches(*date)).collect();
        read_found(self.get_batch(&self.tables.metrics, &keys, ALL).await?, read_sketches)
    }

    async fn put_daily(&self, row: &DailyRow) -> Result<Put, StoreError> {
        let table = &self.tables.metrics;
        let request = self
            .connection
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key_item(&keys::daily(row.date))))
            .condition_expression(NOT_OLDER)
            .update_expression(
                "SET EntityType = :kind, #data = :data, MadeOfDay = :day, MadeOfProof = :proof, MadeOfMonth = :month, \
                 UpdatedAt = :updated, CreatedAt = if_not_exists(CreatedAt, :created)",
            )
            .expression_attribute_names("#data", "Data")
            .expression_attribute_values(":kind", s("AggregatedMetrics"))
            .expression_attribute_values(":data", from_object(&row.data))
            .expression_attribute_values(":day", n(row.made_of.day))
            .expression_attribute_values(":proof", n(row.made_of.proof))
            .expression_attribute_values(":month", n(row.made_of.month))
            .expression_attribute_values(":updated", n(row.updated_ms))
            .expression_attribute_values(":created", n(row.created_ms));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn put_sketches(&self, row: &SketchesRow) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::sketches(row.date));
        item.extend([
            ("EntityType".to_owned(), s("Sketches")),
            ("Users".to_owned(), b(&row.users)),
            ("Sessions".to_owned(), b(&row.sessions)),
            ("Accounts".to_owned(), b(&row.accounts)),
            ("Latencies".to_owned(), b(&row.latencies)),
            ("MadeOfDay".to_owned(), n(row.made_of_day)),
            ("UpdatedAt".to_owned(), n(row.updated_ms)),
        ]);
        let table = &self.tables.metrics;
        let request = self
            .put(table, item)
            .condition_expression("attribute_not_exists(PK) OR MadeOfDay <= :day")
            .expression_attribute_values(":day", n(row.made_of_day));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn put_total(&self, row: &TotalRow) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::total(row.date));
        item.extend([
            ("EntityType".to_owned(), s("DayTotal")),
            ("NewUsers".to_owned(), n(row.new_users)),
            ("MadeOfDay".to_owned(), n(row.made_of.day)),
            ("MadeOfProof".to_owned(), n(row.made_of.proof)),
            ("MadeOfMonth".to_owned(), n(row.made_of.month)),
        ]);
        let table = &self.tables.metrics;
        let request = self
            .put(table, item)
            .condition_expression(NOT_OLDER)
            .expression_attribute_values(":day", n(row.made_of.day))
            .expression_attribute_values(":proof", n(row.made_of.proof))
            .expression_attribute_values(":month", n(row.made_of.month));
        put_outcome(request.send().await, &self.connection.endpoint, table)
    }

    async fn totals_page(&self, to: NaiveDate, after: Option<&Cursor>) -> Result<Page<TotalRow>, StoreError> {
        let table = &self.tables.metrics;
        let query = self
            .query(table, keys::TOTALS, " AND SK <= :to", after)
            .expression_attribute_values(":to", s(keys::total(to).sk));
        self.page(table, query, |item| read_total(item).map(Some)).await
    }
}
