//! What the aggregator works with: handed in, so that a test or a simulation decides all of it.

use chrono_tz::Tz;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};
use headcount_follow::{Figures, ItemOptions, Items};
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::compute::Compute;
use headcount_runtime::retry::Jitter;

use crate::budgets::Alarms;

/// Milliseconds that a stream keeps its records, unless configured otherwise: 24 hours.
pub const DEFAULT_RETENTION_MS: i64 = DAY_MS;

/// Requests that are made at the same time, unless configured otherwise.
pub const DEFAULT_PARALLEL_REQUESTS: usize = 8;

/// Most requests that may be made at the same time.
pub const MAX_PARALLEL_REQUESTS: usize = 64;

/// Events that the hourly proofs may have, unless configured otherwise: at 10 events a second the six days before today would fit.
pub const DEFAULT_PROOF_BUDGET: u64 = 5_000_000;

/// Bytes of memory that a proof may use, unless configured otherwise.
pub const DEFAULT_PROOF_MEMORY: u64 = 600 << 20;

/// Log, table, clock, pauses and settings.
#[derive(Debug)]
pub struct Deps<S> {
    /// The log.
    pub log: Log,
    /// The table.
    pub store: S,
    /// The wall clock: it decides which days are open.
    pub clock: Clock,
    /// Draws the pauses between attempts.
    pub jitter: Jitter,
    /// What is configured.
    pub settings: Settings,
    /// Where alarms of budgets go.
    pub alarms: Alarms,
    /// The follower of figures.
    pub figures: Figures,
    /// The follower of items.
    pub items: Items,
}

impl<S> Deps<S> {
    /// Followers that know nothing yet, and no alarms.
    pub fn new(log: Log, store: S, clock: Clock, jitter: Jitter, settings: Settings) -> Self {
        let (figures, items, alarms) = (Figures::default(), Items::new(settings.items), Alarms::Off);
        Self { log, store, clock, jitter, settings, alarms, figures, items }
    }

    /// The same, raising the alarms of budgets.
    #[must_use]
    pub fn with_alarms(self, alarms: Alarms) -> Self {
        Self { alarms, ..self }
    }
}

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Milliseconds before its arrival that an event may lie: the consumer's own setting.
    pub lateness_ms: i64,
    /// Milliseconds that the stream keeps records.
    pub retention_ms: i64,
    /// Requests that are made at the same time, 1 to [`MAX_PARALLEL_REQUESTS`].
    pub parallel_requests: usize,
    /// Where merging runs.
    pub compute: Compute,
    /// The reporting zone, where it is configured: it must be the deployment's own.
    pub zone: Option<Tz>,
    /// Which items are written.
    pub items: ItemOptions,
    /// Events that are proven together, and that the hourly proofs of today and yesterday may have.
    pub proof_budget: u64,
    /// Bytes of memory that a proof may use.
    pub proof_memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lateness_ms: DEFAULT_LATENESS_MS,
            retention_ms: DEFAULT_RETENTION_MS,
            parallel_requests: DEFAULT_PARALLEL_REQUESTS,
            compute: Compute::Pool,
            zone: None,
            items: ItemOptions::default(),
            proof_budget: DEFAULT_PROOF_BUDGET,
            proof_memory: DEFAULT_PROOF_MEMORY,
        }
    }
}

impl Settings {
    /// How many requests may be made at the same time.
    pub(crate) fn at_once(&self) -> usize {
        self.parallel_requests.clamp(1, MAX_PARALLEL_REQUESTS)
    }
}
