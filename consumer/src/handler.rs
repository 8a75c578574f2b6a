//! One invocation, from the delivered records to the answer.

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use headcount_core::deployment::{Deployment, DeploymentError};
use headcount_core::origin::Source;
use headcount_follow::Appended;
use headcount_log::LogError;
use headcount_runtime::retry::Retryable as _;
use headcount_runtime::telemetry;
use headcount_store::meta::OpenError;
use headcount_store::traits::FollowStore;
use tokio::time::{Duration, Instant};

use crate::append::Appending;
use crate::batch::{Batch, BatchError, Record};
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::deps::Deps;
use crate::follow::FollowTime;
use crate::outcome::Outcome;
use crate::tail::{self, CHECKPOINT_TIME, Tail};

/// Bytes of records whose events stay in memory for the followers; what lies behind is read from the log.
const FRESH_BYTES: usize = 4 * CHUNK_BYTES;

/// How much newer than the log's newest entry a record may be that the log seems to cover: redelivery takes minutes. More
/// means that the stream was deleted and created again, and counts its sequence numbers anew.
const RECREATED_AFTER_MS: i64 = 60 * 60 * 1_000;

/// Why an invocation fails as a whole. The batch must be delivered again; what is in the log stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The batch is none of an event source mapping.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The log cannot be used until a person changes something.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The table belongs to another deployment or build.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The stream counts its sequence numbers anew.
    #[error(
        "records of {source_name} arrived long after the newest entry of its log, but have smaller sequence numbers: the \
         stream was deleted and created again under its old name; set StreamGeneration (--stream-generation) to a new value"
    )]
    RecreatedStream {
        /// The source.
        source_name: Source,
    },
}

/// Handles one batch as a mapping's own types carry it, and answers as `ReportBatchItemFailures` wants it: with the first
/// record that must be delivered again, or with none. `deadline` is when the invocation will be killed.
///
/// # Errors
///
/// [`HandleError`]; the whole batch must then be delivered again.
pub async fn handle<S: FollowStore>(
    deps: &Deps<S>,
    event: KinesisEvent,
    deadline: Instant,
) -> Result<KinesisEventResponse, HandleError> {
    let batch = Batch::parse(event, deps.settings.stream_generation.as_deref())?;
    respond(deps, batch, deadline).await
}

