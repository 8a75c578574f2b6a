//! One invocation, from the delivered records to the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::event::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use chrono::NaiveDate;
use futures_util::stream::{self, StreamExt as _};
use headcount_core::deployment::Deployment;
use headcount_core::limits::{EVENT_TTL_DAYS, REJECTED_TTL_DAYS};
use headcount_core::origin::{Origin, Source};
use headcount_core::record::refused;
use headcount_runtime::telemetry;
use headcount_store::defects::Defect;
use headcount_store::deployment::OpenError;
use headcount_store::rows::{EventRow, RejectedRow};
use headcount_store::traits::ConsumerStore;
use tokio::time::Instant;

use crate::batch::{Batch, BatchError, Chunk, Decoded};
use crate::claim::{Standing, claim};
use crate::days::Days;
use crate::deadlines::Deadlines;
use crate::delivery::Delivery;
use crate::deps::Deps;
use crate::first_sight::see;
use crate::fold::{Folding, Share, shares};
use crate::outcome::Outcome;
use crate::rejects::put_all;
use crate::settle::{Occurrence, RecordWork, checkpoint, owned};

/// Dates that are folded at once.
pub const FOLDS_IN_FLIGHT: usize = 8;

/// Why an invocation fails as a whole: nothing of it was begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The batch is none of an event source mapping.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The deployment cannot be used.
    #[error(transparent)]
    Deployment(#[from] OpenError),
}

/// Handles one batch, and answers as `ReportBatchItemFailures` wants it: with the first record that must be delivered
/// again, or with none. `deadline` is when the invocation will be killed.
///
/// # Errors
///
/// [`HandleError`]; the whole batch must then be delivered again.
pub async fn handle<S: ConsumerStore>(
    deps: &Deps<S>,
    delivery: impl Into<Delivery>,
    deadline: Instant,
) -> Result<KinesisEventResponse, HandleError> {
    let outcome = consume(deps, delivery, deadline).await?;
    let mut response = KinesisEventResponse::default();
    if let Some(sequence) = outcome.failed_from {
        let mut failure = KinesisBatchItemFailure::default();
        failure.item_identifier = Some(sequence.as_str().to_owned());
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}

/// Handles one batch, and tells what was done.
///
/// # Errors
///
/// [`HandleError`]; the whole batch must then be delivered again.
pub async fn consume<S: ConsumerStore>(
    deps: &Deps<S>,
    delivery: impl Into<Delivery>,
    deadline: Instant,
) -> Result<Outcome, HandleError> {
    let Delivery(batch) = delivery.into();
    match batch? {
        Some(batch) => consume_batch(deps, &batch, deadline).await,
        None => Ok(Outcome::default()),
    }
}

/// Handles one source's records, wherever they come from ([`crate::deps::Feed`]), and tells what was done.
///
/// # Errors
///
/// [`HandleError`]; the whole batch must then be handled again.
pub async fn consume_batch<S: ConsumerStore>(
    deps: &Deps<S>,
    batch: &Batch,
    deadline: Instant,
) -> Result<Outcome, HandleError> {
    if let Some(newest) = batch.records.iter().map(|record| record.arrived_ms).max() {
        let lag_ms = deps.clock.now_ms().saturating_sub(newest).max(0);
        metrics::histogram!(telemetry::ITERATOR_LAG).record(lag_ms as f64);
    }
    let mut outcome = Outcome { records: batch.records.len() as u64, ..Outcome::default() };
    let deadlines = Deadlines::before(deadline);
    let deployment = deps.deployment(deadlines.claims).await?;
    let invocation = Invocation { deps, deployment, source: &batch.source, deadlines };
    let mut rest = &batch.records[..];
    while let Some(first) = rest.first() {
        if Instant::now() >= deadlines.claims {
            outcome.failed_from = Some(first.sequence.clone());
            break;
        }
        let chunk = Chunk::open(&batch.source, rest);
        if let Some(failed) = invocation.chunk(chunk.decode(&deps.settings.rules), &mut outcome).await {
            outcome.failed_from = Some(rest[failed].sequence.clone());
            break;
        }
        rest = &rest[chunk.len()..];
    }
    outcome.log(&batch.source);
    outcome.measure();
    Ok(outcome)
}

/// What the chunks of one invocation share.
struct Invocation<'a, S> {
    deps: &'a Deps<S>,
    deployment: Arc<Deployment>,
    source: &'a Source,
    deadlines: Deadlines,
}

