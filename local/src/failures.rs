//! The failure destination: where an event source mapping keeps the invocations that it gave up on, whole, until
//! someone has them handled again.
//!
//! It is a folder or a place in S3, and both hold the same: one JSON file for each invocation, in the form and under the
//! names that AWS Lambda gives them ([`KeptInvocation`]), so that what a mapping of ours kept and what Lambda kept can be
//! read alike.

use std::fmt;
use std::path::{Path as Folder, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use headcount_consumer::kept::KeptInvocation;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::OnceCell;
use xxhash_rust::xxh3::xxh3_128;

use crate::data_dir::sync_directory;
use crate::error::LocalError;

/// What the names of all kept invocations begin with.
const PREFIX: &str = "aws/lambda";

/// How a place in S3 begins.
const S3: &str = "s3://";

/// A name's parts: `aws`, `lambda`, the mapping, the shard, year, month, day, the file.
const PARTS: usize = 8;

/// Sequence numbers are written with this many digits in a name, so that names of one second stay in order.
const SEQUENCE_DIGITS: usize = 64;

/// A failure destination. Clones share it.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use headcount_local::failures::Failures;
/// let folder = tempfile::tempdir()?;
/// let failures = Failures::open(folder.path().to_str().ok_or("a name that is no text")?)?;
/// assert!(failures.list().await?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Failures {
    place: Place,
    store: Arc<OnceCell<Opened>>,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

#[derive(Debug)]
struct Opened {
    store: Arc<dyn ObjectStore>,
    /// What stands before every key.
    prefix: Path,
}

impl Failures {
    /// The destination at `place`: a folder's path, or `s3://bucket/prefix`. Nothing is made or asked yet.
    ///
    /// S3 takes region and credentials from the standard AWS environment; `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`
    /// name another endpoint, with the bucket in its path.
    ///
    /// # Errors
    /// When `place` is neither.
    pub fn open(place: &str) -> Result<Self, LocalError> {
        let refuse = |rule: &str| {
            let rule = format!("{rule}, not {place:?}");
            Err(LocalError::Option { field: "failure destination", rule })
        };
        let place = match place.strip_prefix(S3) {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return refuse("must name a bucket after s3://");
                }
                Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() }
            }
            None if place.is_empty() || place.contains("://") => {
                return refuse("must be a folder's path or s3://bucket/prefix");
            }
            None => Place::Folder(PathBuf::from(place)),
        };
        Ok(Self { place, store: Arc::default() })
    }

    /// Keeps an invocation; returns its key. When this returns, it is on the disk, or S3 has it: the batch may be passed
    /// by. The folder is made where there is none.
    ///
    /// # Errors
    /// When it could not be written, or the invocation's own times are no times.
    pub async fn keep(&self, invocation: &KeptInvocation) -> Result<String, LocalError> {
        let key = key(invocation).map_err(|detail| self.failed("written", detail))?;
        let json = serde_json::to_vec(invocation).map_err(|error| self.failed("written", error))?;
        if let Place::Folder(folder) = &self.place
            && !folder.is_dir()
        {
            let made = std::fs::create_dir_all(folder).and_then(|()| sync_directory(folder));
            made.map_err(|error| self.failed("made", error))?;
        }
        let opened = self.opened().await?;
        opened.store.put(&opened.path(&key), json.into()).await.map_err(|error| self.failed("written", error))?;
        Ok(key)
    }

    /// The keys of all invocations that are kept, shard by shard, the oldest first.
    ///
    /// # Errors
    /// When the place is not there, or cannot be read.
    pub async fn list(&self) -> Result<Vec<String>, LocalError> {
        let opened = self.opened().await?;
        let found = opened.store.list(Some(&opened.path(PREFIX))).try_collect::<Vec<_>>().await;
        let found = found.map_err(|error| self.failed("listed", error))?;
        let keys = found.into_iter().filter_map(|found| opened.key(&found.location));
        let mut keys: Vec<String> = keys.filter(|key| key.split('/').count() == PARTS).collect();
        keys.sort_by(|a, b| order(a).cmp(&order(b)));
        Ok(keys)
    }

    /// Reads what is kept under `key`.
    ///
    /// # Errors
    /// When it cannot be read, or is no kept invocation: the error names it and says what is wrong.
    pub async fn read(&self, key: &str) -> Result<KeptInvocation, LocalError> {
        let opened = self.opened().await?;
        let found = opened.store.get(&opened.path(key)).await.map_err(|error| self.failed("read", error))?;
        let bytes = found.bytes().await.map_err(|error| self.failed("read", error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| LocalError::NotKept { file: format!("{self}/{key}"), detail: error.to_string() })
    }

    /// Removes what is kept under `key`. That nothing is there is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove(&self, key: &str) -> Result<(), LocalError> {
        let opened = self.opened().await?;
        match opened.store.delete(&opened.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("removed", error)),
        }
    }

    async fn opened(&self) -> Result<&Opened, LocalError> {
        self.store
            .get_or_try_init(|| async {
                match &self.place {
                    Place::Folder(folder) => folder_store(folder).map_err(|error| self.failed("opened", error)),
                    Place::Bucket { bucket, prefix } => {
                        let store =
                            headcount_log::s3::open(bucket).await.map_err(|error| self.failed("opened", error))?;
                        Ok(Opened { store, prefix: Path::from(prefix.as_str()) })
                    }
                }
            })
            .await
    }

    fn failed(&self, action: &'static str, detail: impl fmt::Display) -> LocalError {
        LocalError::Failures { place: self.to_string(), action, detail: detail.to_string() }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "{S3}{bucket}"),
            Place::Bucket { bucket, prefix } => write!(f, "{S3}{bucket}/{prefix}"),
        }
    }
}

