//! The adapter for DynamoDB, through the AWS SDK. One method is one request; nothing is retried in here.
//!
//! Event items, partials, checkpoints, users and rejected items live in one table, the table's own record and the daily
//! results in another, or in the same: what follows the log needs no backup, results do.

pub mod connect;
pub mod meter;
pub mod schema;
pub mod set_up;

mod attributes;
mod refusal;
mod request;

mod browse;
mod budgets;
mod checkpoints;
mod dailies;
mod events;
mod meta;
mod partials;
mod proofs;
mod rejected;
mod users;

use crate::dynamo::connect::Connection;
use crate::dynamo::schema::Tables;
use crate::error::StoreError;

/// The store over DynamoDB. Clones share its connections.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    connection: Connection,
    tables: Tables,
}

impl DynamoStore {
    /// The store in these tables.
    pub fn new(connection: Connection, tables: Tables) -> Self {
        Self { connection, tables }
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
