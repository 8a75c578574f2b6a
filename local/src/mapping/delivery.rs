//! One batch on its way to the function: calls, retries, splitting, giving up, and a checkpoint after each step.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEventRecord;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

use super::batch::{Source, Verdict, judge};
use super::call::call;
use super::checkpoint::ShardCheckpoint;
use super::failing::{Next, Pieces};
use super::kept::{GivenUp, kept};
use super::shard::Shared;
use super::{Ask, Function};
use crate::error::LocalError;

/// Which checkpoint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// The shard's of the stream.
    Shard,
    /// That of a shard which an earlier stream had.
    Backlog,
}

/// Hands the batches of one shard to the function.
pub(super) struct Delivery<F> {
    pub(super) shared: Arc<Shared<F>>,
    pub(super) ask: watch::Receiver<Ask>,
    pub(super) source: Source,
    pub(super) lane: Lane,
    /// Records that are passed.
    pub(super) passed: u64,
}

impl<F: Function> Delivery<F> {
    /// Hands a batch to the function until all of it is passed; `false` when the mapping stops before.
    pub(super) async fn deliver(&mut self, batch: &[KinesisEventRecord]) -> bool {
        let mut pieces = Pieces::new(batch.len());
        let mut next = if batch.is_empty() { Next::Done } else { Next::Try };
        // Whether the last call did not process its piece to its end, and whether it failed as a whole.
        let (mut failed, mut whole) = (false, false);
        loop {
            let piece = pieces.piece();
            next = match next {
                Next::Done => return true,
                Next::Try => {
                    let pause = self.shared.options.failure.pause(pieces.failures_in_row());
                    if failed && !self.rest(pause).await {
                        return false;
                    }
                    let verdict = self.call(&batch[piece]).await;
                    (failed, whole) = (verdict != Verdict::All, matches!(verdict, Verdict::Whole(_)));
                    let next = self.take(batch, &mut pieces, &verdict).await;
                    // What was asked to stop finishes the call under way, and begins no other.
                    if next != Next::Done && self.ask.borrow().stop {
                        return false;
                    }
                    next
                }
                Next::GiveUp { records, condition } => {
                    let given_up = GivenUp {
                        condition,
                        calls: pieces.failures_in_row(),
                        whole,
                        now_ms: self.shared.options.clock.now_ms(),
                    };
                    let records = &batch[piece.start..piece.start + records];
                    match self.keep(records, given_up).await {
                        Ok(()) => {
                            let next = pieces.gave_up(records.len());
                            failed = false;
                            self.gave_up(records).await;
                            next
                        }
                        Err(error) => {
                            self.cannot_keep(&error);
                            Next::Try
                        }
                    }
                }
            };
        }
    }

    async fn call(&self, piece: &[KinesisEventRecord]) -> Verdict {
        match call(&self.shared.function, piece, self.shared.options.function_timeout).await {
            Ok(answer) => judge(piece, &answer),
            Err(reason) => Verdict::Whole(reason),
        }
    }

    /// Takes what the function said of the current piece: checkpoint, progress, what is next.
    async fn take(&mut self, batch: &[KinesisEventRecord], pieces: &mut Pieces, verdict: &Verdict) -> Next {
        let piece = pieces.piece();
        let next = pieces.answered(verdict, self.shared.options.failure.limits(), |piece| self.too_old(&batch[piece]));
        let (passed, problem) = match verdict {
            Verdict::All => (piece.len(), None),
            Verdict::From(passed) => (*passed, Some("the function answered with batch item failures".to_owned())),
            Verdict::Whole(reason) => (0, Some(reason.clone())),
        };
        if let Some(last) = batch[piece.start..piece.start + passed].last() {
            self.checkpoint(last.kinesis.sequence_number.clone()).await;
        }
        self.count(piece.len(), passed, pieces.failures_in_row(), problem);
        next
    }

    /// How many of the first records are older than a record may be.
    fn too_old(&self, records: &[KinesisEventRecord]) -> usize {
        let Some(most) = self.shared.options.failure.max_record_age else { return 0 };
        let now_ms = self.shared.options.clock.now_ms();
        let most_ms = i64::try_from(most.as_millis()).unwrap_or(i64::MAX);
        let is_old = |record: &&KinesisEventRecord| {
            now_ms.saturating_sub(record.kinesis.approximate_arrival_timestamp.timestamp_millis()) > most_ms
        };
        records.iter().take_while(is_old).count()
    }

    /// Writes records to the failure destination.
    async fn keep(&self, records: &[KinesisEventRecord], given_up: GivenUp) -> Result<(), LocalError> {
        // Options without a destination have no limits either.
        let Some(destination) = &self.shared.options.failure.destination else {
            return Err(LocalError::Stopped { what: "failure destination" });
        };
        let key = destination.keep(&kept(&self.source, records, given_up)).await?;
        let (shard, condition) = (&self.source.shard, given_up.condition);
        tracing::error!(shard, key, records = records.len(), ?condition, "gave records up, they are kept whole");
        Ok(())
    }

    fn cannot_keep(&self, error: &LocalError) {
        tracing::error!(shard = self.source.shard, %error, "records cannot be kept, so they are tried on");
        self.shared.update(&self.source.shard, |shard| shard.problem = Some(error.to_string()));
    }

    /// Passes records that are kept.
    async fn gave_up(&mut self, records: &[KinesisEventRecord]) {
        self.passed += records.len() as u64;
        if let Some(last) = records.last() {
            self.checkpoint(last.kinesis.sequence_number.clone()).await;
        }
        self.shared.progress.send_modify(|progress| {
            progress.kept += records.len() as u64;
            let shard = progress.shards.entry(self.source.shard.clone()).or_default();
            (shard.attempts, shard.problem) = (0, None);
        });
    }

    /// Sleeps; `false` when the mapping stops before.
    async fn rest(&mut self, pause: Duration) -> bool {
        let wake = Instant::now() + pause;
        tokio::select! {
            biased;
            _ = self.ask.wait_for(|ask| ask.stop) => false,
            () = sleep_until(wake) => true,
        }
    }

    /// Counts a call with a batch of `of` records, `passed` of which it processed.
    fn count(&mut self, of: usize, passed: usize, attempts: u32, problem: Option<String>) {
        self.passed += passed as u64;
        let shard = self.source.shard.as_str();
        if let Some(problem) = &problem {
            tracing::warn!(shard, records = of, passed, attempts, problem, "a batch was not processed to its end");
        }
        self.shared.progress.send_modify(|progress| {
            progress.batches += 1;
            progress.records += passed as u64;
            progress.failures += u64::from(passed < of);
            let shard = progress.shards.entry(shard.to_owned()).or_default();
            shard.attempts = attempts;
            shard.problem = problem;
        });
    }

    async fn checkpoint(&self, sequence: String) {
        self.save(ShardCheckpoint { sequence: Some(sequence.clone()), ended: false }).await;
        self.shared.update(&self.source.shard, |shard| shard.checkpoint = Some(sequence));
    }

    /// Keeps a checkpoint. Where that fails the work goes on: the next checkpoint holds this one too, and until then a
    /// restart delivers again what was counted, which is counted once.
    pub(super) async fn save(&self, checkpoint: ShardCheckpoint) {
        let Source { arn, shard } = &self.source;
        let saved = match self.lane {
            Lane::Shard => self.shared.checkpoints.set(shard, checkpoint).await,
            Lane::Backlog => self.shared.checkpoints.pass(arn, shard, checkpoint.sequence).await,
        };
        if let Err(error) = saved {
            tracing::error!(shard, %error, "a checkpoint could not be kept");
        }
    }
}
