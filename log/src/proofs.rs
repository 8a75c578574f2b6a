//! Proofs beside the log: `proof/<date>/<k>.json`, created once; the highest `k` counts. They outlive the entries.

use bytes::Bytes;
use chrono::NaiveDate;
use headcount_core::exact::Proof;
use headcount_core::seal;
use object_store::path::Path;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::{Append, Log};

/// The folder, outside the log's lifecycle rule.
const FOLDER: &str = "proof";

const EXTENSION: &str = ".json";

impl Log {
    /// The newest proof of a date; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`LogError::Unusable`] where the object holds no proof; else [`LogError`].
    pub async fn proof(&self, date: NaiveDate, deadline: Instant) -> Result<Option<Proof>, LogError> {
        let Some(newest) = self.proofs(date, deadline).await?.into_iter().max() else { return Ok(None) };
        let path = path(date, newest);
        // Deleted since: a later one is there.
        let Some(json) = self.get(&path, deadline).await? else {
            return Err(LogError::Unavailable { detail: format!("{path} is listed and cannot be read") });
        };
        let bad = |detail: String| LogError::Unusable {
            detail: format!("{path} holds no proof ({detail}): delete the object and prove {date} again"),
        };
        let proof: Proof = seal::open(&json).map_err(|error| bad(error.to_string()))?;
        if (proof.proven.date, proof.proven.number) != (date, newest) {
            return Err(bad(format!("it says proof {} of {}", proof.proven.number, proof.proven.date)));
        }
        Ok(Some(proof))
    }

    /// Puts a proof under its date and number, if there is none, and then deletes those of smaller numbers.
    ///
    /// # Errors
    ///
    /// [`LogError`]; with [`LogError::Unavailable`] it may be there.
    pub async fn put_proof(&self, proof: &Proof, deadline: Instant) -> Result<Append, LogError> {
        let (date, number) = (proof.proven.date, proof.proven.number);
        let json = Bytes::from(seal::seal(proof));
        let put = self.create(&path(date, number), json, deadline).await?;
        if put == Append::Created {
            for earlier in self.proofs(date, deadline).await?.into_iter().filter(|earlier| *earlier < number) {
                self.delete(&path(date, earlier), deadline).await?;
            }
        }
        Ok(put)
    }

    /// The dates that have a proof, in order.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn proven_dates(&self, deadline: Instant) -> Result<Vec<NaiveDate>, LogError> {
        let folders = self.folders(&Path::from(FOLDER), deadline).await?;
        let mut dates: Vec<_> = folders.iter().filter_map(|folder| folder.filename()?.parse().ok()).collect();
        dates.sort_unstable();
        Ok(dates)
    }

    /// The numbers of a date's proofs.
    async fn proofs(&self, date: NaiveDate, deadline: Instant) -> Result<Vec<u64>, LogError> {
        let found = self.objects(&Path::from(format!("{FOLDER}/{date}")), deadline).await?;
        let number = |path: &Path| path.filename()?.strip_suffix(EXTENSION)?.parse().ok();
        Ok(found.iter().filter_map(number).collect())
    }
}

fn path(date: NaiveDate, number: u64) -> Path {
    Path::from(format!("{FOLDER}/{date}/{number}{EXTENSION}"))
}
