//! Which events were met already, and the first day of each user: exact but for equal hashes, shared by all threads.
//!
//! Ids are kept as 96 bits of a hash. Two of n different ones are the same with a chance of about n^2 / 2^97: for a thousand
//! million, one in 10^11.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike as _, NaiveDate};
use headcount_core::hash::hash128;
use parking_lot::Mutex;

use super::hashes::{Hashes, Order};

/// Odd, so that one id on different dates has different keys: the fraction of the golden ratio.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Bits of a hash that hold the timestamp instead: its last 32 bits, which tell times apart that are less than 49 days from each
/// other.
const TIME_BITS: u32 = 32;

/// What an event's id is known by, on the date that it counts on.
pub fn id_key(date: NaiveDate, id: &str) -> u128 {
    hash128(id.as_bytes()).wrapping_add((date.num_days_from_ce() as u128).wrapping_mul(MIX))
}

/// What a user is known by.
pub fn user_key(user_id: &str) -> u128 {
    hash128(user_id.as_bytes())
}

/// The timestamps and ids of events.
#[derive(Debug)]
pub struct SeenEvents {
    ids: Hashes<TIME_BITS>,
    /// The further times of the ids that came with several.
    others: Mutex<HashMap<u128, Vec<u32>>>,
}

impl SeenEvents {
    /// None, and room for about so many.
    pub fn with_room(events: usize) -> Self {
        Self { ids: Hashes::with_room(events), others: Mutex::default() }
    }

    /// Tells for the index of each event, of this [`id_key`] and timestamp, whether it is met for the first time; the earliest of
    /// equal ones is. `thread` is the number of whoever asks.
    pub fn see(
        &self,
        ids: &[u128],
        timestamps_ms: &[i64],
        order: &mut Order,
        thread: usize,
        mut tell: impl FnMut(usize, bool),
    ) {
        self.ids.look_up(ids, order, thread, |index, is_new, noted| {
            let time = timestamps_ms[index] as u32;
            if is_new {
                *noted |= u128::from(time);
            }
            tell(index, is_new || (*noted as u32 != time && self.is_new_time(ids[index], time)));
        });
    }

    fn is_new_time(&self, id: u128, time: u32) -> bool {
        let mut others = self.others.lock();
        let times = others.entry(id).or_default();
        let is_new = !times.contains(&time);
        if is_new {
            times.push(time);
        }
        is_new
    }

    /// How many ids came with more than one timestamp.
    pub fn ids_with_several_times(&self) -> u64 {
        self.others.lock().len() as u64
    }
}

/// Bits of a hash that hold the first day instead, as days from the common era.
const DAY_BITS: u32 = 32;

/// The first days of users.
#[derive(Debug)]
pub struct FirstDays(Hashes<DAY_BITS>);

impl Default for FirstDays {
    fn default() -> Self {
        Self::new()
    }
}

impl FirstDays {
    /// Nobody was there yet.
    pub fn new() -> Self {
        Self(Hashes::with_room(0))
    }

    /// The users were there on these days.
    pub fn see(&self, users: &[u128], days: &[NaiveDate], order: &mut Order, thread: usize) {
        self.0.look_up(users, order, thread, |index, is_new, noted| {
            let day = days[index].num_days_from_ce();
            if is_new || day < day_of(*noted) {
                *noted = *noted >> DAY_BITS << DAY_BITS | u128::from(day as u32);
            }
        });
    }

    /// How many users each first day has.
    pub fn counts(&self) -> BTreeMap<NaiveDate, u64> {
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
        let date = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let mut first = |events: &[(i64, &str)]| {
            let ids: Vec<_> = events.iter().map(|(_, id)| id_key(date, id)).collect();
            let times: Vec<_> = events.iter().map(|(at_ms, _)| *at_ms).collect();
            let mut first = vec![false; ids.len()];
            seen.see(&ids, &times, &mut order, 3, |index, is_first| first[index] = is_first);
            first
        };
        assert_eq!(first(&[(1, "a"), (2, "a"), (1, "b"), (1, "a")]), [true, true, true, false]);
        assert_eq!(first(&[(1, "a"), (3, "a"), (2, "a")]), [false, true, false]);
        assert!(first(&[]).is_empty());
        assert_eq!(seen.ids_with_several_times(), 1);
        let next = date.succ_opt().unwrap();
        seen.see(&[id_key(next, "b")], &[1], &mut order, 0, |_, is_first| assert!(is_first, "it counts on either day"));

        let (first_days, day) = (FirstDays::new(), |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap());
        for seen in [&[("ann", 3), ("ann", 2), ("bob", 2)][..], &[("ann", 5), ("bob", 4), ("eve", 1)]] {
            let users: Vec<_> = seen.iter().map(|(user, _)| user_key(user)).collect();
            let days: Vec<_> = seen.iter().map(|(_, date)| day(*date)).collect();
            first_days.see(&users, &days, &mut order, 0);
        }
        assert_eq!(first_days.counts(), BTreeMap::from([(day(2), 2), (day(1), 1)]));
    }
}
