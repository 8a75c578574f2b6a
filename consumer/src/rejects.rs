//! Rejected occurrences are kept, with every reason, under keys that a redelivery derives again.

use futures_util::stream::{self, StreamExt as _};
use headcount_core::rejection::Payload;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry;
use headcount_store::error::StoreError;
use headcount_store::rows::RejectedRow;
use headcount_store::traits::{MAX_BATCH_WRITES, RejectedStore};
use tokio::time::Instant;

use crate::deadlines::answer_by;

/// Batched writes of rejected items that are under way at once.
pub const REJECTS_IN_FLIGHT: usize = 4;

/// Writes each item; their keys are distinct. Whether each was written by `deadline`, in order.
pub async fn put_all<S: RejectedStore>(
    store: &S,
    jitter: &Jitter,
    rows: &[RejectedRow],
    deadline: Instant,
) -> Vec<bool> {
    let mut requests = Vec::with_capacity(rows.len().div_ceil(MAX_BATCH_WRITES));
    for batch in rows.chunks(MAX_BATCH_WRITES) {
        requests.push(put_batch(store, jitter, batch.to_vec(), deadline));
    }
    let written: Vec<Vec<bool>> = stream::iter(requests).buffered(REJECTS_IN_FLIGHT).collect().await;
    written.into_iter().flatten().collect()
}

async fn put_batch<S: RejectedStore>(
    store: &S,
    jitter: &Jitter,
    mut rows: Vec<RejectedRow>,
    deadline: Instant,
) -> Vec<bool> {
    let mut written = vec![false; rows.len()];
    let mut open: Vec<usize> = (0..rows.len()).collect();
    let mut width = MAX_BATCH_WRITES;
    let mut attempt = 0;
    loop {
        let mut unwritten = Vec::new();
        let mut next = 0;
        while next < open.len() {
            let asked = &open[next..open.len().min(next + width)];
            let some: Vec<RejectedRow> = asked.iter().map(|row| rows[*row].clone()).collect();
            match answer_by(deadline, store.put_rejected(&some)).await {
                Ok(answers) => {
                    for (row, done) in asked.iter().zip(answers.into_iter().chain(std::iter::repeat(false))) {
                        if done {
                            written[*row] = true;
                        } else {
                            unwritten.push(*row);
                        }
                    }
                }
                Err(StoreError::Invalid { .. }) if asked.len() > 1 => {
                    width = 1;
                    continue;
                }
                // What the table does not even take as a rejected payload is kept by its reasons alone.
                Err(StoreError::Invalid { .. }) if rows[asked[0]].rejection.payload != Payload::Withheld => {
                    rows[asked[0]].rejection.payload = Payload::Withheld;
                    continue;
                }
                Err(StoreError::Throttled { .. } | StoreError::Unknown { .. }) => unwritten.extend(asked),
                Err(
                    error @ (StoreError::Invalid { .. } | StoreError::Unusable { .. } | StoreError::Malformed { .. }),
                ) => {
                    tracing::error!(%error, "rejected events cannot be kept");
                    return written;
                }
            }
            next += asked.len();
        }
        metrics::counter!(telemetry::UNPROCESSED_ITEMS).increment(unwritten.len() as u64);
        open = unwritten;
        if open.is_empty() || !jitter.pause_until(attempt, deadline).await {
            return written;
        }
        attempt += 1;
    }
}
