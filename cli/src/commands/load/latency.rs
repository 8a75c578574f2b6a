//! How long events took.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Times of many events, to a tenth of a millisecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Latencies {
    /// Events by time.
    events: BTreeMap<u64, u64>,
    count: u64,
}

/// Times that so many of a hundred events stayed within, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Latencies {
    /// So many events took so long.
    pub(super) fn add(&mut self, took: Duration, events: u64) {
        *self.events.entry((took.as_micros() / 100) as u64).or_default() += events;
        self.count += events;
    }

    /// Events in all.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// None where there was no event.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let of = |share: f64| {
            let rank = ((self.count as f64 * share).ceil() as u64).max(1);
            let mut below = 0;
            let within = self.events.iter().find(|(_, events)| {
                below += **events;
                below >= rank
            });
            within.map(|(tenths, _)| *tenths as f64 / 10.0)
        };
        Some(Percentiles { p50: of(0.5)?, p95: of(0.95)?, p99: of(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        for ms in (1..=100).rev() {
            latencies.add(Duration::from_millis(ms), 3);
        }
        assert_eq!(latencies.percentiles(), Some(Percentiles { p50: 50.0, p95: 95.0, p99: 99.0 }));
        assert_eq!(latencies.count(), 300);
    }
}
