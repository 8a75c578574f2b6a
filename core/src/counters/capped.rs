//! Counts by names that users make up, bounded: the most used names are kept, whenever they come.
//!
//! As long as there are at most [`MAX_COUNTER_NAMES`] names, counts are exact. Beyond that it is a Space-Saving summary (Metwally et
//! al., "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005): a new name takes the place of the one
//! with the least weight, which goes to [`OTHER`]. A new name may have been there before and lost its place; how much it can
//! have had then is noted beside its count, as its *slack*. So of n events:
//!
//! - a name that more than n / [`MAX_COUNTER_NAMES`] of them have is kept,
//! - a count is never too high, and too low by no more than its slack, at most n / [`MAX_COUNTER_NAMES`],
//! - all counts together, [`OTHER`] included, are exact.
//!
//! Summaries of several sources join without loss: counts and slacks are added, and a name that one of them lacks may have
//! had there what that one's *floor* says (Agarwal et al., "Mergeable Summaries", 2012).

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

/// Counts by name: at most [`MAX_COUNTER_NAMES`] names and [`OTHER`].
#[derive(Clone, Default)]
pub struct CappedMap<V> {
    /// In the order of the names.
    counts: Vec<Count<V>>,
    /// The most that a name without a count of its own can have had.
    floor: u64,
    /// Where names were found last, by [`guess`]: most events name what was named a moment ago.
    likely: [u8; GUESSES],
}

/// A name and its count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count<V> {
    name: Box<str>,
    pub(super) value: V,
    /// How much more it can have had, before it had this count.
    slack: u64,
}

impl<V: Weigh> Count<V> {
    /// The most that it can have had.
    fn most(&self) -> u64 {
        self.value.weight().saturating_add(self.slack)
    }
}

/// Names whose places are remembered.
const GUESSES: usize = 16;

impl<V: Weigh> CappedMap<V> {
    /// Adds to a name's count. Where there are too many names, the least used one gives way to a new one. Long names are cut,
    /// empty ones are [`NONE`].
    pub fn add(&mut self, name: &str, value: &V) {
        let name = cut(name);
        let guess = guess(name);
        let likely = usize::from(self.likely[guess]);
        if let Some(count) = self.counts.get_mut(likely).filter(|count| *count.name == *name) {
            count.value.add(value);
            return;
        }
        if let Ok(place) = self.place(name) {
            self.likely[guess] = u8::try_from(place).unwrap_or_default();
            self.counts[place].value.add(value);
            return;
        }
        if name == OTHER {
            self.count_of(OTHER, 0).value.add(value);
            return;
        }
        if self.names() >= MAX_COUNTER_NAMES {
            self.evict();
        }
        self.count_of(name, self.floor).value.add(value);
    }

