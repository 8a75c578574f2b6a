//! Until when an invocation tries what, and requests that must not outlast it.

use std::future::Future;

use headcount_store::error::StoreError;
use tokio::time::{Duration, Instant, timeout_at};

/// What is kept free for folding after the last claim, of an invocation that has time enough.
pub const CLAIM_MARGIN: Duration = Duration::from_secs(5);

/// What is kept free for the answer after the last write, of an invocation that has time enough.
pub const FOLD_MARGIN: Duration = Duration::from_secs(1);

/// When an invocation stops trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// No claim and no rejected item is tried again after this.
    pub claims: Instant,
    /// No first day and no partial is tried again after this.
    pub folds: Instant,
}

impl Deadlines {
    /// The times for an invocation that begins now and is killed at `deadline`. A short one keeps a quarter of its time
    /// for folding, and a tenth for the answer.
    pub fn before(deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        let at = |margin: Duration| deadline.checked_sub(margin).unwrap_or(deadline);
        Self { claims: at(CLAIM_MARGIN.min(left / 4)), folds: at(FOLD_MARGIN.min(left / 10)) }
    }
}

/// The answer to a request, or that none came in time: whether it took effect is then unknown.
///
/// # Errors
///
/// What the request fails with, and [`StoreError::Unknown`] at the deadline.
pub async fn answer_by<T>(
    deadline: Instant,
    request: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout_at(deadline, request).await.unwrap_or_else(|_| {
        Err(StoreError::Unknown { detail: "no answer before the invocation had to end".to_owned() })
    })
}
