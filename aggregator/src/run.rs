//! One run: what it works with, when it began, when it must end.

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::deployment::{Deployment, DeploymentError, TableId};
use headcount_follow::{Setup, Table};
use headcount_store::meta;
use headcount_store::rows::Cursor;
use headcount_store::traits::AggregatorStore;
use tokio::time::Instant;

use crate::deps::Deps;
use crate::error::AggregateError;

/// One run over one log and its table.
pub(crate) struct Run<'a, S> {
    pub(crate) deps: &'a Deps<S>,
    pub(crate) table: Table,
    pub(crate) now_ms: i64,
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
}

impl<'a, S: AggregatorStore> Run<'a, S> {
    /// Reads the log's deployment and binds the table to it: without it nobody knows what a day is.
    pub(crate) async fn begin(deps: &'a Deps<S>, deadline: Instant) -> Result<Self, AggregateError> {
        let began = Instant::now();
        let deployment = deployment(deps, deadline).await?;
        let Deps { store, jitter, .. } = deps;
        let id = meta::bind(store, &deployment, TableId(jitter.draw()), jitter, deadline).await?;
        Ok(Self { deps, table: Table { deployment, id }, now_ms: deps.clock.now_ms(), began, deadline })
    }

    /// As [`Self::begin`], but the table gets a new number: what is in it counts as absent.
    pub(crate) async fn begin_anew(deps: &'a Deps<S>, deadline: Instant) -> Result<Self, AggregateError> {
        let began = Instant::now();
        let deployment = deployment(deps, deadline).await?;
        let Deps { store, jitter, .. } = deps;
        let id = TableId(jitter.draw());
        meta::renew(store, &deployment, id, jitter, deadline).await?;
        Ok(Self { deps, table: Table { deployment, id }, now_ms: deps.clock.now_ms(), began, deadline })
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.table.deployment
    }

    pub(crate) fn zone(&self) -> Tz {
        self.deployment().zone
    }

    /// What followers work with.
    pub(crate) fn setup(&self) -> Setup<'_, S> {
        let Deps { log, store, clock, jitter, .. } = self.deps;
        Setup { log, store, table: &self.table, clock, jitter }
    }

    /// Fails where the time is used up.
    pub(crate) fn check_time(&self, what: impl FnOnce() -> String) -> Result<(), AggregateError> {
        if Instant::now() >= self.deadline { Err(AggregateError::Deadline { what: what() }) } else { Ok(()) }
    }

    /// The cursor of the next page; an error where it is the one that the last page was read with, or where there is
    /// no time to read it. `what` is listed.
    pub(crate) fn next_page(
        &self,
        after: Option<&Cursor>,
        next: Option<Cursor>,
        what: impl Fn() -> String,
    ) -> Result<Option<Cursor>, AggregateError> {
        if next.is_some() {
            self.check_time(|| format!("the {} were read", what()))?;
            if next.as_ref() == after {
                return Err(AggregateError::Stuck { what: what() });
            }
        }
        Ok(next)
    }
}

/// The log's deployment, checked against the settings.
async fn deployment<S: AggregatorStore>(deps: &Deps<S>, deadline: Instant) -> Result<Deployment, AggregateError> {
    let Deps { log, store, jitter, settings, .. } = deps;
    let Some(deployment) = log.deployment(deadline).await? else {
        return Err(match meta::read(store, jitter, deadline).await? {
            Some(meta) => DeploymentError::NoLog { table: meta.deployment.id }.into(),
            None => AggregateError::NoDeployment,
        });
    };
    if let Some(zone) = settings.zone {
        deployment.check_zone(zone)?;
    }
    Ok(deployment)
}

/// What is listed of a date.
pub(crate) fn of_date(what: &str, date: NaiveDate) -> impl Fn() -> String {
    move || format!("{what} of {date}")
}
