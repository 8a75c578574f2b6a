//! Entries in object storage: append, list, read.

use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use headcount_core::origin::Source;
use headcount_runtime::retry::Jitter;
use object_store::ObjectStore;
use tokio::time::Instant;

use crate::entry::{Entry, Header};
use crate::error::LogError;
use crate::head::Head;

/// The log of all sources.
#[derive(Clone, Debug)]
pub struct Log {
    store: Arc<dyn ObjectStore>,
    jitter: Jitter,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// This put created the entry.
    Created,
    /// The entry exists, created by this put, by an earlier try of it, or by somebody else: read it to learn what it covers.
    Exists,
}

/// An entry as a listing shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Its number.
    pub entry: u64,
    /// Its bytes.
    pub bytes: u64,
    /// When the storage took it, milliseconds since the epoch.
    pub modified_ms: i64,
}

impl Log {
    /// The log in this storage.
    pub fn new(store: Arc<dyn ObjectStore>, jitter: Jitter) -> Self {
        Self { store, jitter }
    }

    /// Puts `bytes` as entry `entry` of `source` if there is none. An unknown outcome and a conflicting request (409) are
    /// tried again with the same bytes until the outcome is known or `deadline` is near. `object_store` reports a 409 as
    /// `AlreadyExists`, so an entry that exists is looked at before that is believed: one that is not there is put again.
    ///
    /// # Errors
    ///
    /// [`LogError`]; with [`LogError::Unavailable`] the entry may have been created, or may still be.
    pub async fn append(
        &self,
        source: &Source,
        entry: u64,
        bytes: Bytes,
        deadline: Instant,
    ) -> Result<Append, LogError> {
        let _ = (&self.store, &self.jitter, source, entry, bytes, deadline);
        unimplemented!()
    }

    /// The entries of `source` after number `after`, in their order, at most `most` of them. Numbers may be missing where
    /// entries expired or were lost.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn list_after(
        &self,
        source: &Source,
        after: u64,
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<EntryRef>, LogError> {
        let _ = (source, after, most, deadline);
        unimplemented!()
    }

    /// A whole entry.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] where it is missing, truncated or altered; else [`LogError`].
    pub async fn read(&self, source: &Source, entry: u64, deadline: Instant) -> Result<Entry, LogError> {
        let _ = (source, entry, deadline);
        unimplemented!()
    }

    /// The header of an entry alone.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_header(&self, source: &Source, entry: u64, deadline: Instant) -> Result<Header, LogError> {
        let _ = (source, entry, deadline);
        unimplemented!()
    }

    /// The decompressed event lines of one date of an entry; empty where it has none.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_day(
        &self,
        source: &Source,
        header: &Header,
        date: NaiveDate,
        deadline: Instant,
    ) -> Result<String, LogError> {
        let _ = (source, header, date, deadline);
        unimplemented!()
    }

    /// All sources that have entries.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn sources(&self, deadline: Instant) -> Result<Vec<Source>, LogError> {
        let _ = deadline;
        unimplemented!()
    }

    /// `head/<source>`, if there is one.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn head(&self, source: &Source, deadline: Instant) -> Result<Option<Head>, LogError> {
        let _ = (source, deadline);
        unimplemented!()
    }

    /// Writes `head/<source>`, whatever is there.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn put_head(&self, source: &Source, head: &Head, deadline: Instant) -> Result<(), LogError> {
        let _ = (source, head, deadline);
        unimplemented!()
    }

    /// Deletes the entries that the storage took before `before_ms`, for storages without a lifecycle rule. How many.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn expire(&self, before_ms: i64, deadline: Instant) -> Result<u64, LogError> {
        let _ = (before_ms, deadline);
        unimplemented!()
    }
}
