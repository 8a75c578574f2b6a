//! Where the log lies: `s3://bucket[/prefix]` or a folder.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;
use std::sync::Arc;

use headcount_runtime::retry::Jitter;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;

use crate::error::LogError;
use crate::s3;
use crate::storage::Log;

/// How a place in S3 begins.
const S3: &str = "s3://";

impl Log {
    /// The log at `s3://bucket[/prefix]`, after the standard AWS environment, or in a folder.
    ///
    /// # Errors
    ///
    /// [`LogError::Unusable`].
    pub async fn open(place: &str, jitter: Jitter) -> Result<Self, LogError> {
        let Some(rest) = place.strip_prefix(S3) else {
            if place.is_empty() || place.contains("://") {
                return Err(unusable(place, "a log is at s3://bucket, s3://bucket/prefix or in a folder"));
            }
            return Self::in_folder(Path::new(place), jitter);
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(unusable(place, "name a bucket after s3://"));
        }
        let bucket = s3::open(bucket).await.map_err(|error| unusable(place, error))?;
        let prefix = object_store::path::Path::from(prefix);
        Ok(Self::in_order(Arc::new(PrefixStore::new(bucket, prefix)), jitter))
    }

    /// The log in a folder, which is made with mode 0700 if it is not there; every entry is synced to the disk before it
    /// is acknowledged. The files within have the modes of the process's umask: nobody else gets through to them.
    ///
    /// # Errors
    ///
    /// [`LogError::Unusable`].
    pub fn in_folder(folder: &Path, jitter: Jitter) -> Result<Self, LogError> {
        let failed = |error: &dyn std::fmt::Display| unusable(&folder.display().to_string(), error);
        make(folder).map_err(|error| failed(&error))?;
        let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(&error))?;
        Ok(Self::new(Arc::new(files.with_fsync(true)), jitter))
    }
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn unusable(place: &str, why: impl std::fmt::Display) -> LogError {
    LogError::Unusable { detail: format!("the log cannot be opened at {place:?}: {why}") }
}
