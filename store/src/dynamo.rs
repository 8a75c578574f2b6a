//! The adapter for DynamoDB, through the AWS SDK. One method is one request; nothing is retried in here.
//!
//! Events, partials, users and rejected occurrences live in one table, the deployment's record and the daily results
//! in another, or in the same: raw events need no backup, figures do.

pub mod connect;
pub mod meter;
pub mod schema;
pub mod set_up;

mod direct;
mod finished;
mod item;
mod plain;
mod refusal;
mod request;
mod wire;

mod browse;
mod dailies;
mod deployment;
mod events;
mod insert;
mod inserted;
mod partials;
mod rejected;
mod users;

use std::sync::Arc;

use crate::dynamo::connect::Connection;
use crate::dynamo::schema::Tables;
use crate::error::StoreError;
use crate::traits::MAX_LISTED_PARTITIONS;

/// The store over DynamoDB. Clones share its connections.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    connection: Connection,
    tables: Tables,
    /// How the insert of an event begins, the same for all.
    insert: Arc<str>,
    partitions_at_once: usize,
}

impl DynamoStore {
    /// The store in these tables.
    pub fn new(connection: Connection, tables: Tables) -> Self {
        let insert = insert::opening(&tables.events).into();
        // DynamoDB reads the partitions that an `IN` names. The embedded table reads all items for it, and so might any
        // other that stands in; asked for one partition, each goes by its key.
        let partitions_at_once = if connection.place.endpoint.is_none() { MAX_LISTED_PARTITIONS } else { 1 };
        Self { connection, tables, insert, partitions_at_once }
    }

    /// The same, asking for so many partitions of partials at once wherever it is: 1 to [`MAX_LISTED_PARTITIONS`].
    #[must_use]
    pub fn listing_at_once(mut self, partitions: usize) -> Self {
        self.partitions_at_once = partitions.clamp(1, MAX_LISTED_PARTITIONS);
        self
    }

    /// Asks whether the tables can be used, so that a program ends at its start with one clear sentence.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says what to change: endpoint, credentials, names of tables, or the tables themselves.
    pub async fn check(&self) -> Result<(), StoreError> {
        for table in self.tables.distinct() {
            schema::check_table(&self.connection, &self.tables, table).await?;
        }
        Ok(())
    }

    /// The tables' names.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}
