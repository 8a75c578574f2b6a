//! The deployment's identity: `deployment/<k>.json`, created once; the highest `k` counts.

use headcount_core::deployment::Deployment;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::Log;

impl Log {
    /// The deployment of this log; `None` where the storage was never used.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn deployment(&self, deadline: Instant) -> Result<Option<Deployment>, LogError> {
        let _ = deadline;
        unimplemented!()
    }

    /// The deployment of this log; `first` becomes it where there is none. Whoever comes second at the same moment takes
    /// what the first one wrote. A storage that ignores conditional puts is refused here: a second put of the object just
    /// created must be refused.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn open_deployment(&self, first: &Deployment, deadline: Instant) -> Result<Deployment, LogError> {
        let _ = (first, deadline);
        unimplemented!()
    }
}
