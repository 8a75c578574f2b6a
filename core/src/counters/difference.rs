//! Where two counts of the same events differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Counters, Spent};

/// What is compared beside the events' own counters. Raw events cannot tell duplicates, and rejected items expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Compare `duplicates`.
    pub duplicates: bool,
    /// Compare `rejected`.
    pub rejected: bool,
}

/// One counter that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The counter (`featureUsage.search`).
    pub counter: String,
    /// What is stored.
    pub stored: u64,
    /// What was counted again.
    pub recounted: u64,
}

impl Counters {
    /// The counters in which `self`, which is stored, differs from `recounted`, by name. Of a map that has more names than it can
    /// tell apart, what is kept depends on the order of the events: of such a map only the sums are compared.
    pub fn difference(&self, recounted: &Self, compare: Compare) -> Vec<Difference> {
        let exact = Exact::of(self, recounted);
        let (stored, recounted) = (self.flat(compare, exact), recounted.flat(compare, exact));
        let names = stored.keys().chain(recounted.keys().filter(|name| !stored.contains_key(*name)));
        let mut differences: Vec<Difference> = names
            .map(|name| {
                let count = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
                Difference { counter: name.clone(), stored: count(&stored), recounted: count(&recounted) }
            })
            .filter(|difference| difference.stored != difference.recounted)
            .collect();
        differences.sort_by(|a, b| a.counter.cmp(&b.counter));
        differences
    }

    fn flat(&self, compare: Compare, exact: Exact) -> BTreeMap<String, u64> {
        let mut flat = BTreeMap::from([
            ("events".to_owned(), self.events),
            ("eventsWithoutUser".to_owned(), self.without_user),
            ("eventsWithoutSession".to_owned(), self.without_session),
        ]);
        if compare.duplicates {
            flat.insert("duplicates".to_owned(), self.duplicates);
        }
        if compare.rejected {
            flat.insert("rejected".to_owned(), self.rejected);
        }
        for (hour, count) in self.by_hour.iter().enumerate() {
            flat.insert(format!("eventsByHour.{hour:02}"), *count);
        }
        for ((field, map), is_exact) in self.maps().into_iter().zip(exact.maps) {
            if is_exact {
                flat.extend(map.iter().map(|(name, count)| (format!("{field}.{name}"), *count)));
            } else {
                flat.insert(format!("{field}.*"), map.total());
            }
        }
        let total = ("*", &self.ai_accounts.total());
        let accounts: Vec<_> = if exact.ai_accounts { self.ai_accounts.iter().collect() } else { vec![total] };
        for (account, Spent { requests, tokens, cost_nanos }) in accounts {
            flat.insert(format!("aiByAccount.{account}.requests"), *requests);
            flat.insert(format!("aiByAccount.{account}.tokens"), *tokens);
            flat.insert(format!("aiByAccount.{account}.costNanos"), u64::try_from(*cost_nanos).unwrap_or(u64::MAX));
        }
        let total = ("*", &self.models.total());
        let models: Vec<_> = if exact.models { self.models.iter().collect() } else { vec![total] };
        for (model, used) in models {
            flat.insert(format!("aiUsage.{model}.requests"), used.requests);
            flat.insert(format!("aiUsage.{model}.tokens"), used.tokens);
            flat.insert(format!("aiUsage.{model}.costNanos"), u64::try_from(used.cost_nanos).unwrap_or(u64::MAX));
        }
        flat
    }
}

/// Which maps are exact on both sides.
#[derive(Clone, Copy)]
struct Exact {
    maps: [bool; 6],
    models: bool,
    ai_accounts: bool,
}

impl Exact {
    fn of(one: &Counters, other: &Counters) -> Self {
        let (ones, others) = (one.maps(), other.maps());
        let maps = std::array::from_fn(|index| ones[index].1.error() == 0 && others[index].1.error() == 0);
        Self {
            maps,
            models: one.models.error() == 0 && other.models.error() == 0,
            ai_accounts: one.ai_accounts.error() == 0 && other.ai_accounts.error() == 0,
        }
    }
}
