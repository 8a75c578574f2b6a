//! Why a question has no answer.

use chrono::NaiveDate;
use headcount_core::deployment::DeploymentError;
use headcount_core::limits::MAX_IDENTITY_BYTES;
use headcount_store::error::StoreError;
use headcount_store::meta::OpenError;

use crate::page::MAX_PAGE_ITEMS;
use crate::range::MAX_RANGE_DAYS;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The range ends before it begins.
    #[error("the range begins on {from}, after its end on {to}: exchange the two dates")]
    Backwards {
        /// Its first date.
        from: NaiveDate,
        /// Its last date.
        to: NaiveDate,
    },
    /// The range is too long.
    #[error(
        "the range from {from} to {to} has {days} days, at most {MAX_RANGE_DAYS} are answered at once: ask in parts"
    )]
    TooLong {
        /// Its first date.
        from: NaiveDate,
        /// Its last date.
        to: NaiveDate,
        /// Its days.
        days: u64,
    },
    /// A page of too many items, or of none.
    #[error("limit must be 1 to {MAX_PAGE_ITEMS}, not {limit}")]
    Limit {
        /// The items asked for.
        limit: usize,
    },
    /// The page is none that a page before named.
    #[error("page must be what the page before called next, unchanged")]
    Page,
    /// No user has such an id.
    #[error("a user's id has 1 to {MAX_IDENTITY_BYTES} bytes")]
    UserId,
    /// The table has no `META` record.
    #[error(
        "the table has no record META / DEPLOYMENT, so no event was ever stored in it: check the table's name, or send \
         events first"
    )]
    NoDeployment,
    /// The table must not be used by this build.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A request to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A day's item cannot be read.
    #[error("the item METRICS#{date} / {item} is damaged ({detail}): aggregate {date} again")]
    Damaged {
        /// The date.
        date: NaiveDate,
        /// `DAILY` or `SKETCHES`.
        item: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// An answer could not be made of what was read.
    #[error("the answer cannot be made, which is a defect of Headcount: {detail}")]
    Defect {
        /// What happened.
        detail: String,
    },
}

impl From<OpenError> for QueryError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => Self::Store(error),
            OpenError::Deployment(error) => Self::Deployment(error),
        }
    }
}
