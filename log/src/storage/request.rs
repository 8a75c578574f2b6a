//! One request to the storage: tried again until the deadline, its failures sorted by what the caller must do.

use std::error::Error as _;
use std::fmt;
use std::io;

use headcount_runtime::retry::retry;
use object_store::Error;
use object_store::path::Path;
use tokio::time::{Instant, timeout_at};

use crate::error::LogError;
use crate::storage::Log;

/// What a request needs permission for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Put,
    Get,
    List,
    Delete,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "s3:PutObject",
            Self::Get => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
        })
    }
}

impl Log {
    /// Makes a request until it succeeds, fails for good, or `deadline` is near.
    pub(super) async fn request<T, F>(
        &self,
        action: Action,
        path: &Path,
        deadline: Instant,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, LogError>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        retry(&self.jitter, deadline, || {
            let answer = timeout_at(deadline, attempt());
            async move {
                match answer.await {
                    Ok(answer) => answer.map_err(|error| sorted(action, path, &error)),
                    Err(_) => {
                        Err(LogError::Unavailable { detail: format!("{action} {path}: no answer before the deadline") })
                    }
                }
            }
        })
        .await
    }
}

/// Whether the object is missing, and not its bucket.
pub(super) fn is_missing_object(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !error.to_string().contains(NO_BUCKET)
}

const NO_BUCKET: &str = "NoSuchBucket";

/// Codes of S3's answers that do not change by themselves, and what to do
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>); the last one is `object_store`'s word for a
/// redirect to the bucket's region.
const LASTING: [(&str, &str); 7] = [
    (NO_BUCKET, "there is no such bucket: check its name, or create it"),
    ("InvalidBucketName", "check the bucket's name"),
    ("PermanentRedirect", "the bucket is in another region: set AWS_REGION to it"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region: set AWS_REGION to it"),
    (
        "NotImplemented",
        "it lacks a request that the log needs, as conditional puts (If-None-Match): use S3 or a folder",
    ),
    ("InvalidAccessKeyId", "check the AWS credentials"),
    ("Received redirect without LOCATION", "the bucket is in another region: set AWS_REGION to it"),
];

fn sorted(action: Action, path: &Path, error: &Error) -> LogError {
    let said = error.to_string();
    let unusable =
        |what: &str| LogError::Unusable { detail: format!("the log's storage is not usable: {what} ({said})") };
    if let Some((_, what)) = LASTING.iter().find(|(code, _)| said.contains(code)) {
        return unusable(what);
    }
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => unusable(&refused(action, path)),
        Error::NotFound { .. } => unusable("there is no such bucket or folder: check its name"),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            unusable("it lacks a request that the log needs: use S3 or a folder")
        }
        Error::InvalidPath { .. } | Error::UnknownConfigurationKey { .. } => {
            unusable("it has an object of no valid name")
        }
        Error::AlreadyExists { .. } => {
            LogError::Unavailable { detail: format!("{action} {path}: another request for the object is in flight") }
        }
        _ if is_folder_refused(error) => unusable("check the folder's owner, its permissions and its file system"),
        _ => LogError::Unavailable { detail: format!("{action} {path}: {said}") },
    }
}

fn refused(action: Action, path: &Path) -> String {
    match action {
        // Without the permission to list, S3 answers 403 for an object that is not there.
        Action::Get => format!("allow s3:GetObject on {path}, and s3:ListBucket on the bucket"),
        // An append that finds its entry looks at it.
        Action::Put => format!("allow s3:PutObject and s3:GetObject on {path}, and s3:ListBucket on the bucket"),
        Action::List | Action::Delete => format!("allow {action} for {path}"),
    }
}

fn is_folder_refused(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
            return matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | NotADirectory);
        }
        source = error.source();
    }
    false
}
