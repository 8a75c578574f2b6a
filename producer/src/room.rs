//! The room of the queue: so many events, so many bytes, from being taken until their fate is known.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// What one event takes beside its JSON and its partition key: bookkeeping, roughly, in bytes.
pub(crate) const EVENT_OVERHEAD_BYTES: usize = 100;

/// How much of the room is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// The most bytes that were ever taken.
    pub(crate) most_bytes: usize,
}

/// The room.
#[derive(Debug)]
pub(crate) struct Room {
    max_events: usize,
    max_bytes: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

impl Room {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self { max_events, max_bytes, taken: Mutex::default(), freed: Notify::new() }
    }

    /// Takes room for one event, if there is any. An event larger than the whole room gets it while it is empty.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Taken> {
        let mut taken = self.lock();
        let fits = taken.events < self.max_events && taken.bytes + bytes <= self.max_bytes;
        if !fits && taken.events > 0 {
            return Err(*taken);
        }
        taken.events += 1;
        taken.bytes += bytes;
        taken.most_bytes = taken.most_bytes.max(taken.bytes);
        Ok(())
    }

    /// Takes room for one event, when there is any.
    pub(crate) async fn wait(&self, bytes: usize) {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Listening begins before looking, so that nothing is missed in between.
            freed.as_mut().enable();
            if self.take(bytes).is_ok() {
                return;
            }
            freed.await;
        }
    }

    pub(crate) fn give_back(&self, events: usize, bytes: usize) {
        {
            let mut taken = self.lock();
            taken.events = taken.events.saturating_sub(events);
            taken.bytes = taken.bytes.saturating_sub(bytes);
        }
        self.freed.notify_waiters();
    }

    pub(crate) fn taken(&self) -> Taken {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold() {
        let room = Room::new(3, 100);
        assert_eq!(room.take(60), Ok(()));
        assert_eq!(room.take(41), Err(Taken { events: 1, bytes: 60, most_bytes: 60 }));
        assert_eq!((room.take(20), room.take(20)), (Ok(()), Ok(())));
        assert!(room.take(0).is_err(), "three events are there");
        room.give_back(3, 100);
        assert_eq!(room.take(1_000), Ok(()), "what is too large for any room gets the empty one");
        assert!(room.take(0).is_err());
        assert_eq!(room.taken().most_bytes, 1_000);
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back() {
        let room = std::sync::Arc::new(Room::new(1, 10));
        room.take(1).unwrap();
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.wait(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        room.give_back(1, 1);
        waiting.await.unwrap();
        assert_eq!(room.taken().events, 1);
    }
}
