//! The connections of one listener. When all are taken, the one that has waited longest without a complete request is closed, so
//! clients that only connect, or send slowly, cannot keep others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    per_peer: usize,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    last: u64,
    by_id: HashMap<u64, Guest>,
    of_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Guest {
    peer: IpAddr,
    /// Since when no whole request of it has been there; `None` while one is answered.
    waits_since: Option<Instant>,
    must_go: Arc<Notify>,
}

/// One connection's place. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    id: u64,
    must_go: Arc<Notify>,
}

impl Room {
    pub(crate) fn new(most: usize, per_peer: usize) -> Arc<Self> {
        Arc::new(Self { most, per_peer, guests: Mutex::default() })
    }

    /// A place for a connection of this peer; `None` where all are taken by requests that are being answered.
    pub(crate) fn seat(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let mut guests = self.guests();
        if guests.of_peer.get(&peer).is_some_and(|count| *count >= self.per_peer) {
            guests.dismiss(Some(peer))?;
        }
        if guests.by_id.len() >= self.most {
            guests.dismiss(None)?;
        }
        guests.last += 1;
        let (id, must_go) = (guests.last, Arc::new(Notify::new()));
        let guest = Guest { peer, waits_since: Some(Instant::now()), must_go: Arc::clone(&must_go) };
        guests.by_id.insert(id, guest);
        *guests.of_peer.entry(peer).or_default() += 1;
        Some(Seat { room: Arc::clone(self), id, must_go })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock()
    }
}

impl Guests {
    /// Sends away the connection that has waited longest, of this peer or of any.
    fn dismiss(&mut self, of: Option<IpAddr>) -> Option<()> {
        let waiting = self.by_id.iter().filter(|(_, guest)| of.is_none_or(|peer| guest.peer == peer));
        let waiting = waiting.filter_map(|(id, guest)| Some((guest.waits_since?, *id)));
        let (_, id) = waiting.min()?;
        if let Some(guest) = self.leave(id) {
            guest.must_go.notify_one();
        }
        Some(())
    }

    fn leave(&mut self, id: u64) -> Option<Guest> {
        let guest = self.by_id.remove(&id)?;
        if let Some(count) = self.of_peer.get_mut(&guest.peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&guest.peer);
            }
        }
        Some(guest)
    }
}

impl Seat {
    /// A whole request is there, or none any more.
    pub(crate) fn set_working(&self, is_working: bool) {
        if let Some(guest) = self.room.guests().by_id.get_mut(&self.id) {
            guest.waits_since = (!is_working).then(Instant::now);
        }
    }

    /// Whether a whole request is there.
    pub(crate) fn is_working(&self) -> bool {
        self.room.guests().by_id.get(&self.id).is_some_and(|guest| guest.waits_since.is_none())
    }

    /// Until it must go.
    pub(crate) async fn dismissed(&self) {
        self.must_go.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.guests().leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::*;

    fn peer(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    async fn is_dismissed(seat: &Seat) -> bool {
        timeout(Duration::ZERO, seat.dismissed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_waits_longest_goes_and_none_that_is_being_answered() {
        let room = Room::new(3, 3);
        let mut seats = Vec::new();
        for last in 1..=3 {
            seats.push(room.seat(peer(last)).unwrap());
            advance(Duration::from_secs(1)).await;
        }
        seats[0].set_working(true);
        let fourth = room.seat(peer(4)).unwrap();
        assert!(!is_dismissed(&seats[0]).await && is_dismissed(&seats[1]).await && !is_dismissed(&seats[2]).await);
        seats[2].set_working(true);
        fourth.set_working(true);
        assert!(room.seat(peer(5)).is_none());
        seats[0].set_working(false);
        let fifth = room.seat(peer(5)).unwrap();
        assert!(is_dismissed(&seats[0]).await && !is_dismissed(&fifth).await);
        drop((seats, fourth, fifth));
        let guests = room.guests();
        assert!(guests.by_id.is_empty() && guests.of_peer.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_with_many_connections_gives_up_its_own() {
        let room = Room::new(10, 2);
        let other = room.seat(peer(9)).unwrap();
        advance(Duration::from_secs(1)).await;
        let [first, second] = [1, 1].map(|last| room.seat(peer(last)).unwrap());
        let third = room.seat(peer(1)).unwrap();
        let dismissed = [&first, &second].map(|seat| room.guests().by_id.contains_key(&seat.id));
        assert_eq!(dismissed.iter().filter(|is_there| **is_there).count(), 1);
        assert!(!is_dismissed(&other).await && !is_dismissed(&third).await);
    }
}
