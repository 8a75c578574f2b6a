//! Trying again: exponential backoff with full jitter, up to a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use headcount_core::backoff;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::telemetry;

/// Draws pauses. Clones share one source of randomness, which a test seeds.
#[derive(Clone, Debug)]
pub struct Jitter(Arc<Mutex<fastrand::Rng>>);

impl Jitter {
    /// Pauses that nobody can predict.
    pub fn from_entropy() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// The pauses of this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// The pause after attempt number `attempt` (from 0) failed, as [`backoff::pause`] has it.
    pub fn pause(&self, attempt: u32) -> Duration {
        backoff::pause(attempt, self.0.lock().f64())
    }

    /// A random number, for identities that are drawn once.
    pub fn draw(&self) -> u64 {
        self.0.lock().u64(..)
    }

    /// Sleeps the pause after attempt number `attempt`; `false`, without sleeping, where it would end after `deadline`.
    pub async fn pause_until(&self, attempt: u32, deadline: Instant) -> bool {
        let wake = Instant::now() + self.pause(attempt);
        if wake >= deadline {
            return false;
        }
        metrics::counter!(telemetry::RETRIES).increment(1);
        tokio::time::sleep_until(wake).await;
        true
    }
}

/// A failure that says whether the same request may succeed later.
pub trait Retryable: std::fmt::Display {
    /// Whether it may.
    fn is_retryable(&self) -> bool;
}

/// Repeats a request that may be repeated safely until it succeeds, fails for good, or the deadline is near. The last
/// error is returned.
///
/// # Errors
/// The last one, where it is for good or the next try would be past `deadline`.
///
/// ```
/// # use headcount_runtime::retry::{Jitter, Retryable, retry};
/// # use tokio::time::{Duration, Instant};
/// # #[derive(Debug, PartialEq)] struct Busy;
/// # impl std::fmt::Display for Busy {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("busy") }
/// # }
/// # impl Retryable for Busy { fn is_retryable(&self) -> bool { true } }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let (mut left, jitter) = (3, Jitter::from_seed(1));
/// let answer = retry(&jitter, Instant::now() + Duration::from_secs(10), || {
///     left -= 1;
///     let answer = if left > 0 { Err(Busy) } else { Ok("done") };
///     async move { answer }
/// });
/// assert_eq!(answer.await, Ok("done"));
/// # }
/// ```
pub async fn retry<T, E, F, A>(jitter: &Jitter, deadline: Instant, mut attempt: A) -> Result<T, E>
where
    E: Retryable,
    F: Future<Output = Result<T, E>>,
    A: FnMut() -> F,
{
    let mut tried = 0;
    loop {
        match attempt().await {
            Err(error) if error.is_retryable() => {
                if !jitter.pause_until(tried, deadline).await {
                    return Err(error);
                }
                tracing::debug!(attempt = tried, %error, "trying a request again");
                tried += 1;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use headcount_core::backoff::{BASE_PAUSE, MAX_PAUSE};

    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let jitter = Jitter::from_seed(7);
        for attempt in 0..40 {
            let longest = BASE_PAUSE * 2u32.pow(attempt.min(7));
            for _ in 0..50 {
                let pause = jitter.pause(attempt);
                assert!(pause <= longest.min(MAX_PAUSE), "attempt {attempt}: {pause:?}");
            }
        }
    }

    #[derive(Debug, PartialEq)]
    enum Failure {
        Busy,
        Final,
    }

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl Retryable for Failure {
        fn is_retryable(&self) -> bool {
            *self == Self::Busy
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_it_with_the_last_error() {
        let start = Instant::now();
        let mut attempts = 0;
        let outcome: Result<(), _> = retry(&Jitter::from_seed(1), start + Duration::from_secs(20), || {
            attempts += 1;
            async { Err(Failure::Busy) }
        })
        .await;
        assert_eq!(outcome, Err(Failure::Busy));
        assert!(attempts > 5 && start.elapsed() <= Duration::from_secs(20), "{attempts} in {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_is_not_repeated() {
        let mut attempts = 0;
        let outcome: Result<(), _> = retry(&Jitter::from_seed(1), Instant::now() + Duration::from_secs(20), || {
            attempts += 1;
            async { Err(Failure::Final) }
        })
        .await;
        assert_eq!((outcome, attempts), (Err(Failure::Final), 1));
    }
}
