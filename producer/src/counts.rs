//! What a producer did so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a producer did since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were taken to be sent.
    pub queued: u64,
    /// Events that the stream has accepted.
    pub sent: u64,
    /// Events that were part of a request again, once for each time.
    pub retried: u64,
    /// Events that were handed back: the stream did not take them in the end.
    pub refused: u64,
    /// Events that broke a rule and were never sent.
    pub invalid: u64,
    /// Requests that were made.
    pub requests: u64,
    /// Records that the stream has accepted.
    pub records: u64,
    /// Bytes of these records, data and partition keys: what the stream charges for.
    pub bytes: u64,
    /// Events that wait or are on their way now.
    pub waiting_events: u64,
    /// Their bytes, as JSON with partition keys.
    pub waiting_bytes: u64,
    /// The most bytes that ever waited.
    pub most_waiting_bytes: u64,
}

/// Counts that grow.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    queued: AtomicU64,
    sent: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    invalid: AtomicU64,
    requests: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Counting {
    pub(crate) fn queued(&self, events: u64) {
        add(&self.queued, "headcount_producer_queued", events);
    }

    pub(crate) fn sent(&self, events: u64, records: u64, bytes: u64) {
        add(&self.sent, "headcount_producer_sent", events);
        add(&self.records, "headcount_producer_records", records);
        add(&self.bytes, "headcount_producer_bytes", bytes);
    }

    pub(crate) fn retried(&self, events: u64) {
        add(&self.retried, "headcount_producer_retried", events);
    }

    pub(crate) fn refused(&self, events: u64) {
        add(&self.refused, "headcount_producer_refused", events);
    }

    pub(crate) fn invalid(&self) {
        add(&self.invalid, "headcount_producer_invalid", 1);
    }

    pub(crate) fn requested(&self) {
        add(&self.requests, "headcount_producer_requests", 1);
    }

    /// What was counted; what waits is for the queue to say.
    pub(crate) fn read(&self) -> Counts {
        Counts {
            queued: self.queued.load(Relaxed),
            sent: self.sent.load(Relaxed),
            retried: self.retried.load(Relaxed),
            refused: self.refused.load(Relaxed),
            invalid: self.invalid.load(Relaxed),
            requests: self.requests.load(Relaxed),
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            ..Counts::default()
        }
    }
}

#[cfg(feature = "metrics")]
fn add(count: &AtomicU64, name: &'static str, by: u64) {
    count.fetch_add(by, Relaxed);
    metrics::counter!(name).increment(by);
}

#[cfg(not(feature = "metrics"))]
fn add(count: &AtomicU64, _name: &'static str, by: u64) {
    count.fetch_add(by, Relaxed);
}
