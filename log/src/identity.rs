//! The deployment's identity: `deployment/<k>.json`, created once; the highest `k` counts.

use bytes::Bytes;
use headcount_core::deployment::Deployment;
use headcount_core::seal::{self, SealError};
use object_store::path::Path;
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::LogError;
use crate::storage::{Append, Log};

/// The folder, outside the log's lifecycle rule.
const FOLDER: &str = "deployment";

const EXTENSION: &str = ".json";

impl Log {
    /// The deployment of this log; `None` where the storage was never used. Entries of other deployments are refused from
    /// then on.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn deployment(&self, deadline: Instant) -> Result<Option<Deployment>, LogError> {
        Ok(self.newest_deployment(deadline).await?.map(|stored| stored.deployment))
    }

    /// The deployment of this log; `first` becomes it where there is none. Whoever comes second at the same moment takes
    /// what the first one wrote. A storage that ignores conditional puts is refused here: a second put of the object just
    /// found or created, of the same bytes, must be refused.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn open_deployment(&self, first: &Deployment, deadline: Instant) -> Result<Deployment, LogError> {
        let stored = match self.newest_deployment(deadline).await? {
            Some(stored) => stored,
            None => self.create_first(first, deadline).await?,
        };
        match self.create(&stored.path, stored.json, deadline).await? {
            Append::Exists => Ok(stored.deployment),
            Append::Created => Err(LogError::Unusable {
                detail: "the log's storage ignores conditional puts (If-None-Match), so events would count twice or be lost: \
                         use S3 or a folder"
                    .to_owned(),
            }),
        }
    }

    async fn create_first(&self, first: &Deployment, deadline: Instant) -> Result<Stored, LogError> {
        let path = path(1);
        self.create(&path, seal::seal(first).into(), deadline).await?;
        // What is there now, written by this put or by another at the same moment.
        self.newest_deployment(deadline).await?.ok_or_else(|| LogError::Unusable {
            detail: format!("{path} was put and is not there: the log needs a storage whose reads see earlier puts"),
        })
    }

    async fn newest_deployment(&self, deadline: Instant) -> Result<Option<Stored>, LogError> {
        let found = self.objects(&Path::from(FOLDER), deadline).await?;
        let Some(number) = found.iter().filter_map(number).max() else { return Ok(None) };
        let path = path(number);
        let Some(json) = self.get(&path, deadline).await? else {
            return Err(LogError::Unavailable { detail: format!("{path} is listed and cannot be read") });
        };
        let deployment = read(&path, &json)?;
        self.belongs_to(&deployment.id);
        Ok(Some(Stored { deployment, path, json }))
    }
}

struct Stored {
    deployment: Deployment,
    path: Path,
    json: Bytes,
}

/// What every schema version has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: u32,
}

fn read(path: &Path, json: &[u8]) -> Result<Deployment, LogError> {
    let bad = |error: SealError| LogError::Unusable {
        detail: format!("{path} does not describe a deployment ({error}): restore an earlier version of the object"),
    };
    let Versioned { schema_version } =
        serde_json::from_slice(json).map_err(|error| bad(SealError::Content(error.to_string())))?;
    Deployment::check_schema(schema_version)?;
    let deployment: Deployment = seal::open(json).map_err(bad)?;
    deployment.check()?;
    Ok(deployment)
}

fn path(number: u64) -> Path {
    Path::from(format!("{FOLDER}/{number}{EXTENSION}"))
}

fn number(object: &Path) -> Option<u64> {
    object.filename()?.strip_suffix(EXTENSION)?.parse().ok()
}
