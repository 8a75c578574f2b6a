//! How a producer is set up.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use headcount_core::validate::Rules;
use tokio::sync::mpsc;

use crate::assembler::Assembler;
use crate::error::ProducerError;
use crate::limits::MAX_PARTITION_GROUPS;
use crate::packing::Packing;
use crate::producer::Producer;
use crate::put_records::Target;
use crate::put_records::kinesis::KinesisStream;
use crate::room::Room;
use crate::worker::{Manner, Shared, Worker};

/// Settings of a [`Producer`], each with a default that suits a service.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    pub(crate) rules: Rules,
    max_events: usize,
    max_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) submit_linger: Duration,
    queue_packing: Packing,
    track_packing: Packing,
    groups: u32,
    concurrency: usize,
    retry_for: Duration,
    seed: Option<u64>,
}

impl Default for ProducerBuilder {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            max_events: 100_000,
            max_bytes: 64 << 20,
            linger: Duration::from_secs(1),
            submit_linger: Duration::from_millis(20),
            queue_packing: Packing::Zstd,
            track_packing: Packing::Off,
            groups: 32,
            concurrency: 4,
            retry_for: Duration::from_mins(1),
            seed: None,
        }
    }
}

impl ProducerBuilder {
    /// The rules of the deployment, where they are not the default ones: its own event types, how late events may be.
    /// Under a policy that lets no address be stored, none is sent either.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// Events that may wait or be on their way at once: 100,000.
    #[must_use]
    pub fn max_waiting_events(self, events: usize) -> Self {
        Self { max_events: events, ..self }
    }

    /// Bytes that they may take, as JSON with partition keys and some bookkeeping: 64 MiB.
    #[must_use]
    pub fn max_waiting_bytes(self, bytes: usize) -> Self {
        Self { max_bytes: bytes, ..self }
    }

    /// How long a queued event waits for company at most: one second.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        Self { linger, ..self }
    }

    /// How long a submitted event waits for company at most, while its sender waits for it: 20 ms.
    #[must_use]
    pub fn submit_linger(self, submit_linger: Duration) -> Self {
        Self { submit_linger, ..self }
    }

    /// How queued and submitted events are put into records: packed with zstd.
    #[must_use]
    pub fn queue_packing(self, queue_packing: Packing) -> Self {
        Self { queue_packing, ..self }
    }

    /// How tracked events are put into records: one a record.
    #[must_use]
    pub fn track_packing(self, track_packing: Packing) -> Self {
        Self { track_packing, ..self }
    }

    /// Into how many groups users are divided for packing: 32. At least the stream's shards; each group has records of its
    /// own, so more of them compress less well.
    #[must_use]
    pub fn partition_groups(self, groups: u32) -> Self {
        Self { groups, ..self }
    }

    /// Requests on their way at once: 4. Records of one partition key are never in two of them.
    #[must_use]
    pub fn concurrency(self, requests: usize) -> Self {
        Self { concurrency: requests, ..self }
    }

    /// How long a record is tried, from its first try, before its events are handed back: one minute.
    #[must_use]
    pub fn retry_for(self, retry_for: Duration) -> Self {
        Self { retry_for, ..self }
    }

    /// Makes the pauses between tries those of a seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// A producer for the stream of this name. Must be called within a tokio runtime, on which it sends. Nothing is sent yet.
    ///
    /// # Errors
    /// A setting cannot be, or no runtime is there.
    pub fn build(self, client: &Client, stream: &str) -> Result<Producer, ProducerError> {
        self.build_on(KinesisStream::new(client, stream, "Kinesis"))
    }

    /// As [`Self::build`], for a stream that is there already.
    ///
    /// # Errors
    /// A setting cannot be, or no runtime is there.
    pub fn build_on(self, stream: KinesisStream) -> Result<Producer, ProducerError> {
        self.start(stream)
    }

    pub(crate) fn start<T: Target>(self, target: T) -> Result<Producer, ProducerError> {
        self.check()?;
        let no_runtime = |_| ProducerError::Setting { setting: "runtime", rule: "must be tokio's, and be there" };
        let runtime = tokio::runtime::Handle::try_current().map_err(no_runtime)?;
        let (outbox, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(Room::new(self.max_events, self.max_bytes)));
        let manner = Manner { concurrency: self.concurrency, retry_for: self.retry_for };
        let assemblers =
            (Assembler::new(self.track_packing, self.groups), Assembler::new(self.queue_packing, self.groups));
        let random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        runtime.spawn(Worker::new(target, inbox, Arc::clone(&shared), manner, assemblers, random).run());
        Ok(Producer::new(self, shared, outbox))
    }

    fn check(&self) -> Result<(), ProducerError> {
        let rule = |holds: bool, setting, rule| {
            if holds { Ok(()) } else { Err(ProducerError::Setting { setting, rule }) }
        };
        rule(self.max_events > 0, "max_waiting_events", "must be at least 1")?;
        rule(self.max_bytes > 0, "max_waiting_bytes", "must be at least 1")?;
        rule(self.concurrency > 0, "concurrency", "must be at least 1")?;
        rule((1..=MAX_PARTITION_GROUPS).contains(&self.groups), "partition_groups", "must be 1 to 4,096")
    }
}
