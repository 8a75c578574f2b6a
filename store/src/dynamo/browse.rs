//! Single items for people to look at, and the partials of many dates at once.

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey};
use headcount_core::partial::PartialRecord;
use headcount_core::rejection::{Payload, Problem, Rejection};

use super::DynamoStore;
use super::events::read_event;
use super::item::{Attributes, s};
use super::partials;
use super::refusal::sort;
use super::request::{Wanted, cursor, read_found, start_key};
use super::schema::INDEX;
use crate::error::StoreError;
use crate::rows::{Cursor, Lookup, Page, RejectedRow};
use crate::traits::{BrowseStore, DatePartition, UserSpan, partition_of, partitions_of_partials};

/// The cursor's attribute that carries the token of a statement.
const TOKEN: &str = "NextToken";

impl BrowseStore for DynamoStore {
    fn partitions_at_once(&self) -> usize {
        self.partitions_at_once
    }

    async fn partials_of(
        &self,
        partitions: &[DatePartition],
        after: Option<&Cursor>,
    ) -> Result<Page<PartialRecord>, StoreError> {
        let names = partitions_of_partials(partitions)?;
        if names.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let table = &self.tables.events;
        if let ([one], [name]) = (partitions, names.as_slice()) {
            let read = |item: Attributes<'_>| partials::read(item, one.date);
            return self.page(table, self.query(table, name, "", after), read).await;
        }
        // A statement reads many partitions in one request, where a `Query` reads one.
        let marks = vec!["?"; names.len()].join(", ");
        let statement = format!("SELECT * FROM \"{}\" WHERE PK IN [{marks}]", table.replace('"', "\"\""));
        let token = after.and_then(|Cursor(parts)| parts.iter().find(|(name, _)| name == TOKEN));
        let request = self
            .connection
            .client
            .execute_statement()
            .statement(statement)
            .set_parameters(Some(names.iter().map(s).collect()))
            .consistent_read(true)
            .set_next_token(token.map(|(_, token)| token.clone()));
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.place, table))?;
        let read = |item| {
            let item = Attributes(item);
            let partition = item.text("PK")?;
            let found = names.iter().zip(partitions).find(|(name, _)| *name == partition);
            let (_, of) = found.ok_or_else(|| item.malformed("its partition was not asked for"))?;
            partials::read(item, of.date)
        };
        let items = answer.items().iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, next: answer.next_token.map(|token| Cursor(vec![(TOKEN.to_owned(), token)])) })
    }

    async fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<ItemKey>, StoreError> {
        let Some((partition, from, to)) = span.bounds()? else { return Ok(Page { items: Vec::new(), next: None }) };
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
        self.page(table, query, read_key).await
    }

    async fn events(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Event<'static>>>, StoreError> {
        let wanted = Wanted { attribute: None, consistent: false };
        read_found(self.get_batch(&self.tables.events, keys, wanted).await?, read_event)
    }

    async fn rejections_page(
        &self,
        partition: &DatePartition,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page<RejectedRow>, StoreError> {
        let table = &self.tables.events;
        let name = partition_of(&keys::rejections(partition.date), partition.shards, partition.shard)?;
        let condition = if before.is_some() { " AND SK < :before" } else { "" };
        let mut query = self.query(table, &name, condition, None).scan_index_forward(false).limit(page_limit(limit));
        if let Some(before) = before {
            query = query.expression_attribute_values(":before", s(before));
        }
        let answer = self.send(table, query).await?;
        let read = |item| read_rejected(Attributes(item), partition);
        let items = answer.items().iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, next: cursor(answer.last_evaluated_key.as_ref())? })
    }
}

fn read_key(item: Attributes<'_>) -> Result<ItemKey, StoreError> {
    item.key()
}

/// At least one item: DynamoDB refuses less.
fn page_limit(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}

fn read_rejected(item: Attributes<'_>, partition: &DatePartition) -> Result<RejectedRow, StoreError> {
    let sk = item.text("SK")?;
    let (arrived_ms, origin) = keys::parse_rejected(sk).ok_or_else(|| item.malformed("its key names no arrival"))?;
    Ok(RejectedRow {
        rejection: Rejection { problems: problems(item)?, payload: payload(item)?, count: item.number("Count")? },
        origin,
        arrival_date: partition.date,
        arrived_ms,
        shards: partition.shards,
        expires_s: item.number("TTL")?,
    })
}

fn problems(item: Attributes<'_>) -> Result<Vec<Problem>, StoreError> {
    let one = |value: &AttributeValue| {
        let map = Attributes(value.as_m().map_err(|_| item.malformed("one of its problems is no map"))?);
        Ok(Problem::new(map.text("field")?, map.text("problem")?))
    };
    item.list("Problems")?.iter().map(one).collect()
}

fn payload(item: Attributes<'_>) -> Result<Payload, StoreError> {
    if !item.has("Payload") {
        return Ok(Payload::Withheld);
    }
    let truncated = item.flag("Truncated")?;
    match item.text("Payload") {
        Ok(text) => Ok(Payload::Text { text: text.to_owned(), truncated }),
        Err(_) => Ok(Payload::Binary { bytes: item.bytes("Payload")?, truncated }),
    }
}
