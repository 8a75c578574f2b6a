//! Who waits for the fate of an event gets a ticket for each, all of a call in one batch.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{Refusal, Returned, Unsent};

/// An event's fate.
pub(crate) type Fate = Result<(), Returned>;

/// The fates of the events of one call.
#[derive(Debug)]
pub(crate) struct Batch {
    state: Mutex<State>,
    done: Notify,
}

#[derive(Debug)]
struct State {
    fates: Vec<Fate>,
    left: usize,
}

impl Batch {
    /// Tickets for so many events.
    pub(crate) fn tickets(count: usize) -> (Arc<Self>, Vec<Ticket>) {
        let state = State { fates: vec![Ok(()); count], left: count };
        let batch = Arc::new(Self { state: Mutex::new(state), done: Notify::new() });
        let tickets = (0..count).map(|index| Ticket { batch: Arc::clone(&batch), index, is_settled: false }).collect();
        (batch, tickets)
    }

    /// All fates, when all are known.
    pub(crate) async fn fates(&self) -> Vec<Fate> {
        loop {
            let mut done = std::pin::pin!(self.done.notified());
            done.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.left == 0 {
                    return std::mem::take(&mut state.fates);
                }
            }
            done.await;
        }
    }

    fn settle(&self, index: usize, fate: Fate) {
        let mut state = self.state.lock();
        if let Some(place) = state.fates.get_mut(index) {
            *place = fate;
        }
        state.left = state.left.saturating_sub(1);
        if state.left == 0 {
            self.done.notify_waiters();
        }
    }
}

/// The right to say one event's fate, once.
#[derive(Debug)]
pub(crate) struct Ticket {
    batch: Arc<Batch>,
    index: usize,
    is_settled: bool,
}

impl Ticket {
    pub(crate) fn settle(mut self, fate: Fate) {
        self.is_settled = true;
        self.batch.settle(self.index, fate);
    }
}

impl Drop for Ticket {
    /// Nobody will say it any more: the runtime is ending. Whoever waits must not wait for ever.
    fn drop(&mut self) {
        if !self.is_settled {
            let returned = Returned { event: Unsent::new(String::new()), refusal: Refusal::ClosedFirst };
            self.batch.settle(self.index, Err(returned));
        }
    }
}
