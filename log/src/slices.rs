//! Slices: what a proof that takes several passes over the log has counted so far, so that a later run goes on from there. They are
//! `proof/slices/<date>/<number>.<passes>.<done>`, created once, and deleted when the proof of that number is stored.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::NaiveDate;
use object_store::path::Path;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::{Append, Log};

/// The folder, outside the log's lifecycle rule.
const FOLDER: &str = "proof/slices";

/// What a slice is part of. The largest one of a date is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceName {
    /// The number that the proof will have.
    pub number: u64,
    /// Passes that the proof takes.
    pub passes: u64,
    /// Passes that are counted.
    pub done: u64,
}

impl SliceName {
    fn parse(name: &str) -> Option<Self> {
        let mut numbers = name.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let parsed = Self { number: next()?, passes: next()?, done: next()? };
        numbers.next().is_none().then_some(parsed)
    }
}

impl Log {
    /// The dates that have slices.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn sliced_dates(&self, deadline: Instant) -> Result<BTreeSet<NaiveDate>, LogError> {
        // Not by folders: on a disk an empty one stays.
        let found = self.objects_below(&Path::from(FOLDER), deadline).await?;
        let date = |path: &Path| path.parts().nth(FOLDER.split('/').count())?.as_ref().parse().ok();
        Ok(found.iter().filter_map(date).collect())
    }

    /// The newest slice of a date; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn newest_slice(&self, date: NaiveDate, deadline: Instant) -> Result<Option<SliceName>, LogError> {
        Ok(self.slices(date, deadline).await?.into_iter().map(|(name, _)| name).max())
    }

    /// A slice; `None` where it was deleted.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn slice(&self, date: NaiveDate, name: SliceName, deadline: Instant) -> Result<Option<Bytes>, LogError> {
        self.get(&path(date, name), deadline).await
    }

    /// Puts a slice if there is none of that name, and then deletes the earlier ones of the date.
    ///
    /// # Errors
    ///
    /// [`LogError`]; with [`LogError::Unavailable`] it may be there.
    pub async fn put_slice(
        &self,
        date: NaiveDate,
        name: SliceName,
        bytes: Bytes,
        deadline: Instant,
    ) -> Result<Append, LogError> {
        let put = self.create(&path(date, name), bytes, deadline).await?;
        if put == Append::Created {
            for (known, path) in self.slices(date, deadline).await? {
                if known < name {
                    self.delete(&path, deadline).await?;
                }
            }
        }
        Ok(put)
    }

    /// Deletes a date's slices of proofs up to this number.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn delete_slices(&self, date: NaiveDate, number: u64, deadline: Instant) -> Result<(), LogError> {
        for (known, path) in self.slices(date, deadline).await? {
            if known.number <= number {
                self.delete(&path, deadline).await?;
            }
        }
        Ok(())
    }

    async fn slices(&self, date: NaiveDate, deadline: Instant) -> Result<Vec<(SliceName, Path)>, LogError> {
        let found = self.objects(&Path::from(format!("{FOLDER}/{date}")), deadline).await?;
        Ok(found.into_iter().filter_map(|path| Some((SliceName::parse(path.filename()?)?, path))).collect())
    }
}

fn path(date: NaiveDate, SliceName { number, passes, done }: SliceName) -> Path {
    Path::from(format!("{FOLDER}/{date}/{number}.{passes}.{done}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use headcount_runtime::retry::Jitter;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_newest_slice_counts_and_a_stored_proof_deletes_its_own() {
        let log = Log::new(Arc::new(InMemory::new()), Jitter::from_seed(1));
        let (date, deadline) = (NaiveDate::default(), Instant::now() + Duration::from_secs(5));
        let name = |number, passes, done| SliceName { number, passes, done };
        let put = async |name: SliceName, text: &'static str| log.put_slice(date, name, text.into(), deadline).await;
        assert_eq!(log.newest_slice(date, deadline).await, Ok(None));
        assert_eq!(put(name(3, 12, 0), "begun").await, Ok(Append::Created));
        assert_eq!(put(name(3, 12, 10), "ten").await, Ok(Append::Created));
        assert_eq!(put(name(3, 12, 9), "late").await, Ok(Append::Created));
        assert_eq!(put(name(3, 12, 10), "other").await, Ok(Append::Exists));
        assert_eq!(log.newest_slice(date, deadline).await, Ok(Some(name(3, 12, 10))));
        assert_eq!(log.slice(date, name(3, 12, 10), deadline).await, Ok(Some("ten".into())));
        assert_eq!(log.slice(date, name(3, 12, 0), deadline).await, Ok(None), "earlier ones are deleted");
        assert_eq!(log.sliced_dates(deadline).await, Ok(BTreeSet::from([date])));
        assert_eq!(log.proven_dates(deadline).await, Ok(Vec::new()), "they are no proofs");
        assert_eq!(put(name(4, 2, 1), "next").await, Ok(Append::Created));
        log.delete_slices(date, 3, deadline).await.unwrap();
        assert_eq!(log.newest_slice(date, deadline).await, Ok(Some(name(4, 2, 1))));
        log.delete_slices(date, 4, deadline).await.unwrap();
        assert_eq!(log.sliced_dates(deadline).await, Ok(BTreeSet::new()));
    }

    #[test]
    fn other_names_are_no_slices() {
        for name in ["", "1", "1.2", "1.2.3.4", "a.2.3", "1.2.3x"] {
            assert_eq!(SliceName::parse(name), None, "{name}");
        }
    }
}
