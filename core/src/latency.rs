//! How long requests took: counts of milliseconds in buckets, of which a quantile is known to within [`RELATIVE_ERROR`].
//!
//! Below 32 ms each millisecond has a bucket of its own; from there on each power of two has 16, as in an HDR histogram. Buckets are plain
//! counts, so they add up whatever the order, and what a proof counted can be subtracted: sketches of quantiles in libraries only merge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::frame::{self, FrameError, Kind};

/// How far a quantile may be off, as a share of it: half a bucket's width.
pub const RELATIVE_ERROR: f64 = 1.0 / 32.0;

/// Milliseconds that a request may have taken, at most: a day. What is longer was meant for something else.
pub const MAX_LATENCY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Milliseconds below which each has a bucket of its own.
const EXACT: u64 = 32;

/// Buckets of each power of two, as a power of two.
const BITS: u32 = 4;

/// The version of the stored form.
const VERSION: u8 = 1;

/// Counts of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies(BTreeMap<u16, u64>);

impl Latencies {
    /// One duration, of at most [`MAX_LATENCY_MS`].
    pub fn one(ms: u64) -> Self {
        let mut one = Self::default();
        one.insert(ms);
        one
    }

    /// Adds one duration.
    pub fn insert(&mut self, ms: u64) {
        *self.0.entry(bucket(ms.min(MAX_LATENCY_MS))).or_default() += 1;
    }

    /// Adds all durations of another.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The durations beyond those of an earlier count.
    #[must_use]
    pub fn beyond(&self, earlier: &Self) -> Self {
        let left = self
            .0
            .iter()
            .map(|(bucket, count)| (*bucket, count.saturating_sub(earlier.0.get(bucket).copied().unwrap_or(0))));
        Self(left.filter(|(_, count)| *count > 0).collect())
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration that `percent` of 100 do not exceed (nearest rank), milliseconds: the middle of its bucket. 0 where there is none.
    ///
    /// ```
    /// use headcount_core::latency::Latencies;
    /// let mut latencies = Latencies::default();
    /// (1..=100).for_each(|n| latencies.insert(10 * n));
    /// assert_eq!(latencies.percentile(50), 504, "500 within 3.1 %");
    /// ```
    pub fn percentile(&self, percent: u64) -> u64 {
        nearest_rank(&self.0, percent).map_or(0, |bucket| middle(*bucket))
    }

    /// The buckets in their order: the first millisecond of each, and its count.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(bucket, count)| (bounds(*bucket).0, *count))
    }
}

/// The value that `percent` of 100 do not exceed, of values with how often there is each; none where there is no value.
pub(crate) fn nearest_rank<K>(counts: &BTreeMap<K, u64>, percent: u64) -> Option<&K> {
    let count: u128 = counts.values().map(|times| u128::from(*times)).sum();
    let rank = (count * u128::from(percent)).div_ceil(100).max(1);
    let mut seen = 0;
    let mut values = counts.iter();
    let found = values.find(|(_, times)| {
        seen += u128::from(**times);
        seen >= rank
    });
    found.map(|(value, _)| value)
}

fn bucket(ms: u64) -> u16 {
    if ms < EXACT {
        return ms as u16;
    }
    let power = ms.ilog2();
    let within = (ms >> (power - BITS)) & ((1 << BITS) - 1);
    (EXACT + (u64::from(power - EXACT.ilog2()) << BITS) + within) as u16
}

/// The first millisecond of a bucket, and how many it has.
fn bounds(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    if bucket < EXACT {
        return (bucket, 1);
    }
    let (power, within) = (((bucket - EXACT) >> BITS) + 1, (bucket - EXACT) & ((1 << BITS) - 1));
    // Stored bytes may name buckets that no duration has.
    let power = power.min(40);
    (((1 << BITS) + within) << power, 1 << power)
}

fn middle(bucket: u16) -> u64 {
    let (first, width) = bounds(bucket);
    first + width / 2
}

/// A day's durations by model, for ranges of days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelLatencies(pub BTreeMap<Box<str>, Latencies>);

impl ModelLatencies {
    /// Those that these counters have.
    pub fn of(counters: &Counters) -> Self {
        let models = counters.models.iter().filter(|(_, used)| used.latencies.count() > 0);
        Self(models.map(|(name, used)| (name.into(), used.latencies.clone())).collect())
    }

    /// Adds those of another day.
    pub fn merge(&mut self, other: &Self) {
        for (name, latencies) in &other.0 {
            self.0.entry(name.clone()).or_default().merge(latencies);
        }
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(Kind::Latencies, VERSION, &postcard::to_allocvec(self).expect("memory takes all"))
    }

    /// What was stored.
    ///
    /// # Errors
    ///
    /// [`LatencyError`], where the bytes are not what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, LatencyError> {
        let (_, payload) = frame::decode(Kind::Latencies, VERSION, bytes)?;
        let latencies: Self = postcard::from_bytes(payload).map_err(|_| LatencyError::Malformed)?;
        if postcard::to_allocvec(&latencies).expect("memory takes all") == payload {
            Ok(latencies)
        } else {
            Err(LatencyError::Malformed)
        }
    }
}

/// Why bytes are no durations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The frame is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is whole, but what is in it are no durations.
    #[error("it holds no durations by model")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket_and_near_its_middle() {
        assert!((1..100_000).all(|ms| [0, 1].contains(&(bucket(ms) - bucket(ms - 1)))), "none is left out");
        for ms in (0..100_000).chain((0..400).map(|n| n * 216_000)).chain([MAX_LATENCY_MS]) {
            let found = bucket(ms);
            let (first, width) = bounds(found);
            assert!((first..first + width).contains(&ms), "{ms}: {first} and {width}");
            assert!(middle(found).abs_diff(ms) as f64 <= RELATIVE_ERROR * ms as f64, "{ms}: {}", middle(found));
        }
        assert!(bounds(u16::MAX).0 > 0, "whatever is stored");
    }

    #[test]
    fn nothing_took_no_time() {
        assert_eq!((Latencies::default().percentile(50), Latencies::default().count()), (0, 0));
        assert_eq!(Latencies::one(7).percentile(95), 7);
        assert_eq!(Latencies::one(u64::MAX), Latencies::one(MAX_LATENCY_MS));
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_error_and_parts_add_up(
            durations in proptest::collection::vec(0u64..2_000_000, 1..300), cut in 0usize..300, percent in 1u64..=100,
        ) {
            let (mut all, mut one, mut other) = (Latencies::default(), Latencies::default(), Latencies::default());
            for (n, ms) in durations.iter().enumerate() {
                all.insert(*ms);
                if n < cut { one.insert(*ms) } else { other.insert(*ms) }
            }
            let mut sorted = durations.clone();
            sorted.sort_unstable();
            let rank = (sorted.len() as u64 * percent).div_ceil(100).max(1) as usize;
            let exact = sorted[rank - 1];
            prop_assert!(all.percentile(percent).abs_diff(exact) as f64 <= RELATIVE_ERROR * exact as f64);
            prop_assert_eq!(all.beyond(&one), other.clone());
            one.merge(&other);
            prop_assert_eq!(&one, &all);
            let models = ModelLatencies([("m".into(), all)].into());
            prop_assert_eq!(ModelLatencies::decode(&models.encode()), Ok(models));
        }
    }
}
