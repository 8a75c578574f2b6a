//! A set of hashes that grows, 16 bytes each, shared by threads in shards.

use std::hint::black_box;

use parking_lot::Mutex;

/// Shards: each thread goes through them all with every batch, beginning with another one, so that they seldom meet.
const SHARDS: usize = 64;

/// Slots of a shard that are made at first, at least.
const FEWEST_SLOTS: usize = 64;

/// Hashes that there is room for from the beginning, at most: half a gigabyte for them is not taken on suspicion.
const MOST_EXPECTED: usize = 1 << 24;

/// Hashes of 128 bits, of which the last `NOTED` bits are no hash: they hold a note on it.
#[derive(Debug)]
pub struct Hashes<const NOTED: u32>(Vec<Mutex<Shard<NOTED>>>);

/// In which order a batch is looked up; made once and used for many.
#[derive(Debug, Default)]
pub struct Order {
    /// Where each shard's part of `indexes` ends.
    ends: Vec<usize>,
    indexes: Vec<u32>,
}

impl<const NOTED: u32> Hashes<NOTED> {
    /// None, and room for about so many: to make room later, what is there must be put elsewhere.
    pub fn with_room(expected: usize) -> Self {
        let slots = FEWEST_SLOTS.max(slots_for(expected.min(MOST_EXPECTED) / SHARDS));
        Self((0..SHARDS).map(|_| Mutex::new(Shard { slots: vec![0; slots], used: 0 })).collect())
    }

    /// Looks each of the hashes up, equal ones in their order, and adds those that are not there. `see` is told the index of
    /// the hash, whether it was added, and may change the note.
    pub fn look_up(
        &self,
        hashes: &[u128],
        order: &mut Order,
        first: usize,
        mut see: impl FnMut(usize, bool, &mut u128),
    ) {
        order.sort(hashes);
        for number in (0..SHARDS).map(|number| (number + first) % SHARDS) {
            let indexes = order.of_shard(number);
            if indexes.is_empty() {
                continue;
            }
            let mut shard = self.0[number].lock();
            shard.make_room(indexes.len());
            shard.touch(indexes.iter().map(|index| hashes[*index as usize]));
            for index in indexes {
                let (is_new, slot) = shard.slot_of(hashes[*index as usize]);
                see(*index as usize, is_new, slot);
            }
        }
    }

    /// Shows each hash with its note.
    pub fn for_each(&self, mut see: impl FnMut(u128)) {
        for shard in &self.0 {
            shard.lock().slots.iter().filter(|slot| **slot != 0).for_each(|slot| see(*slot));
        }
    }
}

/// The shard of a hash: of bits that neither choose a slot nor hold a note.
fn shard_of(hash: u128) -> usize {
    (hash >> 40) as usize % SHARDS
}

impl Order {
    fn sort(&mut self, hashes: &[u128]) {
        self.ends.clear();
        self.ends.resize(SHARDS, 0);
        for hash in hashes {
            self.ends[shard_of(*hash)] += 1;
        }
        let mut begin = 0;
        for end in &mut self.ends {
            begin += std::mem::replace(end, begin);
        }
        self.indexes.resize(hashes.len(), 0);
        for (index, hash) in (0..).zip(hashes) {
            let place = &mut self.ends[shard_of(*hash)];
            self.indexes[*place] = index;
            *place += 1;
        }
    }

    fn of_shard(&self, shard: usize) -> &[u32] {
        let begin = if shard == 0 { 0 } else { self.ends[shard - 1] };
        &self.indexes[begin..self.ends[shard]]
    }
}

/// Open addressing with linear probing. A slot's place grows with the hash, so a larger table is filled from its
/// beginning to its end.
#[derive(Debug)]
struct Shard<const NOTED: u32> {
    slots: Vec<u128>,
    used: usize,
}

/// Three quarters of the slots are used at most.
fn slots_for(hashes: usize) -> usize {
    hashes + hashes / 3 + 1
}

impl<const NOTED: u32> Shard<NOTED> {
    /// A larger table has half as many slots again.
    fn make_room(&mut self, more: usize) {
        let wanted = slots_for(self.used + more);
        if wanted <= self.slots.len() {
            return;
        }
        let length = wanted.max(self.slots.len() + self.slots.len() / 2);
        let slots = std::mem::replace(&mut self.slots, vec![0; length]);
        for slot in slots.into_iter().filter(|slot| *slot != 0) {
            let place = self.place(slot);
            self.slots[place] = slot;
        }
    }

