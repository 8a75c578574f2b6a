//! What a warm function remembers. **Only what a read or a confirmed write showed**: never a hope.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use headcount_core::hash::{PassedThrough, hash128};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;

/// Users whose first day is remembered, twice: one generation that fills and the one before it (about 10 MB in all).
pub const USERS_PER_GENERATION: usize = 100_000;

/// Partials that are remembered: a shard's open days, and some more where one process serves several shards.
pub const PARTIALS: usize = 32;

/// A user, by 128 bits of the hash of the id: no ids in memory, and no two users alike by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserHash(u128);

impl UserHash {
    /// The user of this id.
    pub fn of(user_id: &str) -> Self {
        Self(hash128(user_id.as_bytes()))
    }
}

/// A map from hashes.
pub(crate) type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<PassedThrough>>;

/// Users of whom it is confirmed that they were first seen on a day or earlier.
#[derive(Debug, Default)]
pub struct UserCache(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: ByHash<UserHash, NaiveDate>,
    old: ByHash<UserHash, NaiveDate>,
}

impl UserCache {
    /// Whether it is confirmed that the user was first seen on `date` or earlier.
    pub fn knows(&self, user: UserHash, date: NaiveDate) -> bool {
        let mut users = lock(&self.0);
        if let Some(first) = users.young.get(&user) {
            return *first <= date;
        }
        let Some(first) = users.old.get(&user).copied() else { return false };
        users.remember(user, first);
        first <= date
    }

    /// Remembers that the user was first seen on `date` or earlier.
    pub fn confirm(&self, user: UserHash, date: NaiveDate) {
        lock(&self.0).remember(user, date);
    }
}

impl Generations {
    fn remember(&mut self, user: UserHash, date: NaiveDate) {
        if self.young.len() >= USERS_PER_GENERATION && !self.young.contains_key(&user) {
            self.old = std::mem::take(&mut self.young);
        }
        let first = self.young.entry(user).or_insert(date);
        *first = date.min(*first);
    }
}

/// The partials that were last written.
#[derive(Debug, Default)]
pub struct PartialCache(Mutex<VecDeque<Partial>>);

impl PartialCache {
    /// Takes the partial out. It comes back by [`Self::confirm`], once what it holds is known to be in the table.
    pub fn take(&self, date: NaiveDate, source: &Source) -> Option<Partial> {
        let mut partials = lock(&self.0);
        let at = partials.iter().position(|partial| partial.date == date && partial.source == *source)?;
        partials.remove(at)
    }

    /// Remembers a partial exactly as it is in the table.
    pub fn confirm(&self, partial: Partial) {
        let mut partials = lock(&self.0);
        partials.retain(|other| other.date != partial.date || other.source != partial.source);
        partials.truncate(PARTIALS - 1);
        partials.push_front(partial);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one insertion: a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    #[test]
    fn the_earliest_confirmed_day_stands() {
        let users = UserCache::default();
        assert!(!users.knows(UserHash::of("u"), day(5)));
        users.confirm(UserHash::of("u"), day(5));
        users.confirm(UserHash::of("u"), day(7));
        assert!(
            users.knows(UserHash::of("u"), day(5))
                && users.knows(UserHash::of("u"), day(6))
                && !users.knows(UserHash::of("u"), day(4))
        );
    }

    #[test]
    fn many_users_push_out_only_those_not_asked_for() {
        let users = UserCache::default();
        users.confirm(UserHash::of("often"), day(1));
        users.confirm(UserHash::of("once"), day(1));
        for n in 0..3 * USERS_PER_GENERATION {
            users.confirm(UserHash::of(&n.to_string()), day(1));
            if n % 1_000 == 0 {
                assert!(users.knows(UserHash::of("often"), day(1)));
            }
        }
        assert!(!users.knows(UserHash::of("once"), day(1)));
        let generations = lock(&users.0);
        assert!(generations.young.len() <= USERS_PER_GENERATION && generations.old.len() <= USERS_PER_GENERATION);
    }

    #[test]
    fn partials_are_bounded_and_leave_when_taken() {
        let partials = PartialCache::default();
        for n in 0..100 {
            let source = Source::new("events", &format!("shardId-{n}"));
            partials.confirm(Partial::new(day(1), source, 14).unwrap());
        }
        assert_eq!(lock(&partials.0).len(), PARTIALS);
        let last = Source::new("events", "shardId-99");
        assert!(partials.take(day(2), &last).is_none());
        assert!(partials.take(day(1), &last).is_some());
        assert!(partials.take(day(1), &last).is_none());
        assert!(partials.take(day(1), &Source::new("events", "shardId-0")).is_none());
    }
}
