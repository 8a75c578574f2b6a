//! Entries in object storage: append, list, read.
//!
//! What S3 promises and this rests on:
//! - A put with `If-None-Match: *` creates the object or answers 412, or 409 where another request for the key is in flight;
//!   then it must be sent again: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.
//! - Reads and listings after a successful put see it: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>.
//! - Listings are in the order of the keys' bytes: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
//! - A missing object answers 404 only with `s3:ListBucket`, else 403: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.

mod naming;
mod request;

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::NaiveDate;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::origin::Source;
use headcount_core::seal;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode};
use tokio::time::Instant;

use crate::entry::{DayBytes, Entry, EntryDays, HEADER_READ_BYTES, Header, header};
use crate::error::{EntryError, LogError};
use crate::head::Head;
use request::Action;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// Objects deleted at the same time.
const CONCURRENT_DELETES: usize = 16;

/// How much longer the next read of a header is than one that ended within it.
const HEADER_GROWTH: u64 = 16;

/// Bytes of an entry up to which it is read whole, whatever is wanted of it.
const WHOLE_BYTES: u64 = 1 << 20;

/// The log of all sources.
#[derive(Clone, Debug)]
pub struct Log {
    store: Arc<dyn ObjectStore>,
    jitter: Jitter,
    /// The deployment that the log is known to belong to: entries of others are refused.
    deployment: Arc<OnceLock<String>>,
    /// Whether a listing may end early, because it comes in the order of its keys.
    lists_in_order: bool,
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
        Self { store, jitter, deployment: Arc::default(), lists_in_order: false }
    }

    /// As [`Self::new`], for a storage that lists in the order of the keys, so that a listing may end early.
    pub(crate) fn in_order(store: Arc<dyn ObjectStore>, jitter: Jitter) -> Self {
        Self { lists_in_order: true, ..Self::new(store, jitter) }
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
        let path = naming::entry(source, entry);
        self.create(&path, bytes, deadline).await
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
        let folder = naming::source(naming::LOG, source);
        let offset = naming::entry(source, after);
        self.request(Action::List, &folder, deadline, || async {
            let mut found = self.store.list_with_offset(Some(&folder), &offset);
            let mut entries = Vec::new();
            while let Some(meta) = found.try_next().await? {
                let Some(entry) = naming::number(&folder, &meta.location).filter(|entry| *entry > after) else {
                    continue;
                };
                entries.push(EntryRef { entry, bytes: meta.size, modified_ms: modified_ms(&meta) });
                if self.lists_in_order && entries.len() >= most {
                    break;
                }
            }
            entries.sort_unstable_by_key(|found| found.entry);
            entries.truncate(most);
            Ok(entries)
        })
        .await
    }

    /// The number of the newest entry of `source`. It lists from entry `known` on, and returns that where nothing follows it.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn newest(&self, source: &Source, known: u64, deadline: Instant) -> Result<u64, LogError> {
        let mut newest = known;
        loop {
            let page = self.list_after(source, newest, LISTED_AT_ONCE, deadline).await?;
            newest = page.last().map_or(newest, |last| last.entry);
            if page.len() < LISTED_AT_ONCE {
                return Ok(newest);
            }
        }
    }

    /// A whole entry.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] where it is missing, truncated or altered; else [`LogError`].
    pub async fn read(&self, source: &Source, entry: u64, deadline: Instant) -> Result<Entry, LogError> {
        let found = self.get(&naming::entry(source, entry), deadline).await?;
        let decoded = found.ok_or(EntryError::Missing).and_then(|bytes| {
            let decoded = Entry::decode(bytes, source, entry)?;
            self.check_deployment(&decoded.header)?;
            Ok(decoded)
        });
        decoded.map_err(|detail| damaged(source, entry, detail))
    }

    /// The header of an entry alone.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_header(&self, source: &Source, entry: u64, deadline: Instant) -> Result<Header, LogError> {
        let path = naming::entry(source, entry);
        let mut length = HEADER_READ_BYTES;
        loop {
            let Some(Range { bytes, size }) = self.range(&path, 0..length, deadline).await? else {
                return Err(damaged(source, entry, EntryError::Missing));
            };
            match header::read(&bytes, source, entry) {
                // The frame ends behind the bytes that were read.
                Err(EntryError::Header(_)) if (bytes.len() as u64) < size => {
                    length = length.saturating_mul(HEADER_GROWTH);
                }
                read => {
                    let checked = read.and_then(|header| self.check_deployment(&header).map(|()| header));
                    return checked.map_err(|detail| damaged(source, entry, detail));
                }
            }
        }
    }

    /// What an entry has of some dates, still compressed: one request where the entry is small or all of it is wanted, else one for
    /// the header and one for each date. S3 charges for requests and not for bytes within a region
    /// (<https://aws.amazon.com/s3/pricing/>).
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_days(
        &self,
        source: &Source,
        listed: EntryRef,
        dates: &BTreeSet<NaiveDate>,
        deadline: Instant,
    ) -> Result<EntryDays, LogError> {
        if listed.bytes <= WHOLE_BYTES {
            let entry = self.read(source, listed.entry, deadline).await?;
            return Ok(entry.days(dates));
        }
        let header = self.read_header(source, listed.entry, deadline).await?;
        let path = naming::entry(source, listed.entry);
        let mut days = Vec::new();
        for (date, counts) in header.of_dates(dates) {
            let bytes = match &counts.frame {
                None => Bytes::new(),
                Some(frame) => {
                    let start = header.header_bytes + frame.offset;
                    let found = self.range(&path, start..start + frame.length, deadline).await?;
                    found.ok_or_else(|| damaged(source, listed.entry, EntryError::Missing))?.bytes
                }
            };
            days.push(DayBytes::new(date, counts, bytes));
        }
        Ok(EntryDays { header, days })
    }

    /// All sources that have entries.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn sources(&self, deadline: Instant) -> Result<Vec<Source>, LogError> {
        let mut sources = Vec::new();
        for stream in self.folders(&Path::from(naming::LOG), deadline).await? {
            let shards = self.folders(&stream, deadline).await?;
            sources.extend(shards.iter().filter_map(naming::source_of));
        }
        sources.sort_unstable();
        Ok(sources)
    }

    /// `head/<source>`, if there is one.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn head(&self, source: &Source, deadline: Instant) -> Result<Option<Head>, LogError> {
        let path = naming::source(naming::HEAD, source);
        let Some(bytes) = self.get(&path, deadline).await? else { return Ok(None) };
        seal::open(&bytes).map(Some).map_err(|error| LogError::Unusable {
            detail: format!(
                "{path} does not say how far the log of {source} goes ({error}): restore an earlier version of the object; \
                 if there is none and no entry has expired yet, delete it"
            ),
        })
    }

    /// Writes `head/<source>`, whatever is there.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn put_head(&self, source: &Source, head: &Head, deadline: Instant) -> Result<(), LogError> {
        let path = naming::source(naming::HEAD, source);
        self.put(&path, Bytes::from(seal::seal(head)), deadline).await
    }

    /// Puts an object, whatever is there.
    pub(crate) async fn put(&self, path: &Path, bytes: Bytes, deadline: Instant) -> Result<(), LogError> {
        self.request(Action::Put, path, deadline, || async {
            self.store.put(path, bytes.clone().into()).await.map(drop)
        })
        .await
    }

    /// Whether the storage has entries that it took before `before_ms`.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn has_expired(&self, before_ms: i64, deadline: Instant) -> Result<bool, LogError> {
        Ok(!self.expired(before_ms, deadline).await?.is_empty())
    }

    /// Deletes the entries that the storage took before `before_ms`, for storages without a lifecycle rule. How many.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn expire(&self, before_ms: i64, deadline: Instant) -> Result<u64, LogError> {
        let expired = self.expired(before_ms, deadline).await?;
        let deletes: Vec<_> = expired.iter().map(|path| self.delete(path, deadline)).collect();
        stream::iter(deletes).buffer_unordered(CONCURRENT_DELETES).try_fold(0, |sum, one| ready(Ok(sum + one))).await
    }

    async fn expired(&self, before_ms: i64, deadline: Instant) -> Result<Vec<Path>, LogError> {
        let folder = Path::from(naming::LOG);
        self.request(Action::List, &folder, deadline, || async {
            let old = self.store.list(Some(&folder)).try_filter(|meta| ready(modified_ms(meta) < before_ms));
            let old = old.map_ok(|meta| meta.location).try_filter(|path| ready(naming::is_entry(path)));
            old.try_collect().await
        })
        .await
    }

    /// Creates an object if there is none. See [`Self::append`].
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes, deadline: Instant) -> Result<Append, LogError> {
        self.request(Action::Put, path, deadline, || async {
            match self.store.put_opts(path, bytes.clone().into(), PutMode::Create.into()).await {
                Ok(_) => Ok(Append::Created),
                // 412 and 409 alike.
                Err(conflict @ object_store::Error::AlreadyExists { .. }) => match self.store.head(path).await {
                    Ok(_) => Ok(Append::Exists),
                    Err(object_store::Error::NotFound { .. }) => Err(conflict),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// A whole object; `None` where there is none.
    pub(crate) async fn get(&self, path: &Path, deadline: Instant) -> Result<Option<Bytes>, LogError> {
        self.request(Action::Get, path, deadline, || async {
            match self.store.get(path).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(error) if request::is_missing_object(&error) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The objects in a folder, not in those within it.
    pub(crate) async fn objects(&self, folder: &Path, deadline: Instant) -> Result<Vec<Path>, LogError> {
        self.request(Action::List, folder, deadline, || async {
            let found = self.store.list_with_delimiter(Some(folder)).await?;
            Ok(found.objects.into_iter().map(|meta| meta.location).collect())
        })
        .await
    }

    /// The objects in a folder and in those within it.
    pub(crate) async fn objects_below(&self, folder: &Path, deadline: Instant) -> Result<Vec<Path>, LogError> {
        self.request(Action::List, folder, deadline, || async {
            self.store.list(Some(folder)).map_ok(|meta| meta.location).try_collect().await
        })
        .await
    }

    /// The deployment that entries must be of from now on.
    pub(crate) fn belongs_to(&self, deployment: &str) {
        // The first one stays: one log is one deployment's.
        let _ = self.deployment.set(deployment.to_owned());
    }

    fn check_deployment(&self, header: &Header) -> Result<(), EntryError> {
        let found = &header.facts.deployment;
        match self.deployment.get().filter(|known| *known != found) {
            Some(known) => Err(header::other("deployment", found, known)),
            None => Ok(()),
        }
    }

    pub(crate) async fn folders(&self, folder: &Path, deadline: Instant) -> Result<Vec<Path>, LogError> {
        self.request(Action::List, folder, deadline, || async {
            Ok(self.store.list_with_delimiter(Some(folder)).await?.common_prefixes)
        })
        .await
    }

    pub(crate) async fn delete(&self, path: &Path, deadline: Instant) -> Result<u64, LogError> {
        self.request(Action::Delete, path, deadline, || async {
            match self.store.delete(path).await {
                Ok(()) => Ok(1),
                Err(object_store::Error::NotFound { .. }) => Ok(0),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The bytes of an object within `range`, fewer or none where it ends before; `None` where there is no object.
    async fn range(
        &self,
        path: &Path,
        range: std::ops::Range<u64>,
        deadline: Instant,
    ) -> Result<Option<Range>, LogError> {
        self.request(Action::Get, path, deadline, || async {
            let options = GetOptions::new().with_range(Some(range.clone()));
            match self.store.get_opts(path, options).await {
                Ok(found) => {
                    let size = found.meta.size;
                    found.bytes().await.map(|bytes| Some(Range { bytes, size }))
                }
                Err(error) if request::is_missing_object(&error) => Ok(None),
                // A range that begins at the end of an object or behind it is an error (416), and will always be.
                Err(error) => match self.store.head(path).await {
                    Ok(meta) if meta.size <= range.start => Ok(Some(Range { bytes: Bytes::new(), size: meta.size })),
                    _ => Err(error),
                },
            }
        })
        .await
    }
}

/// A part of an object.
struct Range {
    bytes: Bytes,
    /// Bytes of the whole object.
    size: u64,
}

fn modified_ms(meta: &ObjectMeta) -> i64 {
    meta.last_modified.timestamp_millis()
}

fn damaged(source: &Source, entry: u64, detail: EntryError) -> LogError {
    metrics::counter!(telemetry::DAMAGED_ENTRIES).increment(1);
    LogError::Damaged { source_name: source.clone(), entry, detail }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_listing_in_order_ends_early_with_the_same_entries() {
        let (store, source) = (Arc::new(InMemory::new()), Source::import(1));
        for entry in [5, 1, 4, 2] {
            store.put(&naming::entry(&source, entry), "x".into()).await.unwrap();
        }
        let jitter = Jitter::from_seed(1);
        for log in [Log::new(store.clone(), jitter.clone()), Log::in_order(store, jitter)] {
            for (after, most, expected) in [(0, 2, &[1, 2][..]), (1, 2, &[2, 4]), (0, 9, &[1, 2, 4, 5]), (5, 1, &[])] {
                let deadline = Instant::now() + Duration::from_secs(5);
                let listed = log.list_after(&source, after, most, deadline).await.unwrap();
                assert_eq!(listed.iter().map(|found| found.entry).collect::<Vec<_>>(), expected);
            }
        }
    }
}
