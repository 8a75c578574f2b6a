//! The world's wall clock: it goes as tokio's does, from a moment of the seed's choice.

use tokio::time::{Duration, Instant, sleep_until};

pub(crate) const MINUTE_MS: i64 = 60 * 1_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    began: Instant,
    began_ms: i64,
}

impl Time {
    pub(crate) fn beginning_at(began_ms: i64) -> Self {
        Self { began: Instant::now(), began_ms }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.began_ms + self.began.elapsed().as_millis() as i64
    }

    /// Sleeps until that moment, if it is not past.
    pub(crate) async fn until(&self, at_ms: i64) {
        let ahead = u64::try_from(at_ms - self.began_ms).unwrap_or(0);
        sleep_until(self.began + Duration::from_millis(ahead)).await;
    }
}

/// Somewhere between the two, both in milliseconds.
pub(crate) fn between(random: &mut fastrand::Rng, from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(random.i64(from_ms..=to_ms).unsigned_abs())
}
