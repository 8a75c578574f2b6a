//! Work for the processor, kept away from the threads that wait for requests.

/// Where such work runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// On threads of their own, so that requests go on meanwhile.
    #[default]
    Pool,
    /// In the task itself: a simulation whose order of steps must not depend on threads.
    InPlace,
}

/// The work panicked, which is a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a computation failed, which is a defect of Headcount: {0}")]
pub struct ComputeError(String);

impl Compute {
    /// Runs `work`, which may use rayon's pool.
    ///
    /// The thread that waits for the pool is one of the runtime's blocking threads: a paused clock stands still meanwhile.
    ///
    /// # Errors
    ///
    /// [`ComputeError`], where it panics.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ComputeError> {
        match self {
            Self::InPlace => Ok(work()),
            Self::Pool => tokio::task::spawn_blocking(work).await.map_err(|failure| ComputeError(failure.to_string())),
        }
    }
}
