//! The task that sends: gathers events into records, records into requests, and settles what the answers say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use headcount_core::backoff;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::assembler::{Assembler, Item, Outgoing};
use crate::backlog::Backlog;
use crate::counts::Counting;
use crate::error::{Refusal, Returned, Unsent};
use crate::pace::Pace;
use crate::packing::unpack;
use crate::put_records::kinesis::is_throttle;
use crate::put_records::refused::{Split, split};
use crate::put_records::{Answer, RequestError, Target};
use crate::room::Room;

/// Messages that are taken before the worker looks at its requests again.
const MAX_MESSAGES_A_TURN: usize = 1_024;

/// What the worker is told. The events in the channel are bounded by the room that they took before.
#[derive(Debug)]
pub(crate) enum Message {
    /// An event that goes at once, unpacked unless all are packed.
    Track(Item),
    /// An event that may wait for company.
    Queue(Item),
    /// Answer when the fate of all events before is known.
    Flush(oneshot::Sender<()>),
    /// As `Flush`, and end then.
    Close(oneshot::Sender<()>),
}

/// What the worker and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) room: Room,
    pub(crate) counting: Counting,
    /// Tells the worker to end now and to hand back what is left.
    pub(crate) abandon: Notify,
    /// Queued events that nobody waits for and that the stream did not take; they keep their room until they are fetched.
    returned: Mutex<(Vec<Returned>, Vec<usize>)>,
}

impl Shared {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, counting: Counting::default(), abandon: Notify::new(), returned: Mutex::default() }
    }

    /// The queued events that came back since the last call.
    pub(crate) fn take_returned(&self) -> Vec<Returned> {
        let (returned, sizes) = std::mem::take(&mut *self.returned.lock());
        self.room.give_back(sizes.len(), sizes.iter().sum());
        returned
    }

    fn keep_returned(&self, returned: Returned, room_bytes: usize) {
        let mut kept = self.returned.lock();
        kept.0.push(returned);
        kept.1.push(room_bytes);
    }
}

/// How the worker works.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Requests on their way at once.
    pub(crate) concurrency: usize,
    /// How long a record is tried.
    pub(crate) retry_for: Duration,
}

/// The worker.
pub(crate) struct Worker<T> {
    target: Arc<T>,
    inbox: mpsc::UnboundedReceiver<Message>,
    shared: Arc<Shared>,
    manner: Manner,
    tracked: Assembler,
    queued: Assembler,
    backlog: Backlog,
    pace: Pace,
    random: fastrand::Rng,
    in_flight: JoinSet<Result<Vec<Answer>, RequestError>>,
    requests: HashMap<Id, Arc<Vec<Outgoing>>>,
    epoch: u64,
    /// Records whose fate is not known, by the flush that they come before.
    unsettled: BTreeMap<u64, usize>,
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    is_closing: bool,
    /// Whether nothing more can come.
    is_deaf: bool,
}

impl<T: Target> Worker<T> {
    pub(crate) fn new(
        target: T,
        inbox: mpsc::UnboundedReceiver<Message>,
        shared: Arc<Shared>,
        manner: Manner,
        (tracked, queued): (Assembler, Assembler),
        random: fastrand::Rng,
    ) -> Self {
        Self {
            target: Arc::new(target),
            inbox,
            shared,
            manner,
            tracked,
            queued,
            backlog: Backlog::default(),
            pace: Pace::default(),
            random,
            in_flight: JoinSet::new(),
            requests: HashMap::new(),
            epoch: 0,
            unsettled: BTreeMap::new(),
            waiting: Vec::new(),
            is_closing: false,
            is_deaf: false,
        }
    }

