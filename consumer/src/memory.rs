//! Events that were appended lately, by their hashes: a producer's retry is known as one, wherever it arrives.
//!
//! The memory serves live figures. Exactness does not rest on it: what it forgets or never knew is found when the date is
//! counted again from the log.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use headcount_core::event::Event;
use headcount_core::hash::{Hasher128, PassedThrough};
use parking_lot::Mutex;

/// Hashes in one of the two generations: one fills, the other one is the one before it. Together they take 36 MB at most.
pub const HASHES_PER_GENERATION: usize = 900_000;

/// An event's identity: its id and its timestamp, hashed to 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventHash(u128);

impl EventHash {
    /// The identity of an event.
    pub fn of(event: &Event<'_>) -> Self {
        let mut hasher = Hasher128::default();
        hasher.update(&event.timestamp_ms.to_le_bytes());
        hasher.update(event.id.as_bytes());
        Self(hasher.finish())
    }
}

/// A set of identities.
pub type EventHashes = HashSet<EventHash, BuildHasherDefault<PassedThrough>>;

/// A bounded set of the newest identities. **It takes an event's only once its entry is committed.**
#[derive(Debug, Default)]
pub struct Memory(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: EventHashes,
    old: EventHashes,
}

impl Memory {
    /// Whether the event is known to be in the log.
    pub fn knows(&self, event: EventHash) -> bool {
        let generations = self.0.lock();
        generations.young.contains(&event) || generations.old.contains(&event)
    }

    /// Takes the events of an entry that is committed.
    pub fn add(&self, events: impl IntoIterator<Item = EventHash>) {
        let mut generations = self.0.lock();
        for event in events {
            if generations.young.len() >= HASHES_PER_GENERATION {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.insert(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_and_the_number_is_bounded() {
        let memory = Memory::default();
        let hash = |n: usize| EventHash(n as u128);
        memory.add((0..3 * HASHES_PER_GENERATION).map(hash));
        assert!(memory.knows(hash(3 * HASHES_PER_GENERATION - 1)) && memory.knows(hash(2 * HASHES_PER_GENERATION)));
        assert!(!memory.knows(hash(0)));
        let generations = memory.0.lock();
        assert!(generations.young.len() <= HASHES_PER_GENERATION && generations.old.len() <= HASHES_PER_GENERATION);
    }
}
