//! What the aggregator works with: handed in, so that a test or a simulation decides all of it.

use chrono_tz::Tz;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;

/// Milliseconds that a stream keeps its records, unless configured otherwise: 24 hours.
pub const DEFAULT_RETENTION_MS: i64 = DAY_MS;

/// Listings of one day that are read at the same time, unless configured otherwise.
pub const DEFAULT_PARALLEL_REQUESTS: usize = 8;

/// Most listings that may be read at the same time.
pub const MAX_PARALLEL_REQUESTS: usize = 64;

/// Store, clock, pauses and settings.
#[derive(Clone, Debug)]
pub struct Deps<S> {
    /// The table.
    pub store: S,
    /// The wall clock: it decides which days are open.
    pub clock: Clock,
    /// Draws the pauses between attempts.
    pub jitter: Jitter,
    /// What is configured.
    pub settings: Settings,
}

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Milliseconds before its arrival that an event may lie: the consumer's own setting.
    pub lateness_ms: i64,
    /// Milliseconds that the stream keeps records.
    pub retention_ms: i64,
    /// Whether a day is verified against its events when it closes, which reads each of them once more.
    pub verify_at_close: bool,
    /// Listings of one day that are read at the same time, 1 to [`MAX_PARALLEL_REQUESTS`].
    pub parallel_requests: usize,
    /// Where merging and sorting run.
    pub compute: Compute,
    /// The reporting zone, where it is configured: it must be the deployment's own.
    pub zone: Option<Tz>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lateness_ms: DEFAULT_LATENESS_MS,
            retention_ms: DEFAULT_RETENTION_MS,
            verify_at_close: true,
            parallel_requests: DEFAULT_PARALLEL_REQUESTS,
            compute: Compute::Pool,
            zone: None,
        }
    }
}

/// Where merging and sorting run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// On threads of their own, so that requests go on meanwhile.
    #[default]
    Pool,
    /// In the task itself: a simulation whose order of steps must not depend on threads.
    InPlace,
}
