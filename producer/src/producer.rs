//! The handle that programs hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headcount_core::event::Event;
use headcount_core::ip_policy::WITHHELD;
use headcount_core::wire::to_json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::assembler::Item;
use crate::builder::ProducerBuilder;
use crate::counts::Counts;
use crate::error::{ProducerError, Returned, Unsent};
use crate::event::NewEvent;
use crate::identity::now_ms;
use crate::packing::partition_key;
use crate::room::EVENT_OVERHEAD_BYTES;
use crate::ticket::{Batch, Fate, Ticket};
use crate::worker::{Message, Shared};

/// What an accepted event is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub event_id: String,
    /// Its time, milliseconds since the epoch.
    pub timestamp_ms: i64,
}

/// Puts events onto a stream. Cheap to clone; all clones share one queue.
///
/// | call | waits for | packed | where the queue is full |
/// |---|---|---|---|
/// | [`track`](Self::track), [`track_batch`](Self::track_batch) | the stream's acceptance | no | waits |
/// | [`submit`](Self::submit) | the stream's acceptance | yes | refuses |
/// | [`queue`](Self::queue) | nothing | yes | refuses |
/// | [`queue_wait`](Self::queue_wait) | room in the queue | yes | waits |
///
/// Each event is validated before it is sent, and gets its id and time once, before its first try: whatever is sent again
/// is a duplicate that the consumer removes.
#[derive(Clone, Debug)]
pub struct Producer(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    settings: ProducerBuilder,
    shared: Arc<Shared>,
    outbox: mpsc::UnboundedSender<Message>,
    is_closed: AtomicBool,
}

/// An event that is passed on as it is, without being validated: for tools that send what others wrote and leave the
/// judgement to the consumer, which keeps what it rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// Whose it is, as far as is known: events of one user are sent in order.
    pub user_id: Option<String>,
    /// Its text. Anything but one line that holds an object is sent in a record of its own.
    pub json: String,
}

impl Producer {
    /// Settings to begin with.
    pub fn builder() -> ProducerBuilder {
        ProducerBuilder::default()
    }

    pub(crate) fn new(settings: ProducerBuilder, shared: Arc<Shared>, outbox: mpsc::UnboundedSender<Message>) -> Self {
        Self(Arc::new(Handle { settings, shared, outbox, is_closed: AtomicBool::new(false) }))
    }

