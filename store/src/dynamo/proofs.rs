//! Proofs: `PROOF#<date>` / `FIGURES`, and `SOURCE#<number>#<source>` for each source that a proof counts.
//!
//! The sources are put before the figures, which name the number of theirs: whoever reads figures finds their sources whole.

use chrono::NaiveDate;
use headcount_core::counters::Counters;
use headcount_core::deployment::TableId;
use headcount_core::exact::{ProvenFigures, ProvenSource};
use headcount_core::keys;
use headcount_core::origin::Source;

use super::DynamoStore;
use super::attributes::{Attributes, Item, b, key_item, n, s};
use super::refusal::put_outcome;
use crate::error::StoreError;
use crate::rows::{Cursor, Page, ProvenSourceRow, Put};
use crate::traits::ProofStore;

fn read_source(item: Attributes<'_>, number: u64) -> Result<(Source, ProvenSource), StoreError> {
    let source = keys::parse_proven_source(item.text("SK")?, number);
    let source = source.ok_or_else(|| item.malformed("its key names no source"))?;
    let decode = |bytes: Vec<u8>| Counters::decode(&bytes).map_err(|error| item.malformed(error.to_string()));
    let raw = if item.has("Counters") { Some(decode(item.bytes("Counters")?)?) } else { None };
    Ok((source, ProvenSource { entry: item.number("Entry")?, raw }))
}

fn source_item(row: &ProvenSourceRow) -> Item {
    let mut item = key_item(&row.key());
    item.extend([
        ("EntityType".to_owned(), s("ProvenSource")),
        ("Entry".to_owned(), n(row.proven.entry)),
        ("TTL".to_owned(), n(row.expires_s)),
    ]);
    if let Some(raw) = &row.proven.raw {
        item.insert("Counters".to_owned(), b(&raw.encode()));
    }
    item
}

impl ProofStore for DynamoStore {
    async fn read_proof(&self, table: TableId, date: NaiveDate) -> Result<Option<ProvenFigures>, StoreError> {
        let item = self.get(&self.tables.metrics, &keys::proof(date)).await?;
        let Some(item) = item.as_ref().map(Attributes).filter(|item| item.is_of(table)) else { return Ok(None) };
        let read = serde_json::from_str(item.text("Data")?);
        read.map(Some).map_err(|error| item.malformed(format!("its Data holds no proof: {error}")))
    }

    async fn proven_sources_page(
        &self,
        date: NaiveDate,
        number: u64,
        after: Option<&Cursor>,
    ) -> Result<Page<(Source, ProvenSource)>, StoreError> {
        let table = &self.tables.metrics;
        let query = self
            .query(table, &keys::proof(date).pk, " AND begins_with(SK, :number)", after)
            .expression_attribute_values(":number", s(keys::proven_sources(number)));
        self.page(table, query, |item| read_source(item, number).map(Some)).await
    }

    async fn put_proven_sources(&self, rows: &[ProvenSourceRow]) -> Result<Vec<bool>, StoreError> {
        self.put_batch(&self.tables.metrics, rows, ProvenSourceRow::key, source_item).await
    }

    async fn put_proof(&self, table: TableId, proof: &ProvenFigures) -> Result<Put, StoreError> {
        let mut item = key_item(&keys::proof(proof.date));
        // Text: as a map, the numbers of the figures would have to fit into DynamoDB's.
        let data = serde_json::to_string(proof).map_err(|error| StoreError::Invalid { detail: error.to_string() })?;
        item.extend([
            ("EntityType".to_owned(), s("Proof")),
            ("Data".to_owned(), s(data)),
            ("Number".to_owned(), n(proof.number)),
            ("Table".to_owned(), n(table.0)),
        ]);
        // `Number` and `Table` are reserved words
        // (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>).
        let request = self
            .put(&self.tables.metrics, item)
            .condition_expression("attribute_not_exists(#table) OR #table <> :table OR #number < :number")
            .expression_attribute_names("#table", "Table")
            .expression_attribute_names("#number", "Number")
            .expression_attribute_values(":table", n(table.0))
            .expression_attribute_values(":number", n(proof.number));
        put_outcome(request.send().await, &self.connection.endpoint, &self.tables.metrics)
    }
}
