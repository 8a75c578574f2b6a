//! How long to wait before trying again: exponential backoff with full jitter. Whoever waits draws the chance.

use std::time::Duration;

/// The longest first pause.
pub const BASE_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
pub const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The pause after attempt number `attempt` (from 0) failed: the share `drawn`, from 0 to 1, of `BASE_PAUSE * 2^attempt`,
/// which is itself at most [`MAX_PAUSE`] ("full jitter": many that failed together do not come back together).
///
/// ```
/// use headcount_core::backoff::{MAX_PAUSE, pause};
/// assert_eq!(pause(1, 0.5).as_millis(), 50);
/// assert_eq!(pause(60, 1.0), MAX_PAUSE);
/// ```
pub fn pause(attempt: u32, drawn: f64) -> Duration {
    let longest = BASE_PAUSE.saturating_mul(1 << attempt.min(16)).min(MAX_PAUSE);
    longest.mul_f64(drawn.clamp(0.0, 1.0))
}
