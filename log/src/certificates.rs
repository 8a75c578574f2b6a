//! Certificates beside the log: `certificate/<date>/<number>.json`, created once, under the number of the proof that they certify.

use bytes::Bytes;
use chrono::NaiveDate;
use object_store::path::Path;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::{Append, Log};

/// The folder, outside the log's lifecycle rule.
const FOLDER: &str = "certificate";

impl Log {
    /// The certificate of a date's proof of this number; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn certificate(
        &self,
        date: NaiveDate,
        number: u64,
        deadline: Instant,
    ) -> Result<Option<Bytes>, LogError> {
        self.get(&path(date, number), deadline).await
    }

    /// Puts a certificate under the date and number of its proof, if there is none.
    ///
    /// # Errors
    ///
    /// [`LogError`]; with [`LogError::Unavailable`] it may be there.
    pub async fn put_certificate(
        &self,
        date: NaiveDate,
        number: u64,
        json: Bytes,
        deadline: Instant,
    ) -> Result<Append, LogError> {
        self.create(&path(date, number), json, deadline).await
    }
}

fn path(date: NaiveDate, number: u64) -> Path {
    Path::from(format!("{FOLDER}/{date}/{number}.json"))
}
