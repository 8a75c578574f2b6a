//! How much each shard takes, learnt from what it refused.
//!
//! A shard that never refused anything is not held back. One that did gets what Kinesis promises, 1 MB and 1,000 records a
//! second; if it goes on refusing, half of that, and so on; what it takes without complaint lets it grow again, and a minute
//! without any lifts the limit.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};

/// Partition keys whose shard is remembered. Beyond, new ones are not held back.
const MAX_KEYS: usize = 50_000;

/// The share of what a shard promises that it is asked at least.
const LEAST_SHARE: f64 = 0.05;

/// The share of what a shard promises that one second without complaint adds.
const GROWTH_PER_SECOND: f64 = 0.1;

/// Time between two halvings: what is on its way when a shard complains has it complain again.
const BETWEEN_HALVINGS: Duration = Duration::from_secs(1);

/// How long a shard is held back after it last refused something.
const MEMORY: Duration = Duration::from_mins(1);

/// Seconds of a shard's promise that may be saved up.
const BURST_SECONDS: f64 = 1.0;

/// The pace of every shard.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    shard_of: HashMap<String, String>,
    shards: HashMap<String, Shard>,
}

#[derive(Debug)]
struct Shard {
    share: f64,
    bytes: f64,
    records: f64,
    looked: Instant,
    refused: Instant,
    halved: Instant,
}

impl Pace {
    /// The shard took a record of this key.
    pub(crate) fn accepted(&mut self, key: &str, shard: &str) {
        if let Some(known) = self.shard_of.get_mut(key) {
            if known != shard {
                shard.clone_into(known);
            }
        } else if self.shard_of.len() < MAX_KEYS {
            self.shard_of.insert(key.to_owned(), shard.to_owned());
        }
    }

    /// A shard had too much of a record of this key.
    pub(crate) fn throttled(&mut self, key: &str, shard: Option<&str>, now: Instant) {
        let Some(shard) = shard.or_else(|| self.shard_of.get(key).map(String::as_str)).map(str::to_owned) else {
            return;
        };
        self.accepted(key, &shard);
        let known = self.shards.get_mut(&shard);
        if let Some(known) = known.filter(|known| now < known.refused + MEMORY) {
            known.refused = now;
            if now >= known.halved + BETWEEN_HALVINGS {
                known.share = (known.share / 2.0).max(LEAST_SHARE);
                known.halved = now;
            }
        } else {
            let new = Shard { share: 1.0, bytes: 0.0, records: 0.0, looked: now, refused: now, halved: now };
            self.shards.insert(shard, new);
        }
    }

    /// Lets a record go, or says when it may.
    pub(crate) fn admit(&mut self, key: &str, bytes: usize, now: Instant) -> Result<(), Instant> {
        if self.shards.is_empty() {
            return Ok(());
        }
        let Some(shard) = self.shard_of.get(key).and_then(|shard| self.shards.get_mut(shard)) else { return Ok(()) };
        if now >= shard.refused + MEMORY {
            self.shards.retain(|_, shard| now < shard.refused + MEMORY);
            return Ok(());
        }
        shard.admit(bytes as f64, now)
    }
}

impl Shard {
    fn admit(&mut self, bytes: f64, now: Instant) -> Result<(), Instant> {
        let since = now.saturating_duration_since(self.looked).as_secs_f64();
        self.looked = now;
        self.share = since.mul_add(GROWTH_PER_SECOND, self.share).min(1.0);
        let (bytes_per_second, records_per_second) =
            (SHARD_BYTES_PER_SECOND * self.share, SHARD_RECORDS_PER_SECOND * self.share);
        self.bytes = since.mul_add(bytes_per_second, self.bytes).min(SHARD_BYTES_PER_SECOND * BURST_SECONDS);
        self.records = since.mul_add(records_per_second, self.records).min(SHARD_RECORDS_PER_SECOND * BURST_SECONDS);
        // A debt is allowed: a record larger than what is saved up would wait for ever.
        if self.bytes > 0.0 && self.records > 0.0 {
            self.bytes -= bytes;
            self.records -= 1.0;
            return Ok(());
        }
        let wait = (-self.bytes / bytes_per_second).max(-self.records / records_per_second).max(0.0);
        Err(now + Duration::from_secs_f64(wait) + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of so many bytes that one shard is let have in ten seconds.
    fn let_through(pace: &mut Pace, bytes: usize, start: Instant) -> usize {
        let (mut now, mut records) = (start, 0);
        while now < start + Duration::from_secs(10) {
            match pace.admit("key", bytes, now) {
                Ok(()) => records += 1,
                Err(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        records
    }

    #[test]
    fn a_shard_that_refused_gets_what_it_promises_and_less_if_it_goes_on() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for _ in 0..50_000 {
            assert_eq!(pace.admit("key", 1_000_000, start), Ok(()), "nothing was refused");
        }
        pace.accepted("key", "s");
        pace.throttled("key", None, start);
        assert_eq!(pace.admit("other", 1, start), Ok(()), "of another shard, as far as is known");
        let small = let_through(&mut pace, 10, start);
        assert!((9_900..=10_100).contains(&small), "{small} records in 10 s");
        let now = start + Duration::from_secs(11);
        let large = let_through(&mut pace, 100_000, now);
        assert!((95..=115).contains(&large), "{large} records of 100 kB in 10 s");
        let now = now + Duration::from_secs(11);
        for _ in 0..3 {
            pace.throttled("key", Some("s"), now);
        }
        let halved = let_through(&mut pace, 100_000, now);
        assert!(halved < large && (60..=100).contains(&halved), "halved once, it grows again: {halved}, {large}");
    }

    #[test]
    fn a_minute_without_complaint_lifts_the_limit() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.throttled("key", Some("s"), start);
        assert!(pace.admit("key", 1, start).is_err());
        let later = start + MEMORY;
        for _ in 0..5_000 {
            assert_eq!(pace.admit("key", 1_000_000, later), Ok(()));
        }
    }
}
