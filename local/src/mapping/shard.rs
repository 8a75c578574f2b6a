//! One shard's records, batch by batch and in order.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

use super::batch::{Pending, Source, Verdict, judge};
use super::call::call;
use super::checkpoint::{Checkpoints, ShardCheckpoint};
use super::options::{Decision, Failed, IDLE_INTERVAL, MappingOptions};
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
    processed: u64,
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
        Self {
            ask: shared.ask.clone(),
            shared,
            source,
            reader,
            pending: Pending::default(),
            window_ends: None,
            ended: false,
            read: 0,
            processed: 0,
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
        if let Some((question, _)) = self.tip.take_if(|(_, until)| self.processed >= *until) {
            self.shared.update(&self.source.shard, |shard| shard.caught = shard.caught.max(question));
        }
    }

    /// Hands one batch to the function until all of it is processed; `false` when the mapping stops before.
    async fn deliver(&mut self) -> bool {
        let mut batch = self.pending.take(self.shared.options.batch_size);
        self.window_ends = (!self.pending.is_empty()).then(|| Instant::now() + self.shared.options.window);
        let mut attempts = 0;
        loop {
            let verdict = match call(&self.shared.function, &batch, self.shared.options.function_timeout).await {
                Ok(answer) => judge(&batch, &answer),
                Err(reason) => Verdict::Whole(reason),
            };
            let (done, problem) = match verdict {
                Verdict::All => (batch.len(), None),
                Verdict::From(done) => (done, Some("the function answered with batch item failures".to_owned())),
                Verdict::Whole(reason) => (0, Some(reason)),
            };
            attempts = if done > 0 { 0 } else { attempts + 1 };
            if let Some(last) = batch[..done].last() {
                self.checkpoint(last.kinesis.sequence_number.clone()).await;
            }
            self.count(batch.len(), done, attempts, problem);
            drop(batch.drain(..done));
            if batch.is_empty() {
                return true;
            }
            let Decision::RetryAfter(pause) = self.shared.options.failure.decide(Failed { attempts });
            if !self.rest(Instant::now() + pause).await {
                return false;
            }
        }
    }

    /// Sleeps until `wake`; `false` when the mapping stops before.
    async fn rest(&mut self, wake: Instant) -> bool {
        tokio::select! {
            biased;
            _ = self.ask.wait_for(|ask| ask.stop) => false,
            () = sleep_until(wake) => true,
        }
    }

    /// Counts a call with a batch of `of` records, `done` of which it processed.
    fn count(&mut self, of: usize, done: usize, attempts: u32, problem: Option<String>) {
        self.processed += done as u64;
        let shard = self.source.shard.as_str();
        if let Some(problem) = &problem {
            tracing::warn!(shard, records = of, done, attempts, problem, "a batch was not processed to its end");
        }
        self.shared.progress.send_modify(|progress| {
            progress.batches += 1;
            progress.records += done as u64;
            progress.failures += u64::from(done < of);
            let shard = progress.shards.entry(shard.to_owned()).or_default();
            shard.attempts = attempts;
            shard.problem = problem;
        });
    }

    async fn checkpoint(&mut self, sequence: String) {
        self.keep(ShardCheckpoint { sequence: Some(sequence.clone()), ended: false }).await;
        self.shared.update(&self.source.shard, |shard| shard.checkpoint = Some(sequence));
    }

    /// Keeps a checkpoint. Where that fails the work goes on: the next checkpoint holds this one too, and until then a
    /// restart delivers again what was counted, which is counted once.
    async fn keep(&self, checkpoint: ShardCheckpoint) {
        if let Err(error) = self.shared.checkpoints.set(&self.source.shard, checkpoint).await {
            tracing::error!(shard = self.source.shard, %error, "a checkpoint could not be kept");
        }
    }

    async fn end(&mut self) {
        let sequence = self.shared.checkpoints.of(&self.source.shard).sequence;
        self.keep(ShardCheckpoint { sequence, ended: true }).await;
        self.shared.update(&self.source.shard, |shard| {
            shard.state = ShardState::Ended;
            shard.problem = None;
        });
    }
}
