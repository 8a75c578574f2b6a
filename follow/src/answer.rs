//! Requests that must not outlast the time of their caller.

use std::future::Future;

use headcount_store::error::StoreError;
use tokio::time::{Instant, timeout_at};

/// The answer to a request, or that none came in time: whether it took effect is then unknown.
pub(crate) async fn answer_by<T>(
    deadline: Instant,
    request: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout_at(deadline, request).await.unwrap_or_else(|_| {
        Err(StoreError::Unknown {
            detail: "the time for following the log was used up before the answer came".to_owned(),
        })
    })
}
