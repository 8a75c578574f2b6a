//! What the handler needs, made once for many invocations.

use std::sync::Arc;

use chrono_tz::Tz;
use headcount_core::deployment::{Deployment, TableId};
use headcount_core::validate::Rules;
use headcount_follow::{Figures, ItemOptions, Items};
use headcount_log::{Log, LogError};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::follow::TableState;
use crate::memory::Memory;
use crate::tail::Tails;

/// How this consumer is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What makes an event acceptable.
    pub rules: Rules,
    /// The reporting zone: of a new deployment, and what an existing one is checked against. `None` takes what is
    /// there, UTC for a new one.
    pub zone: Option<Tz>,
    /// The project's name, for a new deployment.
    pub project: String,
    /// Days that the log keeps an entry, for a new deployment.
    pub log_retention_days: u32,
    /// Tells a stream that was deleted and created again under its old name from the first one.
    pub stream_generation: Option<String>,
    /// Which items are written.
    pub items: ItemOptions,
}

/// What the handler needs.
#[derive(Debug)]
pub struct Deps<S> {
    /// The log.
    pub log: Log,
    /// The table.
    pub store: S,
    /// The wall clock.
    pub clock: Clock,
    /// Pauses.
    pub jitter: Jitter,
    /// The configuration.
    pub settings: Settings,
    /// Where each source's log ends.
    pub tails: Tails,
    /// Events that were appended lately.
    pub memory: Memory,
    /// The follower of figures.
    pub figures: Figures,
    /// The follower of items.
    pub items: Items,
    /// The table, once it was reached.
    pub table: TableState,
    deployment: Mutex<Option<Arc<Deployment>>>,
}

impl<S> Deps<S> {
    /// A cold start: nothing is remembered.
    pub fn new(log: Log, store: S, clock: Clock, jitter: Jitter, settings: Settings) -> Self {
        let items = Items::new(settings.items);
        Self {
            log,
            store,
            clock,
            jitter,
            settings,
            tails: Tails::default(),
            memory: Memory::default(),
            figures: Figures::default(),
            items,
            table: TableState::default(),
            deployment: Mutex::default(),
        }
    }

    /// The log's deployment, created where the log is new. It never changes, so it is read once.
    ///
    /// # Errors
    ///
    /// [`LogError`], where the log cannot be asked or must not be used by this build or configuration.
    pub async fn deployment(&self, deadline: Instant) -> Result<Arc<Deployment>, LogError> {
        let known = self.deployment.lock().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let first = Deployment {
            log_retention_days: self.settings.log_retention_days,
            ..Deployment::new(self.draw_id(), self.settings.zone.unwrap_or(Tz::UTC), &self.settings.project)
        };
        let deployment = Arc::new(self.log.open_deployment(&first, deadline).await?);
        if let Some(zone) = self.settings.zone {
            deployment.check_zone(zone)?;
        }
        *self.deployment.lock() = Some(deployment.clone());
        Ok(deployment)
    }

    fn draw_id(&self) -> String {
        format!("{:016x}{:016x}", self.jitter.draw(), self.jitter.draw())
    }

    /// A number for a table that was never used.
    pub(crate) fn draw_table_id(&self) -> TableId {
        TableId(self.jitter.draw())
    }
}
