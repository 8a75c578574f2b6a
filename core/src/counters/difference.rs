//! Where two counts of the same events differ.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Counters, ModelUse, NONE, OTHER, Spent};
use crate::hash::hash64;

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
                flat.extend(map.iter().map(|(name, count)| (format!("{field}.{}", shown(field, name)), *count)));
            } else {
                flat.insert(format!("{field}.*"), map.total());
            }
        }
        for ((field, map), is_exact) in self.spent().into_iter().zip(exact.spent) {
            let total = ("*", &map.total());
            let names: Vec<_> = if is_exact { map.iter().collect() } else { vec![total] };
            for (name, Spent { requests, tokens, cost_nanos }) in names {
                let name = shown(field, name);
                flat.insert(format!("{field}.{name}.requests"), *requests);
                flat.insert(format!("{field}.{name}.tokens"), *tokens);
                flat.insert(format!("{field}.{name}.costNanos"), u64::try_from(*cost_nanos).unwrap_or(u64::MAX));
            }
        }
        let total = ("*", &self.models.total());
        let models: Vec<_> = if exact.models { self.models.iter().collect() } else { vec![total] };
        for (model, ModelUse { requests, tokens, cost_nanos, errors, unpriced, latencies }) in models {
            flat.insert(format!("aiUsage.{model}.requests"), *requests);
            flat.insert(format!("aiUsage.{model}.tokens"), *tokens);
            flat.insert(format!("aiUsage.{model}.costNanos"), u64::try_from(*cost_nanos).unwrap_or(u64::MAX));
            flat.insert(format!("aiUsage.{model}.errors"), *errors);
            flat.insert(format!("aiUsage.{model}.unpriced"), *unpriced);
            for (ms, count) in latencies.buckets() {
                flat.insert(format!("aiUsage.{model}.latencyMs.{ms}"), count);
            }
        }
        flat
    }
}

/// A name as a difference shows it, and logs do: of accounts and users only a hash.
fn shown<'a>(field: &str, name: &'a str) -> Cow<'a, str> {
    let is_id = matches!(field, "accounts" | "aiByAccount" | "aiByUser") && !matches!(name, "*" | OTHER | NONE);
    if is_id { format!("#{:016x}", hash64(name.as_bytes())).into() } else { name.into() }
}

/// Which maps are exact on both sides.
#[derive(Clone, Copy)]
struct Exact {
    maps: [bool; 6],
    models: bool,
    spent: [bool; 3],
}

impl Exact {
    fn of(one: &Counters, other: &Counters) -> Self {
        let (ones, others) = (one.maps(), other.maps());
        let maps = std::array::from_fn(|index| ones[index].1.error() == 0 && others[index].1.error() == 0);
        let (ones, others) = (one.spent(), other.spent());
        let spent = std::array::from_fn(|index| ones[index].1.error() == 0 && others[index].1.error() == 0);
        Self { maps, models: one.models.error() == 0 && other.models.error() == 0, spent }
    }
}
