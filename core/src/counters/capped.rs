//! Counts by names that users make up, bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::slice;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
#[derive(Clone, Default)]
pub struct CappedMap<V> {
    /// In the order of the names.
    counts: Vec<Count<V>>,
    /// Where names were found last, by [`guess`]: most events name what was named a moment ago.
    likely: [u8; GUESSES],
}

/// A name and its count.
type Count<V> = (Box<str>, V);

/// Names whose places are remembered.
const GUESSES: usize = 16;

impl<V: Weigh> CappedMap<V> {
    /// Adds to a name's count, or to [`OTHER`] where there are too many names already. Long names are cut, empty ones
    /// are [`NONE`].
    pub fn add(&mut self, name: &str, value: &V) {
        let name = cut(name);
        let guess = guess(name);
        let likely = usize::from(self.likely[guess]);
        if let Some((_, count)) = self.counts.get_mut(likely).filter(|(found, _)| **found == *name) {
            count.add(value);
            return;
        }
        if let Ok(place) = self.place(name) {
            self.likely[guess] = u8::try_from(place).unwrap_or_default();
            self.counts[place].1.add(value);
            return;
        }
        let name = if name == OTHER || self.names() < MAX_COUNTER_NAMES { name } else { OTHER };
        self.add_to(name, value);
    }

    /// The place of a name, or else the one where it belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.counts.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    fn add_to(&mut self, name: &str, value: &V) {
        let place = self.place(name).unwrap_or_else(|place| {
            self.counts.insert(place, (name.into(), V::default()));
            place
        });
        self.counts[place].1.add(value);
    }

    /// Names that have a count of their own.
    fn names(&self) -> usize {
        self.counts.len() - usize::from(self.place(OTHER).is_ok())
    }

    /// Adds each name's count, however many names there are.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, value) in &other.counts {
            self.add_to(name, value);
        }
    }

    /// The [`MAX_COUNTER_NAMES`] names of most weight, equal ones by name; the rest is [`OTHER`].
    pub(super) fn capped(&self) -> Self {
        if self.names() <= MAX_COUNTER_NAMES {
            return self.clone();
        }
        let mut ranked: Vec<&Count<V>> = self.counts.iter().filter(|(name, _)| **name != *OTHER).collect();
        ranked.sort_by(|a, b| b.1.weight().cmp(&a.1.weight()).then(a.0.cmp(&b.0)));
        let mut other = self.get(OTHER).cloned().unwrap_or_default();
        for (_, value) in &ranked[MAX_COUNTER_NAMES..] {
            other.add(value);
        }
        ranked.truncate(MAX_COUNTER_NAMES);
        ranked.into_iter().cloned().chain([(OTHER.into(), other)]).collect()
    }

    /// Whether stored names are as [`Self::add`] makes them.
    pub(super) fn is_sound(&self) -> bool {
        self.names() <= MAX_COUNTER_NAMES && self.counts.iter().all(|(name, _)| cut(name) == &**name)
    }

    /// The sum of all counts.
    pub fn total(&self) -> V {
        let mut total = V::default();
        self.counts.iter().for_each(|(_, value)| total.add(value));
        total
    }

    /// The count of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.place(name).ok().map(|place| &self.counts[place].1)
    }

    /// The names and their counts, in the order of the names.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter(self.counts.iter())
    }
}

impl<'a, V: Weigh> IntoIterator for &'a CappedMap<V> {
    type Item = (&'a str, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The names and counts of a [`CappedMap`].
#[derive(Clone, Debug)]
pub struct Iter<'a, V>(slice::Iter<'a, Count<V>>);

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a str, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&**name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// Of equal names the last one stands.
impl<V> FromIterator<Count<V>> for CappedMap<V> {
    fn from_iter<I: IntoIterator<Item = Count<V>>>(counts: I) -> Self {
        let counts: BTreeMap<Box<str>, V> = counts.into_iter().collect();
        Self { counts: counts.into_iter().collect(), likely: [0; GUESSES] }
    }
}

impl<V: PartialEq> PartialEq for CappedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts
    }
}

impl<V: Eq> Eq for CappedMap<V> {}

impl<V: fmt::Debug> fmt::Debug for CappedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counts.iter().map(|(name, value)| (name, value))).finish()
    }
}

impl<V: Serialize> Serialize for CappedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.counts.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for CappedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Where the place of a name is remembered: of few names each most likely has its own.
fn guess(name: &str) -> usize {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    (bytes.len() + end(bytes.first()) + 3 * end(bytes.last())) % GUESSES
}

pub(super) fn cut(name: &str) -> &str {
    if name.is_empty() { NONE } else { &name[..name.floor_char_boundary(MAX_COUNTER_NAME_BYTES)] }
}
