//! How a request to the table can fail, sorted by what the caller must do.

use headcount_runtime::retry::Retryable;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The table is asked too much and did nothing: try again later.
    #[error("the table is throttled: {detail}")]
    Throttled {
        /// What the service said.
        detail: String,
    },
    /// Whether the request took effect is not known (timeout, reset, internal error): look, or try again.
    #[error("the outcome of a request to the table is unknown: {detail}")]
    Unknown {
        /// What happened.
        detail: String,
    },
    /// The request was refused as invalid and did nothing; the same request will be refused again.
    #[error("the table refused a request as invalid: {detail}")]
    Invalid {
        /// What the service said.
        detail: String,
    },
    /// Nothing will work until a person changes something (no such table, no permission, wrong endpoint).
    #[error("{detail}")]
    Unusable {
        /// What is wrong, and what to do.
        detail: String,
    },
    /// An item of the table cannot be read back as what it should be.
    #[error("the item {pk} / {sk} is malformed: {detail}")]
    Malformed {
        /// The item's `PK`.
        pk: String,
        /// The item's `SK`.
        sk: String,
        /// Which attribute, and how.
        detail: String,
    },
}

impl Retryable for StoreError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unknown { .. } => true,
            Self::Invalid { .. } | Self::Unusable { .. } | Self::Malformed { .. } => false,
        }
    }
}

impl StoreError {
    /// Whether the request may have taken effect although it failed.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Throttled { .. } | Self::Invalid { .. } | Self::Unusable { .. } | Self::Malformed { .. } => false,
        }
    }
}
