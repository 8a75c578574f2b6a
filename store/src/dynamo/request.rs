//! The requests that every method is made of: one key, a batch of keys, a page of a partition, a batch of puts.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use headcount_core::keys::ItemKey;
use tokio::task::JoinSet;

use super::DynamoStore;
use super::attributes::{Attributes, Item, key_item, s};
use super::refusal::{cut, sort};
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Cursor, Lookup, Page};
use crate::traits::{MAX_BATCH_GETS, MAX_BATCH_WRITES};

/// Which attributes of the items are wanted, and how fresh.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// These, or all.
    pub(crate) attribute: Option<&'a str>,
    /// Read consistently.
    pub(crate) consistent: bool,
}

impl DynamoStore {
    /// The item under this key, read consistently: all writes before it are seen
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html>).
    pub(crate) async fn get(&self, table: &str, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let request = self.connection.client.get_item().table_name(table).set_key(Some(key_item(key)));
        let answer = request.consistent_read(true).send().await;
        Ok(answer.map_err(|error| sort(&error, &self.connection.endpoint, table))?.item)
    }

    /// The items under these keys, in order. A request answers with 16 MB at most and names the keys that it left out
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
    pub(crate) async fn get_batch(
        &self,
        table: &str,
        keys: &[ItemKey],
        wanted: Wanted<'_>,
    ) -> Result<Vec<Lookup<Item>>, StoreError> {
        batch::check(keys, MAX_BATCH_GETS)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key_item).collect()))
            .consistent_read(wanted.consistent);
        if let Some(attribute) = wanted.attribute {
            request = request.projection_expression("PK, SK, #wanted").expression_attribute_names("#wanted", attribute);
        }
        let request = request.build().map_err(|error| StoreError::Invalid { detail: cut(&error.to_string()) })?;
        let request = self.connection.client.batch_get_item().request_items(table, request);
        // An answer may have megabytes: those of a year would be read one by one.
        let (endpoint, name) = (self.connection.endpoint.clone(), table.to_owned());
        let asking = async move { request.send().await.map_err(|error| sort(&error, &endpoint, &name)) };
        let answer = in_its_own_task(asking).await?;

        let mut found = HashMap::with_capacity(keys.len());
        for item in answer.responses.and_then(|mut responses| responses.remove(table)).unwrap_or_default() {
            found.insert(Attributes(&item).key()?, item);
        }
        let mut unprocessed = HashSet::new();
        if let Some(left) = answer.unprocessed_keys.and_then(|mut left| left.remove(table)) {
            for key in left.keys() {
                unprocessed.insert(Attributes(key).key()?);
            }
        }
        let look_up = |key| match found.remove(key) {
            Some(item) => Lookup::Found(item),
            None if unprocessed.contains(key) => Lookup::Unprocessed,
            None => Lookup::Absent,
        };
        Ok(keys.iter().map(look_up).collect())
    }

    /// A put of a whole item.
    pub(crate) fn put(&self, table: &str, item: Item) -> PutItemFluentBuilder {
        self.connection.client.put_item().table_name(table).set_item(Some(item))
    }

    /// A query of one partition, read consistently; `sort_condition` narrows it by sort key.
    pub(crate) fn query(
        &self,
        table: &str,
        partition: &str,
        sort_condition: &str,
        after: Option<&Cursor>,
    ) -> QueryFluentBuilder {
        self.connection
            .client
            .query()
            .table_name(table)
            .consistent_read(true)
            .key_condition_expression(format!("PK = :partition{sort_condition}"))
            .expression_attribute_values(":partition", s(partition))
            .set_exclusive_start_key(start_key(after))
    }

    /// Sends a query and reads each item of its page, which ends after 1 MB or the query's limit
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html>); what is read as `None` is left out.
    pub(crate) async fn page<T>(
        &self,
        table: &str,
        query: QueryFluentBuilder,
        read: impl Fn(Attributes<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let answer = self.send(table, query).await?;
        let items = answer.items().iter().filter_map(|item| read(Attributes(item)).transpose());
        let items = items.collect::<Result<_, _>>()?;
        Ok(Page { items, next: cursor(answer.last_evaluated_key.as_ref())? })
    }

    /// Sends a query.
    pub(crate) async fn send(&self, table: &str, query: QueryFluentBuilder) -> Result<QueryOutput, StoreError> {
        query.send().await.map_err(|error| sort(&error, &self.connection.endpoint, table))
    }

    /// Puts what `item` makes of each of `rows`, whatever is there. Whether each was written, in order. A request may
    /// leave out some puts, for want of capacity, and names those
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>). One put that is not
    /// valid fails all.
    pub(crate) async fn put_batch<T>(
        &self,
        table: &str,
        rows: &[T],
        key: impl Fn(&T) -> ItemKey,
        item: impl Fn(&T) -> Item,
    ) -> Result<Vec<bool>, StoreError> {
        let keys: Vec<ItemKey> = rows.iter().map(key).collect();
        batch::check(&keys, MAX_BATCH_WRITES)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let put = |row| {
            let put = PutRequest::builder().set_item(Some(item(row))).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
                .map_err(|error| StoreError::Invalid { detail: cut(&error.to_string()) })
        };
        let puts = rows.iter().map(put).collect::<Result<_, _>>()?;
        let request = self.connection.client.batch_write_item().request_items(table, puts);
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.endpoint, table))?;
        let mut left = HashSet::new();
        for request in answer.unprocessed_items.and_then(|mut left| left.remove(table)).unwrap_or_default() {
            if let Some(put) = request.put_request() {
                left.insert(Attributes(put.item()).key()?);
            }
        }
        Ok(keys.iter().map(|key| !left.contains(key)).collect())
    }
}

/// Runs it as a task of its own, which ends when the caller gives up.
async fn in_its_own_task<T: Send + 'static>(
    asking: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let mut tasks = JoinSet::new();
    tasks.spawn(asking);
    match tasks.join_next().await {
        Some(Ok(answer)) => answer,
        _ => Err(StoreError::Unknown { detail: "a request ended without an answer".to_owned() }),
    }
}

/// The found items read, the rest as it is.
pub(crate) fn read_found<T>(
    found: Vec<Lookup<Item>>,
    read: impl Fn(Attributes<'_>) -> Result<T, StoreError>,
) -> Result<Vec<Lookup<T>>, StoreError> {
    let read_one = |lookup| {
        Ok(match lookup {
            Lookup::Found(item) => Lookup::Found(read(Attributes(&item))?),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unprocessed => Lookup::Unprocessed,
        })
    };
    found.into_iter().map(read_one).collect()
}

/// The key to begin a page after.
pub(crate) fn start_key(after: Option<&Cursor>) -> Option<HashMap<String, AttributeValue>> {
    after.map(|Cursor(attributes)| attributes.iter().map(|(name, value)| (name.clone(), s(value))).collect())
}

/// The cursor of a page's last key.
pub(crate) fn cursor(last: Option<&Item>) -> Result<Option<Cursor>, StoreError> {
    let Some(last) = last.filter(|last| !last.is_empty()) else { return Ok(None) };
    let mut attributes = Vec::with_capacity(last.len());
    for name in last.keys() {
        attributes.push((name.clone(), Attributes(last).text(name)?.to_owned()));
    }
    attributes.sort();
    Ok(Some(Cursor(attributes)))
}
