//! The deployment's record: created at first use, checked at every start.

use headcount_core::deployment::{Deployment, DeploymentError};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::retry::{Jitter, retry};
use crate::traits::DeploymentStore;

/// Why a deployment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The table could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table must not be used by this build or this configuration.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
}

/// The table's deployment; `first` becomes it where the table has none yet. Whoever comes second at the same moment
/// takes what the first one wrote.
///
/// # Errors
/// [`OpenError`]: the table does not answer until `deadline`, or this build must not use it.
pub async fn open<S: DeploymentStore>(
    store: &S,
    first: &Deployment,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<Deployment, OpenError> {
    if let Some(found) = read(store, jitter, deadline).await? {
        return Ok(found);
    }
    retry(jitter, deadline, || store.create_deployment(first)).await?;
    read(store, jitter, deadline).await?.ok_or_else(|| {
        StoreError::Unusable { detail: "the record META / DEPLOYMENT was written but cannot be read back".into() }
            .into()
    })
}

/// The table's deployment, checked; `None` where the table was never used.
///
/// # Errors
/// As [`open`].
pub async fn read<S: DeploymentStore>(
    store: &S,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<Option<Deployment>, OpenError> {
    let found = retry(jitter, deadline, || store.read_deployment()).await?;
    if let Some(deployment) = &found {
        deployment.check()?;
    }
    Ok(found)
}
