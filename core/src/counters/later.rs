//! What came after a proof: a source's counters now, less what they were at the proof's position.

use std::collections::BTreeSet;

use super::{CappedMap, Counters, ModelUse, OTHER, Spent, Weigh};
use crate::limits::MAX_COUNTER_NAMES;

/// What a count grew by.
trait Grown: Weigh {
    /// By how much `self` exceeds `earlier`; nothing where it does not.
    fn beyond(&self, earlier: &Self) -> Self;
}

impl Grown for u64 {
    fn beyond(&self, earlier: &Self) -> Self {
        self.saturating_sub(*earlier)
    }
}

impl Grown for ModelUse {
    fn beyond(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            tokens: self.tokens.saturating_sub(earlier.tokens),
            cost_nanos: self.cost_nanos.saturating_sub(earlier.cost_nanos),
            errors: self.errors.saturating_sub(earlier.errors),
            unpriced: self.unpriced.saturating_sub(earlier.unpriced),
            latencies: self.latencies.beyond(&earlier.latencies),
        }
    }
}

impl Grown for Spent {
    fn beyond(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            tokens: self.tokens.saturating_sub(earlier.tokens),
            cost_nanos: self.cost_nanos.saturating_sub(earlier.cost_nanos),
        }
    }
}

impl Counters {
    /// Adds to exact counters what one source counted since: `now` less `then`, which is what the same source had counted at the
    /// position up to which these counters are exact. A name that is listed stays listed; what new names have goes to [`OTHER`]
    /// once there are [`MAX_COUNTER_NAMES`].
    pub fn add_since(&mut self, now: &Self, then: &Self) {
        Weigh::add(&mut self.events, &now.events.beyond(&then.events));
        Weigh::add(&mut self.rejected, &now.rejected.beyond(&then.rejected));
        Weigh::add(&mut self.duplicates, &now.duplicates.beyond(&then.duplicates));
        Weigh::add(&mut self.without_user, &now.without_user.beyond(&then.without_user));
        Weigh::add(&mut self.without_session, &now.without_session.beyond(&then.without_session));
        for (hour, (now, then)) in self.by_hour.iter_mut().zip(now.by_hour.iter().zip(&then.by_hour)) {
            Weigh::add(hour, &now.beyond(then));
        }
        add_since(&mut self.by_type, &now.by_type, &then.by_type);
        add_since(&mut self.features, &now.features, &then.features);
        add_since(&mut self.content, &now.content, &then.content);
        add_since(&mut self.models, &now.models, &then.models);
        add_since(&mut self.errors, &now.errors, &then.errors);
        add_since(&mut self.platforms, &now.platforms, &then.platforms);
        add_since(&mut self.accounts, &now.accounts, &then.accounts);
        add_since(&mut self.ai_accounts, &now.ai_accounts, &then.ai_accounts);
        add_since(&mut self.ai_features, &now.ai_features, &then.ai_features);
        add_since(&mut self.ai_users, &now.ai_users, &then.ai_users);
    }
}

/// A summary of too many names may have moved a name to [`OTHER`] since: the sum of all counts is right whatever it did, so the
/// part of it that no name accounts for goes there.
fn add_since<V: Grown>(exact: &mut CappedMap<V>, now: &CappedMap<V>, then: &CappedMap<V>) {
    let mut rest = now.total().beyond(&then.total());
    let names: BTreeSet<&str> = now.iter().map(|(name, _)| name).filter(|name| *name != OTHER).collect();
    for name in names {
        let grown = now.get(name).cloned().unwrap_or_default().beyond(&then.get(name).cloned().unwrap_or_default());
        // No name has more than all together.
        let grown = V::clone(&grown).beyond(&grown.beyond(&rest));
        let is_listed = exact.get(name).is_some();
        if grown.weight() == 0 || !is_listed && exact.names() >= MAX_COUNTER_NAMES {
            continue;
        }
        rest = rest.beyond(&grown);
        exact.count_of(name, 0).value.add(&grown);
    }
    if rest.weight() > 0 {
        exact.count_of(OTHER, 0).value.add(&rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(counts: &[(&str, u64)]) -> CappedMap<u64> {
        let mut map = CappedMap::default();
        for (name, count) in counts {
            map.add(name, count);
        }
        map
    }

    fn counts(map: &CappedMap<u64>) -> Vec<(&str, u64)> {
        map.iter().map(|(name, count)| (name, *count)).collect()
    }

    #[test]
    fn what_came_since_is_added_to_what_is_exact() {
        // The source had counted a duplicate that the exact map does not have.
        let mut exact = map(&[("a", 4), ("b", 2)]);
        add_since(&mut exact, &map(&[("a", 6), ("b", 2), ("c", 3)]), &map(&[("a", 5), ("b", 2)]));
        assert_eq!(counts(&exact), [("a", 5), ("b", 2), ("c", 3)]);
    }

    #[test]
    fn a_name_that_lost_its_place_keeps_what_is_exact_and_the_sum_is_right() {
        let mut exact = map(&[("a", 4), ("b", 2)]);
        add_since(&mut exact, &map(&[("a", 7), (OTHER, 3)]), &map(&[("a", 4), ("b", 2)]));
        assert_eq!(counts(&exact), [(OTHER, 1), ("a", 7), ("b", 2)]);
    }

    #[test]
    fn new_names_beyond_the_bound_are_other() {
        let mut exact = CappedMap::default();
        (0..MAX_COUNTER_NAMES).for_each(|n| exact.add(&format!("n{n}"), &1));
        add_since(&mut exact, &map(&[("n0", 2), ("new", 5)]), &map(&[("n0", 1)]));
        assert_eq!((exact.get("n0"), exact.get("new"), exact.get(OTHER)), (Some(&2), None, Some(&5)));
    }

    #[test]
    fn all_counters_grow() {
        let mut then = Counters {
            events: 5,
            rejected: 1,
            duplicates: 2,
            without_user: 3,
            without_session: 1,
            ..Counters::default()
        };
        then.by_hour[3] = 5;
        let mut now =
            Counters { events: 8, rejected: 2, duplicates: 4, without_user: 4, without_session: 3, ..then.clone() };
        (now.by_hour[3], now.by_hour[4]) = (6, 2);
        let mut exact = Counters { events: 4, duplicates: 3, rejected: 1, without_user: 3, ..Counters::default() };
        exact.by_hour[3] = 4;
        exact.add_since(&now, &then);
        assert_eq!((exact.events, exact.rejected, exact.duplicates), (7, 2, 5));
        assert_eq!((exact.without_user, exact.without_session), (4, 2));
        assert_eq!(exact.by_hour[3..5], [5, 2]);
    }
}
