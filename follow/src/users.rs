//! Users whose first day is known to the table. **Only what a read or a confirmed write showed.**

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use chrono::NaiveDate;
use headcount_core::hash::{PassedThrough, hash128};

/// Users that are remembered, twice: one generation that fills and the one before it (about 10 MB in all).
pub const USERS_PER_GENERATION: usize = 100_000;

/// A user, by 128 bits of the hash of the id: no ids in memory, and no two users alike by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserHash(u128);

impl UserHash {
    /// The user of this id.
    pub fn of(user_id: &str) -> Self {
        Self(hash128(user_id.as_bytes()))
    }
}

type ByUser<V> = HashMap<UserHash, V, BuildHasherDefault<PassedThrough>>;

/// Users of whom it is confirmed that they were first seen on a day or earlier.
#[derive(Debug, Default)]
pub struct KnownUsers {
    young: ByUser<NaiveDate>,
    old: ByUser<NaiveDate>,
}

impl KnownUsers {
    /// Whether it is confirmed that the user was first seen on `date` or earlier.
    pub fn knows(&mut self, user: UserHash, date: NaiveDate) -> bool {
        if let Some(first) = self.young.get(&user) {
            return *first <= date;
        }
        let Some(first) = self.old.get(&user).copied() else { return false };
        self.confirm(user, first);
        first <= date
    }

    /// Remembers that the user was first seen on `date` or earlier.
    pub fn confirm(&mut self, user: UserHash, date: NaiveDate) {
        if self.young.len() >= USERS_PER_GENERATION && !self.young.contains_key(&user) {
            self.old = std::mem::take(&mut self.young);
        }
        let first = self.young.entry(user).or_insert(date);
        *first = date.min(*first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    #[test]
    fn the_earliest_confirmed_day_stands() {
        let mut users = KnownUsers::default();
        let user = UserHash::of("u");
        assert!(!users.knows(user, day(5)));
        users.confirm(user, day(5));
        users.confirm(user, day(7));
        assert!(users.knows(user, day(5)) && users.knows(user, day(6)) && !users.knows(user, day(4)));
    }

    #[test]
    fn many_users_push_out_only_those_not_asked_for() {
        let mut users = KnownUsers::default();
        users.confirm(UserHash::of("often"), day(1));
        users.confirm(UserHash::of("once"), day(1));
        for n in 0..3 * USERS_PER_GENERATION {
            users.confirm(UserHash::of(&n.to_string()), day(1));
            if n % 1_000 == 0 {
                assert!(users.knows(UserHash::of("often"), day(1)));
            }
        }
        assert!(!users.knows(UserHash::of("once"), day(1)));
        assert!(users.young.len() <= USERS_PER_GENERATION && users.old.len() <= USERS_PER_GENERATION);
    }
}
