//! How the log can fail, sorted by what the caller must do.

use headcount_core::deployment::DeploymentError;
use headcount_core::origin::Source;
use headcount_runtime::retry::Retryable;

use crate::line::LineError;

/// A failed operation on the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The storage did not answer, or asked to come back later, or whether a put took effect is not known: try the same
    /// again.
    #[error("the log's storage does not answer: {detail}")]
    Unavailable {
        /// What it said.
        detail: String,
    },
    /// Nothing will work until a person changes something (no such bucket, no permission, conditional puts ignored).
    #[error("{detail}")]
    Unusable {
        /// What is wrong, and what to do.
        detail: String,
    },
    /// One entry is missing, truncated or altered. The others go on.
    #[error("entry {entry} of {source_name} is damaged: {detail}")]
    Damaged {
        /// The source.
        source_name: Source,
        /// The entry's number.
        entry: u64,
        /// What is wrong with it.
        detail: EntryError,
    },
    /// The log belongs to another deployment, or to another build.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
}

impl Retryable for LogError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Unusable { .. } | Self::Damaged { .. } | Self::Deployment(_) => false,
        }
    }
}

/// What is wrong with the bytes of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// There is no such object, although a later one exists.
    #[error("it is missing")]
    Missing,
    /// Its header cannot be read.
    #[error("its header cannot be read: {0}")]
    Header(String),
    /// Its header is of another entry, source, deployment or version than expected.
    #[error("its header says {found}, expected {expected}")]
    Other {
        /// What the header says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// It is cut off, or has bytes behind its end.
    #[error("it has {found} bytes, its header says {expected}")]
    Length {
        /// Its bytes.
        found: u64,
        /// What its header says.
        expected: u64,
    },
    /// A frame's bytes are not what the header says.
    #[error("the frame of {frame} does not match its checksum, or is cut off")]
    Frame {
        /// The date, or `rejections`.
        frame: String,
    },
    /// A line cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
}
