//! What the handler needs, made once for many invocations.

use std::sync::{Arc, Mutex, PoisonError};

use chrono_tz::Tz;
use headcount_core::deployment::Deployment;
use headcount_core::validate::Rules;
use headcount_store::clock::Clock;
use headcount_store::deployment::{OpenError, open};
use headcount_store::retry::Jitter;
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
