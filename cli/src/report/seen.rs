//! Which events were met already, and the first day of each user: exact but for equal hashes, shared by all threads.
//!
//! Ids are kept as hashes. Two of n different ones are the same with a chance of about n^2 / 2^129 (events, 128 bits) and
//! n^2 / 2^97 (users, 96 bits): for a thousand million, one in 10^21 and one in 10^11.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use headcount_core::hash::hash128;

use super::hashes::{Hashes, Order};

/// Odd, so that different timestamps of one id have different keys: the fraction of the golden ratio.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// What an event is known by.
pub(crate) fn event_key(timestamp_ms: i64, id: &str) -> u128 {
    hash128(id.as_bytes()).wrapping_add((timestamp_ms as u128).wrapping_mul(MIX))
}

/// What a user is known by.
pub(crate) fn user_key(user_id: &str) -> u128 {
    hash128(user_id.as_bytes())
}

/// The timestamps and ids of events.
#[derive(Debug)]
pub(crate) struct SeenEvents(Hashes<0>);

impl SeenEvents {
    /// None, and room for about so many.
    pub(crate) fn with_room(events: usize) -> Self {
        Self(Hashes::with_room(events))
    }

    /// Tells for the index of each event whether it is met for the first time; the earliest of equal ones is. `thread` is the
    /// number of whoever asks.
    pub(crate) fn see(&self, keys: &[u128], order: &mut Order, thread: usize, mut tell: impl FnMut(usize, bool)) {
        self.0.look_up(keys, order, thread, |index, is_new, _| tell(index, is_new));
    }
}

/// Bits of a hash that hold the first day instead, as days from the common era.
const DAY_BITS: u32 = 32;

/// The first days of users.
#[derive(Debug)]
pub(crate) struct FirstDays(Hashes<DAY_BITS>);

impl FirstDays {
    pub(crate) fn new() -> Self {
        Self(Hashes::with_room(0))
    }

    /// The users were there on these days.
    pub(crate) fn see(&self, users: &[u128], days: &[NaiveDate], order: &mut Order, thread: usize) {
        self.0.look_up(users, order, thread, |index, is_new, noted| {
            let day = days[index].num_days_from_ce();
            if is_new || day < day_of(*noted) {
                *noted = *noted >> DAY_BITS << DAY_BITS | u128::from(day as u32);
            }
        });
    }

    /// How many users each first day has.
    pub(crate) fn counts(&self) -> BTreeMap<NaiveDate, u64> {
        let mut counts = BTreeMap::new();
        self.0.for_each(|noted| *counts.entry(day_of(noted)).or_default() += 1);
        counts
            .into_iter()
            .filter_map(|(day, count)| Some((NaiveDate::from_num_days_from_ce_opt(day)?, count)))
            .collect()
    }
}

/// The day that is noted.
fn day_of(noted: u128) -> i32 {
    noted as u32 as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_first_once_and_a_users_first_day_is_the_earliest() {
        let (seen, mut order) = (SeenEvents::with_room(0), Order::default());
        let mut first = |events: &[(i64, &str)]| {
            let keys: Vec<_> = events.iter().map(|(at_ms, id)| event_key(*at_ms, id)).collect();
            let mut first = vec![false; keys.len()];
            seen.see(&keys, &mut order, 3, |index, is_first| first[index] = is_first);
            first
        };
        assert_eq!(first(&[(1, "a"), (2, "a"), (1, "b"), (1, "a")]), [true, true, true, false]);
        assert_eq!(first(&[(1, "a"), (3, "a"), (2, "a")]), [false, true, false]);
        assert!(first(&[]).is_empty());

        let (first_days, day) = (FirstDays::new(), |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap());
        for seen in [&[("ann", 3), ("ann", 2), ("bob", 2)][..], &[("ann", 5), ("bob", 4), ("eve", 1)]] {
            let users: Vec<_> = seen.iter().map(|(user, _)| user_key(user)).collect();
            let days: Vec<_> = seen.iter().map(|(_, date)| day(*date)).collect();
            first_days.see(&users, &days, &mut order, 0);
        }
        assert_eq!(first_days.counts(), BTreeMap::from([(day(2), 2), (day(1), 1)]));
    }
}
