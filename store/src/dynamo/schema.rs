//! The tables: their keys, index and expiry, made where they are missing.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use tokio::time::Instant;

use super::connect::Connection;
use super::refusal::{sort, sort_first};
use crate::error::StoreError;
use headcount_runtime::retry::{Jitter, retry};

/// The index over users and new users.
pub const INDEX: &str = "GSI1";

/// The attribute with which items expire, seconds since the epoch.
pub const TTL_ATTRIBUTE: &str = "TTL";

/// How long to wait before asking again whether a new table is ready.
const POLL: Duration = Duration::from_millis(250);

/// The names of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Events, partials, users, rejected occurrences.
    pub events: String,
    /// Daily results, totals, the deployment's record.
    pub metrics: String,
}

impl Tables {
    /// All in one table.
    pub fn one(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { events: name.clone(), metrics: name }
    }

    /// Raw events and metrics apart; the same name twice is one table.
    pub fn new(events: impl Into<String>, metrics: impl Into<String>) -> Self {
        Self { events: events.into(), metrics: metrics.into() }
    }

    /// Each table once.
    pub(crate) fn distinct(&self) -> Vec<&str> {
        if self.events == self.metrics { vec![&self.events] } else { vec![&self.events, &self.metrics] }
    }
}

/// Makes the tables that do not exist yet, with their keys, index and expiry, on demand, and waits until all are ready.
/// Doing it again changes nothing.
///
/// # Errors
/// [`StoreError::Unusable`] where a table of this name has other keys, or must not be made; any other error where it
/// lasted until `deadline`.
pub async fn create_tables(connection: &Connection, tables: &Tables, deadline: Instant) -> Result<(), StoreError> {
    let jitter = Jitter::from_entropy();
    for table in tables.distinct() {
        retry(&jitter, deadline, || create_table(connection, table)).await?;
    }
    for table in tables.distinct() {
        wait_until_active(connection, tables, table, &jitter, deadline).await?;
        if table == tables.events {
            retry(&jitter, deadline, || enable_expiry(connection, table)).await?;
        }
    }
    Ok(())
}

/// Whether the table exists, is ready, and has the keys of ours.
pub(crate) async fn check_table(connection: &Connection, tables: &Tables, table: &str) -> Result<(), StoreError> {
    let answer = connection.client.describe_table().table_name(table).send().await;
    let described = answer.map_err(|error| sort_first(&error, &connection.endpoint, table))?;
    let description = described.table().cloned().unwrap_or_else(|| TableDescription::builder().build());
    check_keys(&description, table, table == tables.events)?;
    if is_ready(&description) {
        return Ok(());
    }
    Err(StoreError::Unusable {
        detail: format!("the table {table} at {} is not ready yet: try again in a minute", connection.endpoint),
    })
}

/// Makes the table with its keys and index; whether it was this request that made it.
pub(super) async fn create_table(connection: &Connection, table: &str) -> Result<bool, StoreError> {
    let request = keys_and_index(connection.client.create_table().table_name(table))
        .map_err(|error| StoreError::Invalid { detail: error.to_string() })?;
    match request.billing_mode(BillingMode::PayPerRequest).send().await {
        Ok(_) => Ok(true),
        Err(error)
            if error.as_service_error().is_some_and(|refused| refused.code() == Some("ResourceInUseException")) =>
        {
            Ok(false)
        }
        Err(error) => Err(sort(&error, &connection.endpoint, table)),
    }
}

fn keys_and_index(request: CreateTableFluentBuilder) -> Result<CreateTableFluentBuilder, BuildError> {
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key("GSI1PK", KeyType::Hash)?)
        .key_schema(key("GSI1SK", KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    let mut request = request
        .key_schema(key("PK", KeyType::Hash)?)
        .key_schema(key("SK", KeyType::Range)?)
        .global_secondary_indexes(index);
    for name in ["PK", "SK", "GSI1PK", "GSI1SK"] {
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(text.build()?);
    }
    Ok(request)
}

pub(super) async fn wait_until_active(
    connection: &Connection,
    tables: &Tables,
    table: &str,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<(), StoreError> {
    loop {
        let description = retry(jitter, deadline, || describe(connection, table)).await?;
        if let Some(description) = &description {
            check_keys(description, table, table == tables.events)?;
            if is_ready(description) {
                return Ok(());
            }
        }
        if Instant::now() + POLL >= deadline {
            return Err(StoreError::Unusable {
                detail: format!("the table {table} at {} did not become ready in time: try again", connection.endpoint),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What the table is; `None` where it is so new that it is not seen yet.
async fn describe(connection: &Connection, table: &str) -> Result<Option<TableDescription>, StoreError> {
    match connection.client.describe_table().table_name(table).send().await {
        Ok(described) => Ok(described.table),
        Err(error)
            if error.as_service_error().is_some_and(|refused| refused.code() == Some("ResourceNotFoundException")) =>
        {
            Ok(None)
        }
        Err(error) => Err(sort(&error, &connection.endpoint, table)),
    }
}

/// Ready to be written: also while something is being changed.
fn is_ready(description: &TableDescription) -> bool {
    let is_index_ready = description
        .global_secondary_indexes()
        .iter()
        .filter(|index| index.index_name() == Some(INDEX))
        .all(|index| index.index_status().is_none_or(|status| matches!(status.as_str(), "ACTIVE" | "UPDATING")));
    is_index_ready && matches!(description.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

fn check_keys(description: &TableDescription, table: &str, needs_index: bool) -> Result<(), StoreError> {
    let names = |keys: &[KeySchemaElement]| keys.iter().map(|key| key.attribute_name().to_owned()).collect::<Vec<_>>();
    let refuse = |what: &str| {
        let detail =
            format!("the table {table} is not one of Headcount's ({what}): use another name, or let Headcount make it");
        Err(StoreError::Unusable { detail })
    };
    if names(description.key_schema()) != ["PK", "SK"] {
        return refuse("its keys are not PK and SK");
    }
    let index = description.global_secondary_indexes().iter().find(|index| index.index_name() == Some(INDEX));
    match index {
        Some(index) if names(index.key_schema()) != ["GSI1PK", "GSI1SK"] => {
            refuse("the keys of its index GSI1 are others")
        }
        None if needs_index => refuse("it has no index GSI1"),
        _ => Ok(()),
    }
}

/// Lets items expire, where they do not yet.
pub(super) async fn enable_expiry(connection: &Connection, table: &str) -> Result<(), StoreError> {
    let answer = connection.client.describe_time_to_live().table_name(table).send().await;
    let described = answer.map_err(|error| sort(&error, &connection.endpoint, table))?;
    let expiry = described.time_to_live_description();
    let is_on = expiry
        .and_then(|expiry| expiry.time_to_live_status())
        .is_some_and(|status| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    match expiry.and_then(|expiry| expiry.attribute_name()) {
        Some(TTL_ATTRIBUTE) if is_on => return Ok(()),
        Some(other) if is_on => {
            let detail =
                format!("items of the table {table} expire by the attribute {other}: it must be {TTL_ATTRIBUTE}");
            return Err(StoreError::Unusable { detail });
        }
        _ => {}
    }
    let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
    let specification = specification.map_err(|error| StoreError::Invalid { detail: error.to_string() })?;
    let request = connection.client.update_time_to_live().table_name(table).time_to_live_specification(specification);
    request.send().await.map(|_| ()).map_err(|error| sort(&error, &connection.endpoint, table))
}
