//! What the handler needs, made once for many invocations.

use std::sync::{Arc, Mutex, PoisonError};

use chrono_tz::Tz;
use headcount_core::deployment::Deployment;
use headcount_core::limits::DAY_MS;
use headcount_core::validate::Rules;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::deployment::{OpenError, open};
use headcount_store::traits::DeploymentStore;
use tokio::time::{Duration, Instant};

use crate::caches::{PartialCache, UserCache};

/// How old what is known of the deployment may be. Its write shards change from a date at least two days ahead.
pub const DEPLOYMENT_MAX_AGE: Duration = Duration::from_mins(5);

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
    /// Where the batches come from.
    pub feed: Feed,
}

/// Where batches come from, and so what a record at or before a fence means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// An event source mapping: a source's records in order, so what lies at or before a fence was counted.
    #[default]
    Mapping,
    /// A failure destination: records that their source may have passed without counting them. Whatever of them lies at or
    /// before a fence marks its partial dirty, also where an earlier try had stored the events already.
    Redrive,
    /// A file of history: a source of its own, in order. Items live as long as if their days ended now.
    Import,
}

impl Feed {
    /// `TTL` of an item that lives so many days after its day ended, seconds since the epoch. History would be born dead,
    /// so its items live from now on.
    pub(crate) fn expiry_s(self, end_of_day_ms: i64, now_ms: i64, days: i64) -> i64 {
        let from_ms = match self {
            Self::Mapping | Self::Redrive => end_of_day_ms,
            Self::Import => end_of_day_ms.max(now_ms),
        };
        from_ms.saturating_add(days * DAY_MS).div_euclid(1_000)
    }
}

/// What the handler needs.
#[derive(Debug)]
pub struct Deps<S> {
    /// The table.
    pub store: S,
    /// The wall clock.
    pub clock: Clock,
    /// Pauses.
    pub jitter: Jitter,
    /// The configuration.
    pub settings: Settings,
    /// First days of users that are confirmed.
    pub users: UserCache,
    /// Partials as they are in the table.
    pub partials: PartialCache,
    deployment: Mutex<Option<(Arc<Deployment>, Instant)>>,
}

impl<S> Deps<S> {
    /// A cold start: nothing is remembered.
    pub fn new(store: S, clock: Clock, jitter: Jitter, settings: Settings) -> Self {
        Self {
            store,
            clock,
            jitter,
            settings,
            users: UserCache::default(),
            partials: PartialCache::default(),
            deployment: Mutex::new(None),
        }
    }
}

impl<S: DeploymentStore> Deps<S> {
    /// The table's deployment, created where the table is new, read again now and then.
    ///
    /// # Errors
    ///
    /// [`OpenError`], where the table cannot be asked and was never, or must not be used by this build or
    /// configuration.
    pub async fn deployment(&self, deadline: Instant) -> Result<Arc<Deployment>, OpenError> {
        let known = self.deployment.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((deployment, read_at)) = &known
            && read_at.elapsed() < DEPLOYMENT_MAX_AGE
        {
            return Ok(deployment.clone());
        }
        let first = Deployment::new(self.settings.zone.unwrap_or(Tz::UTC), &self.settings.project);
        let deployment = match (open(&self.store, &first, &self.jitter, deadline).await, known) {
            (Ok(deployment), _) => Arc::new(deployment),
            // Old knowledge is good for days; a table that is away is met where events are written.
            (Err(OpenError::Store(error)), Some((deployment, _))) => {
                tracing::warn!(%error, "the deployment's record cannot be read again");
                return Ok(deployment);
            }
            (Err(error), _) => return Err(error),
        };
        if let Some(zone) = self.settings.zone {
            deployment.check_zone(zone)?;
        }
        *self.deployment.lock().unwrap_or_else(PoisonError::into_inner) = Some((deployment.clone(), Instant::now()));
        Ok(deployment)
    }
}
