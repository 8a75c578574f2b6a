//! Why a follower stopped. The log goes on; the next run of any follower begins where this one stopped.

use chrono::NaiveDate;
use headcount_core::origin::Source;
use headcount_core::partial::Damaged;
use headcount_core::user_sketch::SketchError;
use headcount_log::LogError;
use headcount_runtime::retry::Retryable;
use headcount_store::error::StoreError;

/// Why a follower stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// A request to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Somebody else writes the same partials or checkpoint. Start again from what the table holds.
    #[error("another follower of {source_name} is at work")]
    Conflict {
        /// The source.
        source_name: Source,
    },
    /// The table was restored, and has another number than when this process first reached it.
    #[error("the table was restored while it was followed; it is read anew")]
    OtherTable,
    /// A partial cannot be read; `rebuild` folds it anew from the log.
    #[error(
        "the partial of {source_name} of {date} cannot be folded on: {damage}; the next roll-up folds it anew from the log"
    )]
    DamagedPartial {
        /// The date.
        date: NaiveDate,
        /// The source.
        source_name: Source,
        /// What is wrong.
        damage: Damaged,
    },
    /// The deployment's sketch precision is none.
    #[error("the deployment's sketch precision cannot be used: {0}")]
    Precision(#[from] SketchError),
    /// The time was used up.
    #[error("the time for following the log was used up")]
    Deadline,
}

impl FollowError {
    /// Whether the table could not do its part. While it cannot, a caller should not ask much of it.
    pub fn is_of_table(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

impl Retryable for FollowError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Log(error) => error.is_retryable(),
            Self::Conflict { .. } | Self::OtherTable | Self::Deadline => true,
            Self::DamagedPartial { .. } | Self::Precision(_) => false,
        }
    }
}