impl Opened {
    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(Path::from(key).parts()).collect()
    }

    /// The key of what lies at `location`; `None` for what is not below the prefix.
    fn key(&self, location: &Path) -> Option<String> {
        Some(location.prefix_match(&self.prefix)?.collect::<Path>().to_string())
    }
}

/// Files are written beside their place, synced and renamed, their folders synced as well.
fn folder_store(folder: &Folder) -> Result<Opened, object_store::Error> {
    let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
    Ok(Opened { store: Arc::new(store), prefix: Path::default() })
}

/// `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<id>`, as Lambda names them. Two ids are ours: the
/// mapping's is made of stream and function, the file's of the first record and the number of records, so that keeping
/// the same twice within a second is keeping it once.
fn key(invocation: &KeptInvocation) -> Result<String, String> {
    let at = DateTime::parse_from_rfc3339(&invocation.timestamp);
    let at = at.map_err(|error| format!("its time {:?}: {error}", invocation.timestamp))?.with_timezone(&Utc);
    let batch = &invocation.batch;
    let mapping = mapping_id(&batch.stream_arn, &invocation.request_context.function_arn);
    let day = at.format("%Y/%m/%d/%Y-%m-%dT%H.%M.%S");
    let (shard, sequence, size) = (&batch.shard_id, &batch.start_sequence_number, batch.batch_size);
    Ok(format!("{PREFIX}/{mapping}/{shard}/{day}-{sequence:0>SEQUENCE_DIGITS$}-{size}"))
}

/// An id of the mapping from this stream to this function.
fn mapping_id(stream: &str, function: &str) -> String {
    id_of(&format!("{stream}|{function}"))
}

/// An id in the form of a UUID, the same for the same text.
pub(crate) fn id_of(text: &str) -> String {
    let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
    format!("{}-{}-{}-{}-{}", &hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..])
}

/// Shard, then the file's name, which begins with its time; the rest only for what is equal so far.
fn order(key: &str) -> (&str, &str, &str) {
    let mut parts = key.split('/');
    (parts.nth(3).unwrap_or(""), parts.next_back().unwrap_or(""), key)
}

#[cfg(test)]
mod tests;
