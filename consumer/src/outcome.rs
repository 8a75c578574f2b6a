//! What one invocation did.

use std::collections::BTreeMap;

use headcount_core::origin::{SequenceNumber, Source};
use headcount_runtime::telemetry;

use crate::compose::Tally;

/// What one invocation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The first record that must be delivered again; `None` where all are in the log.
    pub failed_from: Option<SequenceNumber>,
    /// Records that were delivered.
    pub records: u64,
    /// Entries that were appended.
    pub entries: u64,
    /// Events that were appended.
    pub events: u64,
    /// Records that the log covered already.
    pub redelivered: u64,
    /// Occurrences that were dropped because their event had been appended before.
    pub duplicates: u64,
    /// Occurrences that broke a rule, apart by [`headcount_core::rejection::Rejection::reason`].
    pub rejected: BTreeMap<&'static str, u64>,
    /// Top-level fields that were dropped.
    pub unknown_fields: u64,
}

impl Outcome {
    /// Adds a chunk that the log covers now.
    pub(crate) fn add(&mut self, tally: Tally) {
        self.events += tally.events;
        self.redelivered += tally.redelivered;
        self.duplicates += tally.duplicates;
        self.unknown_fields += tally.unknown_fields;
        for (reason, count) in tally.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }

    /// Occurrences that broke a rule.
    pub fn rejections(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Adds it to the process's metrics.
    pub fn measure(&self) {
        metrics::histogram!(telemetry::BATCH_SIZE).record(self.records as f64);
        for (name, count) in [
            (telemetry::EVENTS, self.events),
            (telemetry::REDELIVERED, self.redelivered),
            (telemetry::DUPLICATES, self.duplicates),
            (telemetry::REJECTED, self.rejections()),
        ] {
            metrics::counter!(name).increment(count);
        }
        for (reason, count) in &self.rejected {
            metrics::counter!(telemetry::REJECTED_BY_REASON, telemetry::REASON => *reason).increment(*count);
        }
    }

    /// One line of log an invocation.
    pub fn log(&self, source: &Source) {
        tracing::info!(
            %source,
            records = self.records,
            entries = self.entries,
            events = self.events,
            redelivered = self.redelivered,
            duplicates = self.duplicates,
            rejected = self.rejections(),
            unknown_fields = self.unknown_fields,
            failed_from = self.failed_from.as_ref().map(SequenceNumber::as_str),
            "a batch was handled"
        );
    }
}