/// As [`handle`], for a batch that was read already ([`crate::invocation::read`]).
///
/// # Errors
///
/// As [`handle`].
pub async fn respond<S: FollowStore>(
    deps: &Deps<S>,
    batch: Option<Batch>,
    deadline: Instant,
) -> Result<KinesisEventResponse, HandleError> {
    let mut response = KinesisEventResponse::default();
    let Some(batch) = batch else { return Ok(response) };
    if let Some(sequence) = consume(deps, &batch, deadline).await?.failed_from {
        let mut failure = KinesisBatchItemFailure::default();
        failure.item_identifier = Some(sequence.as_str().to_owned());
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}

/// Appends a batch to its source's log, brings the table up to date, and tells what was done.
///
/// # Errors
///
/// [`HandleError`]; the whole batch must then be handled again.
pub async fn consume<S: FollowStore>(deps: &Deps<S>, batch: &Batch, deadline: Instant) -> Result<Outcome, HandleError> {
    let age = age(deps.clock.now_ms(), &batch.records);
    metrics::histogram!(telemetry::ITERATOR_LAG).record(age.as_secs_f64() * 1_000.0);
    let deployment = deps.deployment(deadline).await?;
    let mut tail = find_tail(deps, &deployment, &batch.source, deadline).await?;
    check_stream(batch, &tail)?;

    let began = Instant::now();
    let mut outcome = Outcome { records: batch.records.len() as u64, ..Outcome::default() };
    let appended = append_all(deps, &deployment, batch, &mut tail, &mut outcome, deadline).await;
    metrics::histogram!(telemetry::APPEND_TIME).record(began.elapsed().as_secs_f64() * 1_000.0);
    deps.tails.set(&batch.source, tail.clone(), deps.clock.now_ms());
    let fresh = appended?;

    let time = FollowTime::of(deadline, age);
    match deps.table(&deployment, time.figures).await {
        Ok(table) => deps.follow(&table, &batch.source, &fresh, &tail, time).await,
        Err(OpenError::Deployment(error)) => return Err(error.into()),
        Err(OpenError::Store(error)) => {
            tracing::warn!(%error, "the table cannot be reached; the log goes on without it");
        }
    }
    outcome.log(&batch.source);
    outcome.measure();
    Ok(outcome)
}

/// Appends chunk by chunk. The entries whose events are still in memory.
async fn append_all<S: FollowStore>(
    deps: &Deps<S>,
    deployment: &Deployment,
    batch: &Batch,
    tail: &mut Tail,
    outcome: &mut Outcome,
    deadline: Instant,
) -> Result<Vec<Appended<'static>>, LogError> {
    let Deps { log, memory, clock, .. } = deps;
    let appending = Appending { log, deployment, source: &batch.source, memory, clock, deadline };
    let (mut fresh, mut fresh_bytes) = (Vec::new(), 0);
    let mut rest = &batch.records[..];
    while !rest.is_empty() {
        let chunk = Chunk::open(&batch.origin, rest);
        match appending.append(&chunk.decode(&deps.settings.rules), tail).await {
            Ok(covered) => {
                outcome.add(covered.tally);
                outcome.entries += u64::from(covered.appended.is_some());
                fresh_bytes += chunk.bytes();
                fresh.extend(covered.appended.filter(|_| fresh_bytes <= FRESH_BYTES));
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(source = %batch.source, %error, "records cannot be appended now");
                outcome.failed_from =
                    rest.iter().find(|record| !tail.covers(&record.sequence)).map(|one| one.sequence.clone());
                break;
            }
            // Repeating cannot help, so the invocation fails and an alarm tells.
            Err(error) => return Err(error),
        }
        rest = &rest[chunk.records().len()..];
    }
    Ok(fresh)
}

/// The tail of the source's log, as this process knows it or as log and table tell.
async fn find_tail<S: FollowStore>(
    deps: &Deps<S>,
    deployment: &Deployment,
    source: &Source,
    deadline: Instant,
) -> Result<Tail, HandleError> {
    if let Some(known) = deps.tails.get(source, deps.clock.now_ms()) {
        return Ok(known);
    }
    let table = match deps.table(deployment, deadline.min(Instant::now() + CHECKPOINT_TIME)).await {
        Ok(table) => Some(table),
        Err(OpenError::Deployment(error)) => return Err(error.into()),
        Err(OpenError::Store(error)) => {
            tracing::warn!(%error, "the table cannot be reached; the log is listed from its head");
            None
        }
    };
    let table = table.as_ref().map(|table| (&deps.store, table.id));
    Ok(tail::find(&deps.log, table, source, &deps.memory, deadline).await?)
}

/// Refuses a stream that counts its sequence numbers anew: its records would all seem to be covered.
fn check_stream(batch: &Batch, tail: &Tail) -> Result<(), HandleError> {
    let is_of_another_stream = |record: &Record| {
        tail.covers(&record.sequence) && record.arrived_ms > tail.appended_ms.saturating_add(RECREATED_AFTER_MS)
    };
    // Where the newest entry cannot be read, nobody can tell when it was appended.
    let is_dated = tail.appended_ms > 0;
    if batch.source.is_shard() && is_dated && batch.records.iter().any(is_of_another_stream) {
        return Err(HandleError::RecreatedStream { source_name: batch.source.clone() });
    }
    Ok(())
}

/// How old the newest record is.
fn age(now_ms: i64, records: &[Record]) -> Duration {
    let newest = records.iter().map(|record| record.arrived_ms).max().unwrap_or(now_ms);
    Duration::from_millis(now_ms.saturating_sub(newest).try_into().unwrap_or(0))
}
