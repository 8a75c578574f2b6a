//! Counts by names that users make up, bounded.

use std::collections::{BTreeMap, btree_map};

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_COUNTER_NAME_BYTES, MAX_COUNTER_NAMES};

/// What is counted under no name of its own, because there were too many names.
pub const OTHER: &str = "(other)";

/// What is counted for events that name nothing.
pub const NONE: &str = "(none)";

/// What a map counts.
pub trait Weigh: Clone + Default {
    /// By what names are ranked.
    fn weight(&self) -> u64;

    /// Adds; at the largest number it stays.
    fn add(&mut self, other: &Self);
}

/// Counts by name: at most [`MAX_COUNTER_NAMES`] names and [`OTHER`], in the order of their coming.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CappedMap<V>(BTreeMap<Box<str>, V>);

impl<V: Weigh> CappedMap<V> {
    /// Adds to a name's count, or to [`OTHER`] where there are too many names already. Long names are cut, empty ones
    /// are [`NONE`].
    pub fn add(&mut self, name: &str, value: &V) {
        let name = cut(name);
        if let Some(count) = self.0.get_mut(name) {
            count.add(value);
            return;
        }
        let name = if name == OTHER || self.names() < MAX_COUNTER_NAMES { name } else { OTHER };
        self.0.entry(name.into()).or_default().add(value);
    }

    /// Names that have a count of their own.
    fn names(&self) -> usize {
        self.0.len() - usize::from(self.0.contains_key(OTHER))
    }

    /// Adds each name's count, however many names there are.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            match self.0.get_mut(name) {
                Some(count) => count.add(value),
                None => drop(self.0.insert(name.clone(), value.clone())),
            }
        }
    }

    /// The [`MAX_COUNTER_NAMES`] names of most weight, equal ones by name; the rest is [`OTHER`].
    pub(super) fn capped(&self) -> Self {
        if self.names() <= MAX_COUNTER_NAMES {
            return self.clone();
        }
        let mut ranked: Vec<_> = self.0.iter().filter(|(name, _)| ***name != *OTHER).collect();
        ranked.sort_by(|a, b| b.1.weight().cmp(&a.1.weight()).then(a.0.cmp(b.0)));
        let mut other = self.0.get(OTHER).cloned().unwrap_or_default();
        for (_, value) in &ranked[MAX_COUNTER_NAMES..] {
            other.add(value);
        }
        let mut kept: BTreeMap<_, _> =
            ranked[..MAX_COUNTER_NAMES].iter().map(|(name, value)| ((*name).clone(), (*value).clone())).collect();
        kept.insert(OTHER.into(), other);
        Self(kept)
    }

    /// Whether stored names are as [`Self::add`] makes them.
    pub(super) fn is_sound(&self) -> bool {
        self.names() <= MAX_COUNTER_NAMES && self.0.keys().all(|name| cut(name) == &**name)
    }

    /// The sum of all counts.
    pub fn total(&self) -> V {
        let mut total = V::default();
        self.0.values().for_each(|value| total.add(value));
        total
    }

    /// The count of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.0.get(name)
    }

    /// The names and their counts, in the order of the names.
    pub fn iter(&self) -> btree_map::Iter<'_, Box<str>, V> {
        self.0.iter()
    }
}

impl<'a, V: Weigh> IntoIterator for &'a CappedMap<V> {
    type Item = (&'a Box<str>, &'a V);
    type IntoIter = btree_map::Iter<'a, Box<str>, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn cut(name: &str) -> &str {
    if name.is_empty() { NONE } else { &name[..name.floor_char_boundary(MAX_COUNTER_NAME_BYTES)] }
}