    /// Reads the slots of all hashes one after the other, so that memory is waited for once and not for each.
    fn touch(&self, hashes: impl Iterator<Item = u128>) {
        let read = hashes.fold(0, |read, hash| read ^ self.slots[self.first_place(hash)] as u64);
        black_box(read);
    }

    /// The hash's slot, and whether it is new.
    fn slot_of(&mut self, hash: u128) -> (bool, &mut u128) {
        // Without a note yet; and never 0, which is an empty slot.
        let hash = (hash >> NOTED).max(1) << NOTED;
        let place = self.place(hash);
        let slot = &mut self.slots[place];
        let is_new = *slot == 0;
        if is_new {
            *slot = hash;
            self.used += 1;
        }
        (is_new, slot)
    }

    /// Where the hash is, or where it belongs.
    fn place(&self, hash: u128) -> usize {
        let mut place = self.first_place(hash);
        while self.slots[place] != 0 && (self.slots[place] ^ hash) >> NOTED != 0 {
            place += 1;
            if place == self.slots.len() {
                place = 0;
            }
        }
        place
    }

    fn first_place(&self, hash: u128) -> usize {
        (((hash >> 64) * self.slots.len() as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use headcount_core::hash::hash128;

    use super::*;

    fn hash(number: u32) -> u128 {
        hash128(&number.to_le_bytes())
    }

    #[test]
    fn each_hash_is_new_once_however_many_there_are() {
        for expected in [0, 30_000, 1 << 20] {
            let (hashes, mut order) = (Hashes::<0>::with_room(expected), Order::default());
            let mut times = HashMap::new();
            for batch in 0..60 {
                // The second half of each batch comes again as the first half of the next one, and once more within its own.
                let mut numbers: Vec<_> = (batch * 1_000..batch * 1_000 + 2_000).collect();
                numbers.extend(batch * 1_000 + 1_500..batch * 1_000 + 2_000);
                let batch_hashes: Vec<_> = numbers.iter().map(|number| hash(*number)).collect();
                let mut seen = Vec::new();
                hashes.look_up(&batch_hashes, &mut order, batch as usize, |index, is_new, _| {
                    seen.push(index);
                    assert!(!is_new || index < 2_000, "the earlier one of the batch is the new one");
                    *times.entry(numbers[index]).or_insert(0) += u32::from(is_new);
                });
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..numbers.len()), "each is looked up once");
            }
            assert_eq!((times.len(), times.values().max()), (61_000, Some(&1)));
            let mut kept = Vec::new();
            hashes.for_each(|hash| kept.push(hash));
            let mut wanted: Vec<_> = (0..61_000).map(hash).collect();
            kept.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(kept, wanted);
        }
    }

    #[test]
    fn what_is_noted_stays_with_its_hash_when_the_table_grows() {
        let (hashes, mut order) = (Hashes::<32>::with_room(0), Order::default());
        // The last bits are no hash: these differ in nothing else.
        let of = |number: u32, last: u32| hash(number) >> 32 << 32 | u128::from(last);
        for round in 0..3 {
            let batch: Vec<_> = (0..20_000).map(|number| of(number, round)).collect();
            hashes.look_up(&batch, &mut order, 0, |index, is_new, noted| {
                assert_eq!(is_new, round == 0, "{index}");
                assert_eq!(*noted as u32, if round == 0 { 0 } else { index as u32 * 3 + round - 1 });
                *noted = *noted >> 32 << 32 | (index as u128 * 3 + u128::from(round));
            });
        }
        let mut count = 0;
        hashes.for_each(|_| count += 1);
        assert_eq!(count, 20_000);
    }

    #[test]
    fn a_hash_of_nothing_but_zeros_is_one_too() {
        let (hashes, mut order) = (Hashes::<0>::with_room(0), Order::default());
        let mut new = Vec::new();
        hashes.look_up(&[0, 0, 1 << 64], &mut order, 0, |_, is_new, _| new.push(is_new));
        assert_eq!(new, [true, false, true]);
    }

    #[test]
    fn threads_at_once_find_each_hash_new_once() {
        let hashes = Hashes::<0>::with_room(0);
        let new: usize = std::thread::scope(|scope| {
            let look_up = |thread| {
                let hashes = &hashes;
                scope.spawn(move || {
                    let (mut order, mut new) = (Order::default(), 0);
                    for batch in 0..50 {
                        let batch: Vec<_> = (batch * 500..batch * 500 + 1_000).map(hash).collect();
                        hashes.look_up(&batch, &mut order, thread, |_, is_new, _| new += usize::from(is_new));
                    }
                    new
                })
            };
            let threads: Vec<_> = (0..4).map(look_up).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(new, 25_500);
    }
}