    /// Works until it is closed and everything has its fate.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut messages = Vec::with_capacity(MAX_MESSAGES_A_TURN);
        loop {
            self.close_due(Instant::now());
            self.start_requests();
            self.answer_flushes();
            if self.is_closing && self.is_deaf && self.unsettled.is_empty() {
                return;
            }
            let wake = [self.tracked.due(), self.queued.due(), self.wake_of_backlog()].into_iter().flatten().min();
            tokio::select! {
                _ = self.inbox.recv_many(&mut messages, MAX_MESSAGES_A_TURN), if !self.is_deaf => {
                    // Nothing comes: every handle is gone, or it was closed. What was taken is sent all the same.
                    if messages.is_empty() {
                        self.is_deaf = true;
                        self.close(None);
                    }
                    messages.drain(..).for_each(|message| self.take(message));
                }
                Some(ended) = self.in_flight.join_next_with_id() => self.end_request(ended),
                () = shared.abandon.notified() => return self.abandon().await,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// When the backlog may have another request, if one may be made.
    fn wake_of_backlog(&self) -> Option<Instant> {
        (self.in_flight.len() < self.manner.concurrency).then(|| self.backlog.next_wake()).flatten()
    }

    fn take(&mut self, message: Message) {
        let mut full = Vec::new();
        match message {
            Message::Track(item) => self.tracked.push(item, &mut full),
            Message::Queue(item) => self.queued.push(item, &mut full),
            Message::Flush(answer) => self.flush(Some(answer)),
            Message::Close(answer) => self.close(Some(answer)),
        }
        self.enter(full);
    }

    fn close_due(&mut self, now: Instant) {
        let mut full = Vec::new();
        for assembler in [&mut self.tracked, &mut self.queued] {
            if assembler.due().is_some_and(|due| due <= now) {
                assembler.close(&mut full);
            }
        }
        self.enter(full);
    }

    fn enter(&mut self, records: Vec<Outgoing>) {
        for mut outgoing in records {
            outgoing.epoch = self.epoch;
            *self.unsettled.entry(self.epoch).or_default() += 1;
            self.backlog.push(outgoing);
        }
    }

    fn flush(&mut self, answer: Option<oneshot::Sender<()>>) {
        let mut full = Vec::new();
        self.tracked.close(&mut full);
        self.queued.close(&mut full);
        self.enter(full);
        self.waiting.extend(answer.map(|answer| (self.epoch, answer)));
        self.epoch += 1;
    }

    fn close(&mut self, answer: Option<oneshot::Sender<()>>) {
        self.is_closing = true;
        self.inbox.close();
        self.flush(answer);
    }

    fn answer_flushes(&mut self) {
        let earliest = self.unsettled.keys().next().copied().unwrap_or(u64::MAX);
        for (_, answer) in self.waiting.extract_if(.., |(epoch, _)| *epoch < earliest) {
            let _ = answer.send(());
        }
    }

    fn start_requests(&mut self) {
        while self.in_flight.len() < self.manner.concurrency {
            let now = Instant::now();
            let mut request = self.backlog.next_request(&mut self.pace, now);
            if request.is_empty() {
                return;
            }
            for outgoing in &mut request {
                outgoing.first_try.get_or_insert(now);
                if outgoing.tries > 0 {
                    self.shared.counting.retried(outgoing.events as u64);
                }
                outgoing.tries += 1;
            }
            self.shared.counting.requested();
            let (request, target) = (Arc::new(request), Arc::clone(&self.target));
            let kept = Arc::clone(&request);
            let task = self.in_flight.spawn(async move {
                let outcome = target.put(request.iter().map(|outgoing| &outgoing.record)).await;
                // The records are the worker's alone again before it learns of the outcome.
                drop(request);
                outcome
            });
            self.requests.insert(task.id(), kept);
        }
    }

    fn end_request(&mut self, ended: Result<(Id, Result<Vec<Answer>, RequestError>), JoinError>) {
        let (task, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(RequestError::Passing("Panicked".to_owned()))),
        };
        if let Some(request) = self.requests.remove(&task).and_then(Arc::into_inner) {
            self.settle(request, outcome);
        }
    }

    fn settle(&mut self, request: Vec<Outgoing>, outcome: Result<Vec<Answer>, RequestError>) {
        let now = Instant::now();
        let keys: Vec<String> = keys_of(&request);
        let mut again: HashMap<String, Vec<Outgoing>> = HashMap::new();
        let mut tries = 0;
        match outcome {
            Ok(answers) => {
                let Split { accepted, refused } = split(request, answers);
                for (outgoing, shard) in accepted {
                    self.pace.accepted(&outgoing.record.partition_key, &shard);
                    self.accept(outgoing);
                }
                for (outgoing, code, shard) in refused {
                    if is_throttle(&code) {
                        self.pace.throttled(&outgoing.record.partition_key, shard.as_deref(), now);
                    }
                    tries = tries.max(outgoing.tries);
                    self.try_again(outgoing, Refusal::Record(code), now, &mut again);
                }
            }
            Err(RequestError::Passing(reason)) => {
                for outgoing in request {
                    tries = tries.max(outgoing.tries);
                    self.try_again(outgoing, Refusal::Unknown(reason.clone()), now, &mut again);
                }
            }
            Err(RequestError::Final(problem)) => {
                for outgoing in request {
                    self.give_up(outgoing, Refusal::Stream(problem.clone()));
                }
            }
        }
        let wake = now + backoff::pause(tries.saturating_sub(1), self.random.f64());
        for key in keys {
            let refused = again.remove(&key).unwrap_or_default();
            self.backlog.settle(&key, refused, wake);
        }
    }

    fn try_again(
        &mut self,
        outgoing: Outgoing,
        refusal: Refusal,
        now: Instant,
        again: &mut HashMap<String, Vec<Outgoing>>,
    ) {
        let tried_for = outgoing.first_try.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        if tried_for >= self.manner.retry_for {
            self.give_up(outgoing, refusal);
        } else {
            again.entry(outgoing.record.partition_key.clone()).or_default().push(outgoing);
        }
    }

    fn accept(&mut self, outgoing: Outgoing) {
        self.shared.counting.sent(outgoing.events as u64, 1, outgoing.record.bytes() as u64);
        self.shared.room.give_back(outgoing.events, outgoing.room_bytes);
        self.forget(outgoing.epoch);
        for (_, ticket) in outgoing.tickets {
            ticket.settle(Ok(()));
        }
    }

    fn give_up(&mut self, outgoing: Outgoing, refusal: Refusal) {
        tracing::debug!(
            events = outgoing.events,
            reason = refusal.reason(),
            "events are handed back to their producer"
        );
        self.forget(outgoing.epoch);
        self.hand_back(outgoing, refusal);
    }

    fn forget(&mut self, epoch: u64) {
        if let Some(count) = self.unsettled.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.unsettled.remove(&epoch);
            }
        }
    }

    fn hand_back(&self, outgoing: Outgoing, refusal: Refusal) {
        let Outgoing { record, events, room_bytes, tickets, .. } = outgoing;
        self.shared.counting.refused(events as u64);
        let mut tickets = tickets.into_iter().peekable();
        let share = room_bytes / events.max(1);
        let mut kept = 0;
        for (index, line) in unpack(&record.data).into_iter().enumerate() {
            let returned = Returned { event: Unsent::new(line), refusal: refusal.clone() };
            if let Some((_, ticket)) = tickets.next_if(|(of, _)| *of == index) {
                ticket.settle(Err(returned));
            } else {
                self.shared.keep_returned(returned, share);
                kept += 1;
            }
        }
        self.shared.room.give_back(events - kept.min(events), room_bytes - (share * kept).min(room_bytes));
    }

    /// Hands back everything, also what is on its way: that may have been accepted all the same.
    async fn abandon(mut self) {
        self.inbox.close();
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message);
        }
        self.flush(None);
        while let Some(ended) = self.in_flight.try_join_next_with_id() {
            self.end_request(ended);
        }
        self.in_flight.shutdown().await;
        for outgoing in self.backlog.drain() {
            self.hand_back(outgoing, Refusal::ClosedFirst);
        }
        let on_their_way: Vec<_> = self.requests.drain().filter_map(|(_, request)| Arc::into_inner(request)).collect();
        for outgoing in on_their_way.into_iter().flatten() {
            self.hand_back(outgoing, Refusal::Unknown(Refusal::ClosedFirst.reason().to_owned()));
        }
    }
}

/// The partition keys of a request, each once.
fn keys_of(request: &[Outgoing]) -> Vec<String> {
    let mut keys: Vec<String> = request.iter().map(|outgoing| outgoing.record.partition_key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests;
