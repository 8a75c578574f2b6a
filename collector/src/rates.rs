//! How fast each write key may post. Keys in web pages are public: one that somebody floods with must not take what is others'.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a key may post faster than its rate.
const BURST: Duration = Duration::from_secs(10);

/// The rates of all keys, which are known by their places.
#[derive(Debug)]
pub(super) struct Rates {
    /// Events a second; `None` bounds nothing.
    per_second: Option<NonZeroU32>,
    /// When what each key has posted is paid off.
    paid_off: Mutex<HashMap<usize, Instant>>,
}

impl Rates {
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        Self { per_second, paid_off: Mutex::default() }
    }

    /// How long a key must wait before it may post again, if it must. Asked before a body is read, so that a flood costs little.
    pub(super) fn wait(&self, key: usize) -> Option<Duration> {
        let paid_off = *self.paid_off.lock().get(&key)?;
        let ahead = paid_off.saturating_duration_since(Instant::now());
        ahead.checked_sub(BURST).filter(|wait| !wait.is_zero())
    }

    /// A key has posted so many events.
    pub(super) fn spend(&self, key: usize, events: usize) {
        let Some(per_second) = self.per_second else { return };
        let costs = Duration::from_secs_f64(events as f64 / f64::from(per_second.get()));
        let (now, mut all) = (Instant::now(), self.paid_off.lock());
        let paid_off = all.entry(key).or_insert(now);
        *paid_off = (*paid_off).max(now) + costs;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_may_burst_and_then_waits_for_its_rate() {
        let rates = Rates::new(NonZeroU32::new(100));
        for _ in 0..10 {
            assert_eq!(rates.wait(0), None);
            rates.spend(0, 100);
        }
        assert_eq!(rates.wait(0), None, "ten seconds ahead");
        rates.spend(0, 200);
        assert_eq!((rates.wait(0), rates.wait(1)), (Some(Duration::from_secs(2)), None));
        advance(Duration::from_secs(2)).await;
        assert_eq!(rates.wait(0), None);
        let unbounded = Rates::new(None);
        unbounded.spend(0, usize::MAX);
        assert_eq!(unbounded.wait(0), None);
    }
}
