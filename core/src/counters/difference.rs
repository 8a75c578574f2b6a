//! Where two counts of the same events differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Counters;

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
    /// The counters in which `self`, which is stored, differs from `recounted`, by name.
    pub fn difference(&self, recounted: &Self, compare: Compare) -> Vec<Difference> {
        let (stored, recounted) = (self.flat(compare), recounted.flat(compare));
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

    fn flat(&self, compare: Compare) -> BTreeMap<String, u64> {
        let mut flat = BTreeMap::from([("events".to_owned(), self.events)]);
        if compare.duplicates {
            flat.insert("duplicates".to_owned(), self.duplicates);
        }
        if compare.rejected {
            flat.insert("rejected".to_owned(), self.rejected);
        }
        for (hour, count) in self.by_hour.iter().enumerate() {
            flat.insert(format!("eventsByHour.{hour:02}"), *count);
        }
        for (field, map) in [
            ("eventsByType", &self.by_type),
            ("featureUsage", &self.features),
            ("contentCreated", &self.content),
            ("errors", &self.errors),
            ("platforms", &self.platforms),
        ] {
            flat.extend(map.iter().map(|(name, count)| (format!("{field}.{name}"), *count)));
        }
        for (model, used) in &self.models {
            flat.insert(format!("aiUsage.{model}.requests"), used.requests);
            flat.insert(format!("aiUsage.{model}.tokens"), used.tokens);
            flat.insert(format!("aiUsage.{model}.costNanos"), u64::try_from(used.cost_nanos).unwrap_or(u64::MAX));
        }
        flat
    }
}
