//! One shard's records, batch by batch and in order.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

use super::batch::{Pending, Source};
use super::checkpoint::{Checkpoints, ShardCheckpoint};
use super::delivery::{Delivery, Lane};
use super::options::{IDLE_INTERVAL, MappingOptions};
use super::progress::{Progress, ShardProgress, ShardState};
use super::reader::{ReadError, Reader};
use super::{Ask, Function};

/// What all shards of a mapping share.
pub(super) struct Shared<F> {
    pub(super) client: Client,
    pub(super) options: MappingOptions,
    pub(super) function: Arc<F>,
    pub(super) checkpoints: Checkpoints,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) ask: watch::Receiver<Ask>,
}

impl<F> Shared<F> {
    pub(super) fn update(&self, shard: &str, change: impl FnOnce(&mut ShardProgress)) {
        self.progress.send_modify(|progress| change(progress.shards.entry(shard.to_owned()).or_default()));
    }
}

/// How the work on a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The shard is closed and was processed to its end.
    Ended,
    /// The shard is not there any more.
    Gone,
    /// The mapping stops.
    Stopped,
}

/// The work on one shard.
pub(super) struct Shard<F> {
    shared: Arc<Shared<F>>,
    ask: watch::Receiver<Ask>,
    source: Source,
    reader: Reader,
    pending: Pending,
    /// When the window of the batch that is being gathered ends.
    window_ends: Option<Instant>,
    /// Whether the shard's end was read.
    ended: bool,
    /// Counts records, for `tip`.
    read: u64,
    delivery: Delivery<F>,
    /// A question, and the records that were read when nothing newer was in the shard.
    tip: Option<(u64, u64)>,
    /// Tells of new records, if anything does.
    doorbell: Option<watch::Receiver<u64>>,
    /// Whether nothing newer was in the shard at the last read, and the question that it answered.
    quiet: Option<u64>,
    /// How often in a row the stream could not be read.
    troubles: u32,
}

impl<F: Function> Shard<F> {
    pub(super) fn new(shared: Arc<Shared<F>>, source: Source) -> Self {
        let after = shared.checkpoints.of(&source.shard).sequence;
        let MappingOptions { stream, poll_interval, .. } = &shared.options;
        let doorbell = shared.options.doorbell.clone();
        let reader = Reader::new(shared.client.clone(), stream, &source.shard, after.clone(), *poll_interval);
        shared.update(&source.shard, |shard| {
            shard.state = ShardState::Running;
            shard.checkpoint = after;
        });
        let delivery = Delivery {
            shared: Arc::clone(&shared),
            ask: shared.ask.clone(),
            source: source.clone(),
            lane: Lane::Shard,
            passed: 0,
        };
        Self {
            ask: shared.ask.clone(),
            shared,
            source,
            reader,
            pending: Pending::default(),
            window_ends: None,
            ended: false,
            read: 0,
            delivery,
            tip: None,
            doorbell,
            quiet: None,
            troubles: 0,
        }
    }

    /// Works until the shard's end or the mapping's.
    pub(super) async fn run(mut self) -> Outcome {
        loop {
            let ask = *self.ask.borrow_and_update();
            if ask.stop {
                return Outcome::Stopped;
            }
            if self.is_ready(ask) {
                if !self.deliver().await {
                    return Outcome::Stopped;
                }
                self.settle();
            } else if self.ended {
                self.end().await;
                return Outcome::Ended;
            } else if let Some(outcome) = self.fill().await {
                return outcome;
            }
        }
    }

    /// Whether the records gathered make a batch.
    fn is_ready(&self, ask: Ask) -> bool {
        let complete = self.ended || ask.hurry || self.pending.is_full(self.shared.options.batch_size);
        !self.pending.is_empty() && (complete || self.window_ends.is_none_or(|ends| ends <= Instant::now()))
    }