    /// The event, valid, sanitized, with an id and a time.
    ///
    /// # Errors
    /// [`ProducerError::Invalid`] with every problem.
    pub fn check(&self, event: impl Into<NewEvent>) -> Result<Event<'static>, ProducerError> {
        event.into().check(now_ms(), &self.0.settings.rules).map_err(|problems| {
            self.0.shared.counting.invalid();
            ProducerError::Invalid(problems.into_vec())
        })
    }

    /// Sends one event and waits until the stream has it.
    ///
    /// # Errors
    /// The event is invalid, or the stream did not take it in the end; the event is then in the error.
    pub async fn track(&self, event: impl Into<NewEvent>) -> Result<Receipt, ProducerError> {
        let event = self.check(event)?;
        let (batch, tickets) = Batch::tickets(1);
        let receipt = receipt(&event);
        for ticket in tickets {
            self.put_in_when_room(&event, Some(ticket), Message::Track, Duration::ZERO).await?;
        }
        outcome(receipt, batch.fates().await.pop().unwrap_or(Ok(())))
    }

    /// Sends events and waits until the fate of each is known. The answers are in the order of the events.
    pub async fn track_batch(&self, events: impl IntoIterator<Item = NewEvent>) -> Vec<Result<Receipt, ProducerError>> {
        let checked: Vec<_> = events.into_iter().map(|event| self.check(event)).collect();
        let (batch, tickets) = Batch::tickets(checked.len());
        let mut outcomes = Vec::with_capacity(checked.len());
        for (event, ticket) in checked.into_iter().zip(tickets) {
            outcomes.push(match event {
                Ok(event) => {
                    let put = self.put_in_when_room(&event, Some(ticket), Message::Track, Duration::ZERO).await;
                    put.map(|()| receipt(&event))
                }
                Err(error) => {
                    ticket.settle(Ok(()));
                    Err(error)
                }
            });
        }
        settled(outcomes, batch.fates().await)
    }

    /// Sends events that were validated already, packed, and waits until the fate of each is known. Where the queue has no
    /// room, an event is refused at once. The answers are in the order of the events. Dropped while waiting, what was taken
    /// is sent all the same.
    pub async fn submit(&self, events: Vec<Event<'static>>) -> Vec<Result<Receipt, ProducerError>> {
        let (batch, tickets) = Batch::tickets(events.len());
        let linger = self.0.settings.submit_linger;
        let outcomes = events.iter().zip(tickets).map(|(event, ticket)| {
            self.put_in(validated(event), Some(ticket), Message::Queue, linger).map(|()| receipt(event))
        });
        let outcomes = outcomes.collect();
        settled(outcomes, batch.fates().await)
    }

    /// Takes an event to be sent, without waiting for anything.
    ///
    /// # Errors
    /// The event is invalid, or the queue is full or closed; the event is then in the error. What the stream does not take
    /// in the end comes back from [`Self::flush`], [`Self::close`] or [`Self::take_returned`].
    pub fn queue(&self, event: impl Into<NewEvent>) -> Result<Receipt, ProducerError> {
        let event = self.check(event)?;
        self.put_in(validated(&event), None, Message::Queue, self.0.settings.linger)?;
        Ok(receipt(&event))
    }

    /// As [`Self::queue`], and waits for room where there is none.
    ///
    /// # Errors
    /// The event is invalid, or the producer is closed.
    pub async fn queue_wait(&self, event: impl Into<NewEvent>) -> Result<Receipt, ProducerError> {
        let event = self.check(event)?;
        self.put_in_when_room(&event, None, Message::Queue, self.0.settings.linger).await?;
        Ok(receipt(&event))
    }

    /// Sends events as they are, packed, waits for room where there is none, and until the fate of each is known.
    pub async fn pass_on(&self, events: Vec<Unchecked>) -> Vec<Result<(), ProducerError>> {
        let (batch, tickets) = Batch::tickets(events.len());
        let mut outcomes = Vec::with_capacity(events.len());
        for (event, ticket) in events.into_iter().zip(tickets) {
            let item = unchecked(event);
            self.0.shared.room.wait(item.room_bytes).await;
            outcomes.push(self.send(item, Some(ticket), Message::Queue, self.0.settings.submit_linger));
        }
        settled(outcomes, batch.fates().await)
    }

    /// Sends what waits for company, and waits until the fate of every event that was taken before is known.
    ///
    /// # Errors
    /// [`ProducerError::Returned`] with the queued events that the stream did not take.
    pub async fn flush(&self) -> Result<(), ProducerError> {
        self.ask(Message::Flush).await;
        self.returned()
    }

    /// Takes no more events, sends those that it has, and ends: when all are accepted, or at the deadline.
    ///
    /// # Errors
    /// [`ProducerError::Returned`] with the queued events that the stream did not take, or not in time. Those that were on
    /// their way at the deadline are among them: they may be accepted all the same.
    pub async fn close(&self, deadline: Duration) -> Result<(), ProducerError> {
        self.0.is_closed.store(true, Ordering::SeqCst);
        let mut closed = std::pin::pin!(self.ask(Message::Close));
        if tokio::time::timeout(deadline, closed.as_mut()).await.is_err() {
            self.0.shared.abandon.notify_one();
            closed.await;
        }
        self.returned()
    }

    /// The queued events that the stream did not take, since the last call. They keep their room in the queue until they are
    /// fetched, here or by [`Self::flush`] or [`Self::close`].
    pub fn take_returned(&self) -> Vec<Returned> {
        self.0.shared.take_returned()
    }

    /// What it did so far.
    pub fn counts(&self) -> Counts {
        let taken = self.0.shared.room.taken();
        Counts {
            waiting_events: taken.events as u64,
            waiting_bytes: taken.bytes as u64,
            most_waiting_bytes: taken.most_bytes as u64,
            ..self.0.shared.counting.read()
        }
    }

    fn returned(&self) -> Result<(), ProducerError> {
        let returned = self.take_returned();
        if returned.is_empty() { Ok(()) } else { Err(ProducerError::Returned(returned)) }
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        let (answer, answered) = oneshot::channel();
        if self.0.outbox.send(message(answer)).is_ok() {
            // A worker that ends drops the question: everything has its fate then.
            let _ = answered.await;
        }
    }

    fn put_in(
        &self,
        item: Item,
        ticket: Option<Ticket>,
        message: fn(Item) -> Message,
        linger: Duration,
    ) -> Result<(), ProducerError> {
        if let Err(taken) = self.0.shared.room.take(item.room_bytes) {
            settle_unsent(ticket);
            let event = Unsent::new(item.line);
            return Err(ProducerError::QueueFull { event, waiting_events: taken.events, waiting_bytes: taken.bytes });
        }
        self.send(item, ticket, message, linger)
    }

    async fn put_in_when_room(
        &self,
        event: &Event<'static>,
        ticket: Option<Ticket>,
        message: fn(Item) -> Message,
        linger: Duration,
    ) -> Result<(), ProducerError> {
        let item = validated(event);
        self.0.shared.room.wait(item.room_bytes).await;
        self.send(item, ticket, message, linger)
    }

    /// Hands an event that has its room to the worker.
    fn send(
        &self,
        item: Item,
        ticket: Option<Ticket>,
        message: fn(Item) -> Message,
        linger: Duration,
    ) -> Result<(), ProducerError> {
        let room_bytes = item.room_bytes;
        if self.0.is_closed.load(Ordering::SeqCst) {
            self.0.shared.room.give_back(1, room_bytes);
            settle_unsent(ticket);
            return Err(ProducerError::Closed(Unsent::new(item.line)));
        }
        match self.0.outbox.send(message(Item { ticket, due: Instant::now() + linger, ..item })) {
            Ok(()) => {
                self.0.shared.counting.queued(1);
                Ok(())
            }
            Err(mpsc::error::SendError(message)) => {
                self.0.shared.room.give_back(1, room_bytes);
                let (Message::Track(item) | Message::Queue(item)) = message else { return Ok(()) };
                settle_unsent(item.ticket);
                Err(ProducerError::Closed(Unsent::new(item.line)))
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let left = self.shared.room.taken().events;
        if left > 0 && !self.is_closed.load(Ordering::SeqCst) {
            tracing::warn!(events = left, "a producer was dropped without close: events may be lost");
        }
    }
}

fn validated(event: &Event<'_>) -> Item {
    let line = if event.metadata.get("ipAddress").is_some() {
        to_json(event)
    } else {
        // The policy for addresses took it away; the wire requires one.
        let mut event = event.clone();
        let mut metadata = event.metadata.to_object();
        metadata.insert("ipAddress".to_owned(), WITHHELD.into());
        event.metadata = metadata.into();
        to_json(&event)
    };
    item(line, partition_key(Some(&event.user_id), &event.id), false)
}

fn unchecked(event: Unchecked) -> Item {
    let Unchecked { user_id, json } = event;
    let key = partition_key(user_id.as_deref(), &json);
    let is_alone = !json.starts_with('{') || !json.ends_with('}') || json.contains('\n');
    item(json, key, is_alone)
}

fn item(line: String, partition_key: String, is_alone: bool) -> Item {
    let room_bytes = line.len() + partition_key.len() + EVENT_OVERHEAD_BYTES;
    Item { line, partition_key, room_bytes, is_alone, ticket: None, due: Instant::now() }
}

/// The event is handed back in another way.
fn settle_unsent(ticket: Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.settle(Ok(()));
    }
}

fn receipt(event: &Event<'_>) -> Receipt {
    Receipt { event_id: event.id.clone().into_owned(), timestamp_ms: event.timestamp_ms }
}

fn outcome<T>(taken: T, fate: Fate) -> Result<T, ProducerError> {
    fate.map(|()| taken).map_err(ProducerError::Refused)
}

fn settled<T>(outcomes: Vec<Result<T, ProducerError>>, fates: Vec<Fate>) -> Vec<Result<T, ProducerError>> {
    outcomes.into_iter().zip(fates).map(|(taken, fate)| taken.and_then(|taken| outcome(taken, fate))).collect()
}
