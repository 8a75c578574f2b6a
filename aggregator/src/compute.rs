//! Work for the processor, kept away from the threads that wait for the table.

use crate::deps::Compute;
use crate::error::AggregateError;

/// Runs `work`, which may use rayon's pool.
///
/// The thread that waits for the pool is one of the runtime's blocking threads: a panic of the work becomes an error,
/// and a paused clock stands still meanwhile.
pub(crate) async fn run<T: Send + 'static>(
    compute: Compute,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AggregateError> {
    match compute {
        Compute::InPlace => Ok(work()),
        Compute::Pool => tokio::task::spawn_blocking(work)
            .await
            .map_err(|failure| AggregateError::Merge { detail: failure.to_string() }),
    }
}
