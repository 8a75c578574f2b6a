//! Fair shares of what is limited: however much one client asks for, something is left for others.
//!
//! A client may hold as much as is free. One alone thus gets half of all, two get a third each, and so on: those who ask for
//! little are never refused because of one that asks for much (Choudhury and Hahne's dynamic thresholds).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;

/// Clients that are known at once, at most. Beyond, those that hold nothing are forgotten.
const MAX_CLIENTS: usize = 10_000;

/// How much is accepted and waits to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Events that may wait.
    pub most: u64,
    /// Events that do.
    pub waiting: u64,
    /// All that was accepted before is counted, milliseconds since the epoch.
    pub counted_to_ms: i64,
}

/// What each client has waiting.
#[derive(Debug)]
pub struct Waiting<K>(Mutex<HashMap<K, VecDeque<(i64, u64)>>>);

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Waiting<K> {
    /// Whether so many events of this client are accepted now; they are its own from then on, until they are counted.
    pub fn take(&self, client: K, events: u64, load: Load, now_ms: i64) -> bool {
        let mut clients = self.0.lock();
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, held| held.back().is_some_and(|(at_ms, _)| *at_ms >= load.counted_to_ms));
        }
        let held = clients.entry(client).or_default();
        while held.front().is_some_and(|(at_ms, _)| *at_ms < load.counted_to_ms) {
            held.pop_front();
        }
        let mine: u64 = held.iter().map(|(_, events)| events).sum();
        // What is more than all that may wait would otherwise never get in.
        let is_let_in = load.waiting == 0 || mine + events <= load.most.saturating_sub(load.waiting);
        if is_let_in {
            held.push_back((now_ms, events));
        }
        is_let_in
    }
}

/// Places of which each client may hold a fair share.
#[derive(Debug)]
pub struct Slots<K: Eq + Hash + Clone> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A place that is taken. Dropped, it is free.
#[derive(Debug)]
pub struct Slot<'a, K: Eq + Hash + Clone> {
    slots: &'a Slots<K>,
    client: K,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// So many places.
    pub fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// A place for this client; `None` where it holds its share.
    pub fn take(&self, client: K) -> Option<Slot<'_, K>> {
        let mut taken = self.taken.lock();
        let free = self.most.saturating_sub(taken.values().sum());
        let mine = taken.get(&client).copied().unwrap_or_default();
        if mine >= free {
            return None;
        }
        taken.insert(client.clone(), mine + 1);
        Some(Slot { slots: self, client })
    }

    /// Whether there is no place for anybody.
    pub fn is_full(&self) -> bool {
        self.taken.lock().values().sum::<usize>() >= self.most
    }
}

impl<K: Eq + Hash + Clone> Drop for Slot<'_, K> {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        if let Some(mine) = taken.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_half_and_leaves_room_for_others() {
        let slots = Slots::new(12);
        let mut flood: Vec<_> = std::iter::from_fn(|| slots.take("flood")).take(100).collect();
        assert_eq!(flood.len(), 6);
        let quiet: Vec<_> = std::iter::from_fn(|| slots.take("quiet")).take(100).collect();
        assert_eq!(quiet.len(), 3);
        assert!(slots.take("third").is_some() && slots.take("flood").is_none() && !slots.is_full());
        flood.truncate(1);
        assert!(slots.take("flood").is_some());
        drop((flood, quiet));
        assert!(slots.taken.lock().is_empty());
    }

    #[test]
    fn events_wait_in_fair_shares_until_they_are_counted() {
        let waiting = Waiting::default();
        let load = |waiting, counted_to_ms| Load { most: 1_000, waiting, counted_to_ms };
        assert!(waiting.take("flood", 300, load(0, 10), 10));
        assert!(waiting.take("flood", 100, load(300, 10), 11));
        assert!(!waiting.take("flood", 300, load(400, 10), 12), "it would hold 700 of 600 that are free");
        assert!(waiting.take("quiet", 300, load(400, 10), 12));
        // The first 300 are counted.
        assert!(waiting.take("flood", 300, load(400, 11), 13));
        assert!(waiting.take("huge", 5_000, load(0, 20), 20), "more than may wait, but nothing waits");
    }
}
