//! Where the log lies: `s3://bucket[/prefix]` or a folder.

use std::path::Path;

use headcount_runtime::retry::Jitter;

use crate::error::LogError;
use crate::storage::Log;

impl Log {
    /// The log at `s3://bucket[/prefix]`, after the standard AWS environment, or in a folder.
    ///
    /// # Errors
    ///
    /// [`LogError::Unusable`].
    pub async fn open(place: &str, jitter: Jitter) -> Result<Self, LogError> {
        let _ = (place, jitter);
        unimplemented!()
    }

    /// The log in a folder, which is made with mode 0700 if it is not there; every entry is synced to the disk before it
    /// is acknowledged.
    ///
    /// # Errors
    ///
    /// [`LogError::Unusable`].
    pub fn in_folder(folder: &Path, jitter: Jitter) -> Result<Self, LogError> {
        let _ = (folder, jitter);
        unimplemented!()
    }
}