impl<S: ConsumerStore> Invocation<'_, S> {
    /// Stores and counts a chunk. The index of its first record that must be delivered again.
    async fn chunk(&self, chunk: Vec<Decoded<'_>>, outcome: &mut Outcome) -> Option<usize> {
        let mut taken = self.take_apart(chunk, outcome);
        if Defect::FoldBeforeStore.is_on() {
            self.fold_unstored(&mut taken, outcome).await;
        }
        let began = Instant::now();
        let standings = claim(&self.deps.store, &self.deps.jitter, &taken.rows, self.deadlines.claims).await;
        for (occurrence, standing) in taken.occurrences.iter_mut().zip(standings) {
            occurrence.standing = standing;
        }
        self.keep_rejects(&mut taken).await;
        record_time(telemetry::WRITE_TIME, began);

        let settled = checkpoint(&taken.records, &taken.occurrences);
        let ours = owned(&taken.rows, &taken.occurrences, settled);
        let folds_by = self.deadlines.folds;
        let unseen = see(&self.deps.store, &self.deps.users, &self.deps.jitter, &ours, folds_by).await;
        let checkpoint = unseen.unwrap_or(settled).min(settled);

        let counted = if Defect::UnsettledFolded.is_on() { taken.records.len() } else { checkpoint };
        let by_date = shares(&taken.records, &taken.rows, &taken.occurrences, counted);
        let began = Instant::now();
        let unfolded = self.fold_all(&by_date, outcome).await;
        record_time(telemetry::FOLD_TIME, began);
        outcome.count(&taken.records, &taken.occurrences, checkpoint);
        for (row, record) in taken.rejects.iter().zip(&taken.rejected_of) {
            if *record < checkpoint {
                *outcome.rejected_by_reason.entry(row.rejection.reason()).or_default() += row.rejection.count;
            }
        }
        let unfolded = unfolded.filter(|_| !Defect::FailedFoldAnswered.is_on());
        let failed = unfolded.unwrap_or(checkpoint).min(checkpoint);
        (failed < taken.records.len()).then_some(failed)
    }

    /// What [`Defect::FoldBeforeStore`] does: counts events of which nobody knows whose they are.
    async fn fold_unstored(&self, taken: &mut Taken<'_>, outcome: &mut Outcome) {
        for occurrence in &mut taken.occurrences {
            occurrence.standing = Standing::Ours { fresh: false };
        }
        let by_date = shares(&taken.records, &taken.rows, &taken.occurrences, taken.records.len());
        self.fold_all(&by_date, outcome).await;
    }

    /// Rows out of decoded records.
    fn take_apart<'c>(&self, chunk: Vec<Decoded<'c>>, outcome: &mut Outcome) -> Taken<'c> {
        let mut days = self.days();
        let created_ms = self.deps.clock.now_ms();
        let events = chunk.iter().map(|decoded| decoded.content.events.len()).sum();
        let mut taken = Taken {
            rows: Vec::with_capacity(events),
            occurrences: Vec::with_capacity(events),
            arrived_ms: Vec::with_capacity(chunk.len()),
            records: Vec::with_capacity(chunk.len()),
            ..Taken::default()
        };
        for (record, decoded) in chunk.into_iter().enumerate() {
            let arrival = decoded.arrival;
            let origin = |index| Origin { source: arrival.source.clone(), sequence: arrival.sequence.clone(), index };
            let arrival_day = days.at(arrival.arrived_ms);
            outcome.unknown_fields += decoded.content.unknown_fields;
            for (index, event) in decoded.content.events {
                let day = days.at(event.timestamp_ms);
                let expires_s = days.expiry_s(day, EVENT_TTL_DAYS);
                let (date, shards) = (day.date, day.shards);
                taken.rows.push(EventRow { origin: origin(index), date, shards, created_ms, expires_s, event });
                taken.occurrences.push(Occurrence { record, standing: Standing::Unknown });
            }
            let mut rejected = 0;
            for (index, rejection) in decoded.content.rejections {
                rejected += rejection.count;
                taken.rejects.push(RejectedRow {
                    rejection,
                    origin: origin(index),
                    arrival_date: arrival_day.date,
                    arrived_ms: arrival.arrived_ms,
                    shards: arrival_day.shards,
                    expires_s: days.expiry_s(arrival_day, REJECTED_TTL_DAYS),
                });
                taken.rejected_of.push(record);
            }
            taken.arrived_ms.push(arrival.arrived_ms);
            let arrival_date = arrival_day.date;
            taken.records.push(RecordWork { sequence: arrival.sequence, arrival_date, rejected, rejects_stored: true });
        }
        taken
    }

    /// Keeps what broke a rule, and what the table itself refused.
    async fn keep_rejects(&self, taken: &mut Taken<'_>) {
        let mut days = self.days();
        for (row, occurrence) in taken.rows.iter().zip(&taken.occurrences) {
            let Standing::Refused(detail) = &occurrence.standing else { continue };
            let record = &mut taken.records[occurrence.record];
            record.rejected += 1;
            let arrived_ms = taken.arrived_ms[occurrence.record];
            let arrival_day = days.at(arrived_ms);
            taken.rejects.push(RejectedRow {
                rejection: refused(&row.event, detail, self.deps.settings.rules.ip_policy()),
                origin: row.origin.clone(),
                arrival_date: arrival_day.date,
                arrived_ms,
                shards: arrival_day.shards,
                expires_s: days.expiry_s(arrival_day, REJECTED_TTL_DAYS),
            });
            taken.rejected_of.push(occurrence.record);
        }
        let written = put_all(&self.deps.store, &self.deps.jitter, &taken.rejects, self.deadlines.claims).await;
        for (record, written) in taken.rejected_of.iter().zip(written) {
            taken.records[*record].rejects_stored &= written;
        }
    }

    /// Folds every date. The first record of a date whose fold failed.
    async fn fold_all(&self, by_date: &BTreeMap<NaiveDate, Vec<Share<'_>>>, outcome: &mut Outcome) -> Option<usize> {
        let folding = Folding {
            store: &self.deps.store,
            cache: &self.deps.partials,
            clock: &self.deps.clock,
            jitter: &self.deps.jitter,
            deployment: &self.deployment,
            source: self.source,
            feed: self.deps.settings.feed,
            deadline: self.deadlines.folds,
        };
        let mut folds = Vec::with_capacity(by_date.len());
        for (date, shares) in by_date {
            folds.push(folding.fold(*date, shares));
        }
        let results: Vec<_> = stream::iter(folds).buffered(FOLDS_IN_FLIGHT).collect().await;
        let mut failed = None;
        for ((date, shares), result) in by_date.iter().zip(results) {
            match result {
                Ok(folded) => {
                    outcome.folds += u64::from(folded.written);
                    outcome.damaged += folded.damaged;
                }
                Err(error) => {
                    tracing::warn!(%date, source = %self.source, %error, "a date could not be folded");
                    outcome.failed_folds += 1;
                    let first = shares.first().map(|share| share.record);
                    failed = [failed, first].into_iter().flatten().min();
                }
            }
        }
        failed
    }

    fn days(&self) -> Days<'_> {
        Days::new(&self.deployment, self.deps.settings.feed, self.deps.clock.now_ms())
    }
}

/// Milliseconds since `began`.
fn record_time(name: &'static str, began: Instant) {
    metrics::histogram!(name).record(began.elapsed().as_secs_f64() * 1_000.0);
}

/// A chunk taken apart.
#[derive(Default)]
struct Taken<'a> {
    records: Vec<RecordWork>,
    /// When each record arrived.
    arrived_ms: Vec<i64>,
    rows: Vec<EventRow<'a>>,
    /// One for each row.
    occurrences: Vec<Occurrence>,
    rejects: Vec<RejectedRow>,
    /// The record of each of them.
    rejected_of: Vec<usize>,
}
