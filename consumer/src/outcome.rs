//! What one invocation did, in numbers.

use std::collections::BTreeMap;

use headcount_core::origin::{SequenceNumber, Source};
use headcount_runtime::telemetry;

use crate::claim::Standing;
use crate::settle::{Occurrence, RecordWork};

/// What one invocation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The first record that must be delivered again; `None` where all went well.
    pub failed_from: Option<SequenceNumber>,
    /// Records that were delivered.
    pub records: u64,
    /// Events that were inserted.
    pub inserted: u64,
    /// Events that an earlier try at the same record had inserted.
    pub redelivered: u64,
    /// Occurrences of events whose origin is another.
    pub duplicates: u64,
    /// Occurrences that broke a rule.
    pub rejected: u64,
    /// The same, apart by [`headcount_core::rejection::Rejection::reason`].
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Top-level fields that were dropped.
    pub unknown_fields: u64,
    /// Partials that were written.
    pub folds: u64,
    /// Partials that could not be written.
    pub failed_folds: u64,
    /// Partials of which a part was damaged and begun anew.
    pub damaged: u64,
}

impl Outcome {
    /// Counts what became of the records before `checkpoint`.
    pub fn count(&mut self, records: &[RecordWork], occurrences: &[Occurrence], checkpoint: usize) {
        self.rejected += records.iter().take(checkpoint).map(|record| record.rejected).sum::<u64>();
        for occurrence in occurrences.iter().filter(|occurrence| occurrence.record < checkpoint) {
            match occurrence.standing {
                Standing::Ours { fresh: true } => self.inserted += 1,
                Standing::Ours { fresh: false } => self.redelivered += 1,
                Standing::Duplicate => self.duplicates += 1,
                Standing::Refused(_) | Standing::Unknown => {}
            }
        }
    }

    /// Adds it to the process's metrics.
    pub fn measure(&self) {
        metrics::histogram!(telemetry::BATCH_SIZE).record(self.records as f64);
        for (name, count) in [
            (telemetry::EVENTS, self.inserted),
            (telemetry::REDELIVERED, self.redelivered),
            (telemetry::DUPLICATES, self.duplicates),
            (telemetry::REJECTED, self.rejected),
            (telemetry::FAILED_FOLDS, self.failed_folds),
            (telemetry::DAMAGED_PARTIALS, self.damaged),
        ] {
            metrics::counter!(name).increment(count);
        }
        for (reason, count) in &self.rejected_by_reason {
            metrics::counter!(telemetry::REJECTED_BY_REASON, telemetry::REASON => *reason).increment(*count);
        }
    }

    /// One line of log an invocation.
    pub fn log(&self, source: &Source) {
        tracing::info!(
            %source,
            records = self.records,
            inserted = self.inserted,
            redelivered = self.redelivered,
            duplicates = self.duplicates,
            rejected = self.rejected,
            unknown_fields = self.unknown_fields,
            folds = self.folds,
            failed_folds = self.failed_folds,
            damaged = self.damaged,
            failed_from = self.failed_from.as_ref().map(SequenceNumber::as_str),
            "a batch was handled"
        );
    }
}
