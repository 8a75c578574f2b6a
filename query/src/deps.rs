//! What questions are asked with: handed in, so that a test decides all of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::day_of;
use headcount_core::deployment::TableMeta;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use headcount_store::meta;
use headcount_store::traits::MetaStore;
use tokio::time::Instant;

use crate::cache::Cache;
use crate::error::QueryError;

/// How long one question may wait for the table.
pub const QUERY_TIME: Duration = Duration::from_secs(30);

/// Store, clock, pauses, and what was read a moment ago. Clones share it.
#[derive(Clone, Debug)]
pub struct Deps<S> {
    /// The table.
    pub store: S,
    /// The wall clock: it decides which day it is.
    pub clock: Clock,
    /// Draws the pauses between attempts.
    pub jitter: Jitter,
    pub(crate) cache: Arc<Cache>,
}

impl<S> Deps<S> {
    /// Over a store, with the machine's clock.
    pub fn new(store: S) -> Self {
        Self::with(store, Clock::system(), Jitter::from_entropy())
    }

    /// Over a store, with this clock and these pauses.
    pub fn with(store: S, clock: Clock, jitter: Jitter) -> Self {
        Self { store, clock, jitter, cache: Arc::default() }
    }
}

impl Deps<DynamoStore> {
    /// Over the tables of the AWS environment, as a function has it. Nothing is asked yet.
    pub async fn from_environment(events: &str, metrics: &str) -> Self {
        let connection = connect(&ConnectOptions::default()).await;
        Self::new(DynamoStore::new(connection, Tables::new(events, metrics)))
    }
}

impl<S: MetaStore> Deps<S> {
    /// The table's record: the deployment that it belongs to, and its own number.
    ///
    /// # Errors
    ///
    /// [`QueryError`]: there is none, this build must not use it, or the table does not answer.
    pub async fn meta(&self) -> Result<Arc<TableMeta>, QueryError> {
        if let Some(known) = self.cache.meta() {
            return Ok(known);
        }
        let found = meta::read(&self.store, &self.jitter, deadline()).await?.ok_or(QueryError::NoDeployment)?;
        Ok(self.cache.keep_meta(found))
    }

    /// The zone whose days are counted, and the day that it is there.
    ///
    /// # Errors
    ///
    /// As [`Self::meta`].
    pub async fn today(&self) -> Result<(Tz, NaiveDate), QueryError> {
        let zone = self.meta().await?.deployment.zone;
        Ok((zone, day_of(zone, self.clock.now_ms()).unwrap_or_default()))
    }
}

/// When a question that begins now must be answered.
pub(crate) fn deadline() -> Instant {
    Instant::now() + QUERY_TIME
}
