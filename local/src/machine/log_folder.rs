//! Where the log of this machine lies: in the data directory, or in a temporary folder that goes with the pipeline.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::data_dir::failed;
use crate::error::LocalError;

/// The log's folder in the data directory.
pub const LOG_FOLDER: &str = "log";

/// The folder of the log. Other processes read it: commands, and the functions' programs.
#[derive(Debug)]
pub(super) struct LogFolder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl LogFolder {
    /// In this data directory, else a temporary one.
    pub(super) fn choose(data_dir: Option<&Path>) -> Result<Self, LocalError> {
        let Some(data_dir) = data_dir else {
            let made = tempfile::Builder::new().prefix("headcount-log-").tempdir();
            let folder = made.map_err(|source| failed(&std::env::temp_dir(), "written", source))?;
            return Ok(Self { path: folder.path().to_owned(), temporary: Some(folder) });
        };
        let path = data_dir.join(LOG_FOLDER);
        // The functions' programs are told of it, and commands that run in other folders.
        let path = std::path::absolute(&path).map_err(|source| failed(&path, "named", source))?;
        Ok(Self { path, temporary: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder if it is a temporary one.
    pub(super) fn remove(self) {
        if let Some(Err(error)) = self.temporary.map(TempDir::close) {
            let folder = self.path.display();
            tracing::warn!(%folder, %error, "the temporary folder of the log cannot be removed; delete it");
        }
    }
}
