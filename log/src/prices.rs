//! Price tables beside the log, for requests to language models: `prices/<name>`, put by whoever runs the deployment.

use bytes::Bytes;
use object_store::path::Path;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::Log;

/// The folder, outside the log's lifecycle rule.
const FOLDER: &str = "prices";

impl Log {
    /// The price table of this name; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn price_table(&self, name: &str, deadline: Instant) -> Result<Option<Bytes>, LogError> {
        self.get(&path(name), deadline).await
    }

    /// Puts a price table, whatever is there.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn put_price_table(&self, name: &str, json: Bytes, deadline: Instant) -> Result<(), LogError> {
        self.put(&path(name), json, deadline).await
    }
}

fn path(name: &str) -> Path {
    Path::from(FOLDER).join(name)
}
