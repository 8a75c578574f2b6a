//! Which events were met already, and the first day of each user: exact, shared by all threads, in shards so that they
//! seldom wait for each other.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use headcount_core::hash::hash64;

/// Shards: many more than threads.
const SHARDS: usize = 256;

/// The timestamps and ids of some events.
type Keys = HashSet<(i64, Box<str>)>;

/// The timestamps and ids of events.
#[derive(Debug)]
pub(crate) struct SeenEvents(Vec<Mutex<Keys>>);

impl SeenEvents {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Whether the event is met for the first time.
    pub(crate) fn is_first(&self, timestamp_ms: i64, id: &str) -> bool {
        shard(&self.0, hash64(id.as_bytes()) ^ timestamp_ms as u64).insert((timestamp_ms, id.into()))
    }
}

/// The first days of users.
#[derive(Debug)]
pub(crate) struct FirstDays(Vec<Mutex<HashMap<Box<str>, NaiveDate>>>);

impl FirstDays {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// The user was there on that day.
    pub(crate) fn see(&self, user_id: &str, date: NaiveDate) {
        let mut users = shard(&self.0, hash64(user_id.as_bytes()));
        match users.get_mut(user_id) {
            Some(first) => *first = date.min(*first),
            None => drop(users.insert(user_id.into(), date)),
        }
    }

    /// How many users each first day has.
    pub(crate) fn counts(&self) -> HashMap<NaiveDate, u64> {
        let mut counts = HashMap::new();
        for users in &self.0 {
            for date in lock(users).values() {
                *counts.entry(*date).or_default() += 1;
            }
        }
        counts
    }
}

fn shard<T>(shards: &[Mutex<T>], hash: u64) -> MutexGuard<'_, T> {
    lock(&shards[(hash >> 32) as usize % SHARDS])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_first_once_and_a_users_first_day_is_the_earliest() {
        let seen = SeenEvents::new();
        assert!(seen.is_first(1, "a") && seen.is_first(2, "a") && seen.is_first(1, "b"));
        assert!(!seen.is_first(1, "a") && !seen.is_first(2, "a"));
        let (days, day) = (FirstDays::new(), |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap());
        for (user, date) in [("ann", 3), ("ann", 2), ("ann", 5), ("bob", 2), ("eve", 1)] {
            days.see(user, day(date));
        }
        assert_eq!(days.counts(), HashMap::from([(day(2), 2), (day(1), 1)]));
    }
}
