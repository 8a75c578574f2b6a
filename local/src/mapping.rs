//! The event source mapping: hands a stream's records to a function, with the semantics of Lambda's own.
//!
//! - Each shard by itself, one batch at a time, in order; a shard that fails does not hold back the others. A shard that
//!   came out of a split or merge begins when its parents are processed to their end.
//! - A batch goes when it has [`MappingOptions::batch_size`] records, when the next record would make its payload larger
//!   than 6 MB (JSON with base64, measured to the byte), when [`MappingOptions::window`] has passed since its first
//!   record, or when the shard ends.
//! - `ReportBatchItemFailures`: an answer that names records makes it go on from the lowest of them. An answer without an
//!   identifier or with one that is not of the batch, an error, a panic and a timeout: the whole batch again, or, where
//!   [`FailurePolicy::bisect`] says so, its halves one after the other. Retries back off; any progress starts them anew.
//! - After [`FailurePolicy::max_retries`], or when a record is too old, the rest of the batch or of the half is kept whole
//!   at the failure destination, and only then passed. One bad record thus costs itself and no other.
//! - It starts at the stream's oldest record and, given a data directory, goes on after its checkpoints. What an earlier
//!   stream of the same lanes left ([`MappingOptions::backlog`]) goes first.
//!
//! The stream may as well be a real one.

use std::future::Future;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_sdk_kinesis::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout, timeout_at};

pub use options::{FailurePolicy, MappingOptions};
pub use progress::{Progress, ShardProgress, ShardState};

use crate::error::LocalError;
use backlog::Earlier;
use checkpoint::Checkpoints;
use shard::Shared;
use shards::Shards;

pub mod options;

mod backlog;
mod batch;
mod call;
mod checkpoint;
mod delivery;
mod failing;
mod kept;
mod progress;
mod reader;
mod shard;
mod shards;

/// How long a mapping whose time is up waits for calls under way before it cuts them off.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How long the stream may take to answer, the SDK's own retries included, before that counts as a failure.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// What batches are handed to.
pub trait Function: Send + Sync + 'static {
    /// Processes a batch of one shard. At `deadline` the call is cut off and has failed.
    fn invoke(
        &self,
        event: KinesisEvent,
        deadline: Instant,
    ) -> impl Future<Output = Result<KinesisEventResponse, FunctionError>> + Send;
}

/// Why a function could not process its batch at all. Its message is logged: no personal data in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FunctionError(String);

impl FunctionError {
    /// A failure with this reason.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// What is asked of all shards.
#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    /// The last question whether all is processed.
    question: u64,
    /// Whether batches go without waiting for their window.
    hurry: bool,
    /// Whether to stop.
    stop: bool,
}

/// A running mapping. Dropped, it is cut off: what was under way is delivered again by the next one.
#[derive(Debug)]
pub struct Mapping {
    ask: watch::Sender<Ask>,
    progress: watch::Receiver<Progress>,
    work: JoinHandle<()>,
}

impl Mapping {
    /// Begins to hand the stream's records to `function`.
    ///
    /// # Errors
    /// When an option is out of its bounds, the stream does not exist or cannot be reached, another process uses the
    /// data directory, or its checkpoints cannot be read.
    pub async fn start<F: Function>(client: Client, options: MappingOptions, function: F) -> Result<Self, LocalError> {
        options.check()?;
        let checkpoints = Checkpoints::open(options.data_dir.as_deref())?;
        let listed = shards::list(&client, &options.stream)
            .await
            .map_err(|detail| LocalError::Stream { stream: options.stream.clone(), detail })?;
        let (ask, asked) = watch::channel(Ask::default());
        let mut options = options;
        let backlog = std::mem::take(&mut options.backlog);
        let (progress, seen) = watch::channel(Progress::default());
        let function = Arc::new(function);
        let shared = Arc::new(Shared { client, options, function, checkpoints, progress, ask: asked });
        let shards = Shards::new(Arc::clone(&shared), listed);
        // At once, so that nobody who asks now takes the backlog for done.
        let earlier = Earlier::new(shared, backlog);
        let work = tokio::spawn(async move {
            if earlier.run().await {
                shards.run().await;
            }
        });
        Ok(Self { ask, progress: seen, work })
    }

    /// How far it has come; changes can be waited for.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until every record that is in the stream now is processed. Batches wait for their window all the same.
    ///
    /// # Errors
    /// When the mapping stops meanwhile.
    pub async fn caught_up(&self) -> Result<(), LocalError> {
        self.ask_and_wait(false).await
    }

    /// As [`Self::caught_up`], but no batch waits for its window any more, from now on.
    ///
    /// # Errors
    /// When the mapping stops meanwhile.
    pub async fn drain(&self) -> Result<(), LocalError> {
        self.ask_and_wait(true).await
    }

    /// Processes every record that is in the stream now, without waiting for windows, and stops: at `deadline` at the
    /// latest, whatever is then left. Returns how far it has come.
    ///
    /// # Errors
    /// When records were left at the deadline.
    pub async fn drain_and_stop(self, deadline: Instant) -> Result<Progress, LocalError> {
        let drained = timeout_at(deadline, self.drain()).await;
        let question = self.ask.borrow().question;
        let progress = self.progress.clone();
        let left = move || {
            let seen = progress.borrow();
            LocalError::NotDrained { pending: seen.pending(question), shards: seen.shards.len() }
        };
        match drained {
            Ok(Ok(())) => Ok(self.stop().await),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let left = left();
                self.stop_within(STOP_GRACE).await;
                Err(left)
            }
        }
    }

    /// Finishes the calls under way, keeps their checkpoints, and stops. A batch that fails now is not tried again.
    pub async fn stop(mut self) -> Progress {
        self.ask.send_modify(|ask| ask.stop = true);
        if let Err(error) = (&mut self.work).await {
            tracing::error!(%error, "a mapping failed");
        }
        self.progress.borrow().clone()
    }

    async fn stop_within(mut self, grace: Duration) {
        self.ask.send_modify(|ask| ask.stop = true);
        if timeout(grace, &mut self.work).await.is_err() {
            tracing::warn!("calls under way were cut off; their batches are delivered again");
        }
    }

    async fn ask_and_wait(&self, hurry: bool) -> Result<(), LocalError> {
        let mut question = 0;
        self.ask.send_modify(|ask| {
            ask.question += 1;
            ask.hurry |= hurry;
            question = ask.question;
        });
        let mut progress = self.progress.clone();
        let caught_up = progress.wait_for(|progress| progress.is_caught_up(question)).await;
        caught_up.map(drop).map_err(|_| LocalError::Stopped { what: "mapping" })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.work.abort();
    }
}

#[cfg(test)]
mod tests;
