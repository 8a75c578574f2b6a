//! How much memory requests may hold together.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that one permit stands for. A semaphore counts fewer permits than memory has bytes.
const UNIT_BYTES: usize = 1_024;

/// Bytes that all bodies under way may hold together, as they came and decompressed: 64 MiB. Taken apart, a body's events
/// need some times as much, so a collector stays below half a gigabyte.
pub const MAX_BYTES_AT_WORK: usize = 64 << 20;

/// Bytes that may be held.
#[derive(Debug)]
pub(super) struct Budget(Semaphore);

/// What one request holds. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    budget: &'a Semaphore,
    held: Option<SemaphorePermit<'a>>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Semaphore::new(bytes / UNIT_BYTES))
    }

    /// A charge of nothing yet.
    pub(super) fn open(&self) -> Charge<'_> {
        Charge { budget: &self.0, held: None, bytes: 0 }
    }
}

impl Charge<'_> {
    /// Holds so many bytes more; whether there was room.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        let units = (self.bytes + bytes).div_ceil(UNIT_BYTES);
        let more = units - self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let Some(permit) = u32::try_from(more).ok().and_then(|more| self.budget.try_acquire_many(more).ok()) else {
            return false;
        };
        self.bytes += bytes;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bytes_add_up_and_come_back() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let mut charge = budget.open();
        for _ in 0..4 * UNIT_BYTES {
            assert!(charge.add(1));
        }
        assert!(!charge.add(1) && charge.add(0));
        let mut other = budget.open();
        assert!(!other.add(1));
        drop(charge);
        assert!(other.add(4 * UNIT_BYTES));
        assert!(!budget.open().add(usize::MAX / 2));
    }
}
