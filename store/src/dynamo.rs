//! The adapter for DynamoDB, through the AWS SDK. One method is one request; nothing is retried in here.
//!
//! Events, partials, users and rejected occurrences live in one table, the deployment's record and the daily results
//! in another, or in the same: raw events need no backup, figures do.

pub mod connect;
pub mod meter;
pub mod schema;
pub mod set_up;

mod finished;
mod item;
mod refusal;
mod request;
mod wire;

mod browse;
mod dailies;
mod deployment;
mod events;
mod insert;
mod partials;
mod rejected;
mod users;

use std::sync::Arc;

use crate::dynamo::connect::Connection;
use crate::dynamo::schema::Tables;
use crate::error::StoreError;

/// The store over DynamoDB. Clones share its connections.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    connection: Connection,
    tables: Tables,
    /// How the insert of an event begins, the same for all.
    insert: Arc<str>,
}

impl DynamoStore {
    /// The store in these tables.
    pub fn new(connection: Connection, tables: Tables) -> Self {
        let insert = insert::opening(&tables.events).into();
        Self { connection, tables, insert }
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
