//! The table's own record: put when the table is first used, checked at every start.

use headcount_core::deployment::{Deployment, DeploymentError, TableId, TableMeta};
use headcount_runtime::retry::{Jitter, retry};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::traits::MetaStore;

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The table could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table must not be used by this build or this configuration.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
}

/// Binds the table to `deployment`: its record is read, and put with the number `new` where there is none. Whoever comes
/// second at the same moment takes what the first one wrote.
///
/// # Errors
/// [`OpenError`]: the table does not answer until `deadline`, or belongs to another deployment.
pub async fn bind<S: MetaStore>(
    store: &S,
    deployment: &Deployment,
    new: TableId,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<TableId, OpenError> {
    if let Some(found) = read(store, jitter, deadline).await? {
        deployment.check_table(&found.deployment.id)?;
        return Ok(found.table);
    }
    let first = TableMeta { deployment: deployment.clone(), table: new };
    retry(jitter, deadline, || store.create_meta(&first)).await?;
    let found = read(store, jitter, deadline).await?.ok_or_else(|| StoreError::Unusable {
        detail: "the record META / DEPLOYMENT was written but cannot be read back".into(),
    })?;
    deployment.check_table(&found.deployment.id)?;
    Ok(found.table)
}

/// Gives the table the number `new`, so that whatever is in it under another one counts as absent. Where the table has no
/// record, it gets one.
///
/// # Errors
/// As [`bind`]; also where somebody else renewed it meanwhile.
pub async fn renew<S: MetaStore>(
    store: &S,
    deployment: &Deployment,
    new: TableId,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<(), OpenError> {
    let meta = TableMeta { deployment: deployment.clone(), table: new };
    match read(store, jitter, deadline).await? {
        Some(found) => {
            deployment.check_table(&found.deployment.id)?;
            retry(jitter, deadline, || store.replace_meta(&meta, found.table)).await?;
        }
        None => drop(retry(jitter, deadline, || store.create_meta(&meta)).await?),
    }
    // Refused: an earlier try of ours whose answer was lost, or somebody else.
    match read(store, jitter, deadline).await? {
        Some(found) if found.table == new => Ok(()),
        _ => Err(StoreError::Unusable {
            detail: "another process gave the table a number at the same moment: let only one of them restore it"
                .into(),
        }
        .into()),
    }
}

/// The table's record, checked; `None` where the table was never used.
///
/// # Errors
/// As [`bind`].
pub async fn read<S: MetaStore>(store: &S, jitter: &Jitter, deadline: Instant) -> Result<Option<TableMeta>, OpenError> {
    let found = retry(jitter, deadline, || store.read_meta()).await?;
    if let Some(meta) = &found {
        meta.deployment.check()?;
    }
    Ok(found)
}
