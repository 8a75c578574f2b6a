//! `--rate`: so many events a second, evenly.

use std::time::Duration;

use tokio::time::Instant;

/// How far the schedule may lie behind: what was missed longer ago is not made up for.
const MAX_BEHIND: Duration = Duration::from_secs(1);

/// Says when the next event may go.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Instant,
}

impl Pace {
    /// So many events a second, from now on.
    pub(super) fn new(events_per_second: u32) -> Self {
        Self { between: Duration::from_secs(1) / events_per_second.max(1), next: Instant::now() }
    }

    /// Ends when the next event may go.
    pub(super) async fn next(&mut self) {
        let now = Instant::now();
        self.next = self.next.max(now.checked_sub(MAX_BEHIND).unwrap_or(now));
        if self.next > now {
            tokio::time::sleep_until(self.next).await;
        }
        self.next += self.between;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_come_evenly() {
        let (began, mut pace) = (Instant::now(), Pace::new(400));
        for _ in 0..4_000 {
            pace.next().await;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert!((9.9..11.0).contains(&seconds), "{seconds}");
    }
}