    /// Waits for the time of the next read and reads; comes back early when a window ends or something is asked.
    async fn fill(&mut self) -> Option<Outcome> {
        let next_at = self.next_read();
        let wake = self.window_ends.map_or(next_at, |ends| ends.min(next_at));
        if Instant::now() < wake {
            return self.pause(wake).await;
        }
        if Instant::now() < next_at {
            return None;
        }
        let room = self.shared.options.batch_size.saturating_sub(self.pending.len());
        let question = self.ask.borrow().question;
        if let Some(doorbell) = &mut self.doorbell {
            doorbell.mark_unchanged();
        }
        let read = tokio::select! {
            biased;
            _ = self.ask.wait_for(|ask| ask.stop) => return Some(Outcome::Stopped),
            read = self.reader.read(room) => read,
        };
        match read {
            Ok(read) => {
                self.troubles = 0;
                if self.pending.is_empty() && !read.records.is_empty() {
                    self.window_ends = Some(Instant::now() + self.shared.options.window);
                }
                self.read += read.records.len() as u64;
                self.ended = read.ended;
                for record in read.records {
                    self.pending.push(self.source.item(record));
                }
                self.quiet = read.tip.then_some(question);
                if read.tip && self.tip.is_none() {
                    self.tip = Some((question, self.read));
                }
                self.shared.update(&self.source.shard, |shard| {
                    shard.millis_behind = read.millis_behind;
                    if shard.attempts == 0 {
                        shard.problem = None;
                    }
                });
                self.settle();
                None
            }
            Err(ReadError::Gone) => Some(Outcome::Gone),
            Err(ReadError::Trouble(detail)) => {
                self.troubles += 1;
                tracing::warn!(shard = self.source.shard, detail, "a shard cannot be read, trying again");
                self.shared.update(&self.source.shard, |shard| shard.problem = Some(detail));
                let pause = self.shared.options.failure.pause(self.troubles);
                self.pause(self.reader.next_at().max(Instant::now() + pause)).await
            }
        }
    }

    /// When to read next: later where nothing new can be there, because the doorbell is silent and nothing was asked.
    fn next_read(&self) -> Instant {
        let silent = self.doorbell.as_ref().is_some_and(|doorbell| doorbell.has_changed().is_ok_and(|rung| !rung));
        let answered = self.quiet.is_some_and(|question| question >= self.ask.borrow().question);
        let extra = if silent && answered { IDLE_INTERVAL } else { Duration::ZERO };
        self.reader.next_at() + extra
    }

    /// Sleeps until `wake`, until something is asked, or until the doorbell rings.
    async fn pause(&mut self, wake: Instant) -> Option<Outcome> {
        let listening = self.doorbell.as_ref().is_some_and(|doorbell| doorbell.has_changed().is_ok_and(|rung| !rung));
        let rung = async {
            match &self.doorbell {
                // A clone, for it must still have rung when the next read is planned.
                Some(doorbell) if listening => doorbell.clone().changed().await.is_ok(),
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            asked = self.ask.changed() => asked.is_err().then_some(Outcome::Stopped),
            _ = rung => None,
            () = sleep_until(wake) => None,
        }
    }

    /// Says that the shard is caught up, where all that was there at the time of the question is processed.
    fn settle(&mut self) {
        let passed = self.delivery.passed;
        if let Some((question, _)) = self.tip.take_if(|(_, until)| passed >= *until) {
            self.shared.update(&self.source.shard, |shard| shard.caught = shard.caught.max(question));
        }
    }

    /// Hands one batch to the function until all of it is passed; `false` when the mapping stops before.
    async fn deliver(&mut self) -> bool {
        let batch = self.pending.take(self.shared.options.batch_size);
        self.window_ends = (!self.pending.is_empty()).then(|| Instant::now() + self.shared.options.window);
        self.delivery.deliver(&batch).await
    }

    async fn end(&mut self) {
        let sequence = self.shared.checkpoints.of(&self.source.shard).sequence;
        self.delivery.save(ShardCheckpoint { sequence, ended: true }).await;
        self.shared.update(&self.source.shard, |shard| {
            shard.state = ShardState::Ended;
            shard.problem = None;
        });
    }
}