    /// The place of a name, or else the one where it belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.counts.binary_search_by(|other| (*other.name).cmp(name))
    }

    /// The count of a name, which is new with this slack.
    pub(super) fn count_of(&mut self, name: &str, slack: u64) -> &mut Count<V> {
        let place = self.place(name).unwrap_or_else(|place| {
            self.counts.insert(place, Count { name: name.into(), value: V::default(), slack });
            place
        });
        &mut self.counts[place]
    }

    /// Moves the name of least weight to [`OTHER`]; of several the last one.
    fn evict(&mut self) {
        let named = self.counts.iter().enumerate().filter(|(_, count)| *count.name != *OTHER);
        let least = named.min_by_key(|(place, count)| (count.most(), usize::MAX - place)).map(|(place, _)| place);
        let Some(evicted) = least.map(|place| self.counts.remove(place)) else { return };
        self.floor = self.floor.max(evicted.most());
        self.count_of(OTHER, 0).value.add(&evicted.value);
    }

    /// Names that have a count of their own.
    pub(super) fn names(&self) -> usize {
        self.counts.len() - usize::from(self.place(OTHER).is_ok())
    }

    /// Adds each name's count, however many names there are.
    pub(super) fn merge(&mut self, other: &Self) {
        for count in &mut self.counts {
            if *count.name != *OTHER && other.place(&count.name).is_err() {
                count.slack = count.slack.saturating_add(other.floor);
            }
        }
        for theirs in &other.counts {
            let slack = if *theirs.name == *OTHER { 0 } else { self.floor };
            let is_new = self.place(&theirs.name).is_err();
            let ours = self.count_of(&theirs.name, slack);
            ours.value.add(&theirs.value);
            ours.slack =
                if is_new { slack.saturating_add(theirs.slack) } else { ours.slack.saturating_add(theirs.slack) };
        }
        self.floor = self.floor.saturating_add(other.floor);
    }

    /// The [`MAX_COUNTER_NAMES`] names that may have the most weight, equal ones by name; the rest is [`OTHER`].
    pub(super) fn capped(&self) -> Self {
        if self.names() <= MAX_COUNTER_NAMES {
            return self.clone();
        }
        let mut ranked: Vec<&Count<V>> = self.counts.iter().filter(|count| *count.name != *OTHER).collect();
        ranked.sort_by(|a, b| b.most().cmp(&a.most()).then_with(|| a.name.cmp(&b.name)));
        let (mut other, mut floor) = (self.get(OTHER).cloned().unwrap_or_default(), self.floor);
        for count in ranked.drain(MAX_COUNTER_NAMES..) {
            other.add(&count.value);
            floor = floor.max(count.most());
        }
        let other = Count { name: OTHER.into(), value: other, slack: 0 };
        let mut counts: Vec<_> = ranked.into_iter().cloned().chain([other]).collect();
        counts.sort_by(|a, b| a.name.cmp(&b.name));
        Self { counts, floor, likely: [0; GUESSES] }
    }

    /// Whether stored names are as [`Self::add`] makes them.
    pub(super) fn is_sound(&self) -> bool {
        self.names() <= MAX_COUNTER_NAMES && self.counts.iter().all(|count| cut(&count.name) == &*count.name)
    }

    /// A map in which every name has its exact count: the `most` names of most weight, equal ones by name; the rest is [`OTHER`].
    pub fn exact(counts: impl IntoIterator<Item = (Box<str>, V)>, most: usize) -> Self {
        let mut other: Option<V> = None;
        let mut ranked: Vec<(Box<str>, V)> = Vec::new();
        for (name, value) in counts {
            if *name == *OTHER { other.get_or_insert_default().add(&value) } else { ranked.push((name, value)) }
        }
        ranked.sort_unstable_by(|a, b| b.1.weight().cmp(&a.1.weight()).then_with(|| a.0.cmp(&b.0)));
        for (_, value) in ranked.drain(ranked.len().min(most)..) {
            other.get_or_insert_default().add(&value);
        }
        ranked.extend(other.map(|value| (OTHER.into(), value)));
        ranked.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let counts = ranked.into_iter().map(|(name, value)| Count { name, value, slack: 0 }).collect();
        Self { counts, floor: 0, likely: [0; GUESSES] }
    }

    /// How much the counts of names can be too low at most: 0 where every name has an exact count.
    pub fn error(&self) -> u64 {
        self.floor
    }

    /// The sum of all counts.
    pub fn total(&self) -> V {
        let mut total = V::default();
        self.counts.iter().for_each(|count| total.add(&count.value));
        total
    }

    /// The count of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.place(name).ok().map(|place| &self.counts[place].value)
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
        self.0.next().map(|count| (&*count.name, &count.value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<V: PartialEq> PartialEq for CappedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        (&self.counts, self.floor) == (&other.counts, other.floor)
    }
}

impl<V: Eq> Eq for CappedMap<V> {}

impl<V: fmt::Debug> fmt::Debug for CappedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counts.iter().map(|count| (&count.name, (&count.value, count.slack)))).finish()
    }
}

/// The stored form: the names with their counts, the floor, and the slacks that are not 0: an exact map costs one byte more than
/// its counts.
#[derive(Serialize, Deserialize)]
struct Stored<C, S> {
    counts: C,
    floor: u64,
    slacks: S,
}

/// In text, which only exact maps are written as, the counts by name; in bytes `Stored`.
impl<V: Serialize> Serialize for CappedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_map(self.counts.iter().map(|count| (&*count.name, &count.value)));
        }
        let counts: Vec<(&str, &V)> = self.counts.iter().map(|count| (&*count.name, &count.value)).collect();
        let mut slacks: Vec<u64> = self.counts.iter().map(|count| count.slack).collect();
        if slacks.iter().all(|slack| *slack == 0) {
            slacks.clear();
        }
        Stored { counts, floor: self.floor, slacks }.serialize(serializer)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for CappedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let counts: BTreeMap<Box<str>, V> = BTreeMap::deserialize(deserializer)?;
            let counts = counts.into_iter().map(|(name, value)| Count { name, value, slack: 0 }).collect();
            return Ok(Self { counts, floor: 0, likely: [0; GUESSES] });
        }
        let stored: Stored<Vec<(Box<str>, V)>, Vec<u64>> = Stored::deserialize(deserializer)?;
        let slacks = stored.slacks.into_iter().chain(std::iter::repeat(0));
        // Of equal names the last one stands.
        let counts: BTreeMap<Box<str>, (V, u64)> =
            stored.counts.into_iter().zip(slacks).map(|((name, value), slack)| (name, (value, slack))).collect();
        let counts = counts.into_iter().map(|(name, (value, slack))| Count { name, value, slack }).collect();
        Ok(Self { counts, floor: stored.floor, likely: [0; GUESSES] })
    }
}

/// Where the place of a name is remembered: of few names each most likely has its own.
fn guess(name: &str) -> usize {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    (bytes.len() + end(bytes.first()) + 3 * end(bytes.last())) % GUESSES
}

/// The name under which a name is counted: long ones are cut, empty ones are [`NONE`].
pub fn cut(name: &str) -> &str {
    if name.is_empty() { NONE } else { &name[..name.floor_char_boundary(MAX_COUNTER_NAME_BYTES)] }
}

#[cfg(test)]
mod tests;
