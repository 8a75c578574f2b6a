//! What the Lambda functions measure of themselves, in `CloudWatch`'s embedded metric format.
//!
//! Crates count by the macros of the `metrics` crate under the names below; where nobody listens, that does nothing. A
//! function's program calls [`Telemetry::start`] once and [`Telemetry::flush`] after each invocation, which writes JSON
//! lines that `CloudWatch` turns into metrics:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A metric costs by each value of its dimensions, so sources and users are none.

use std::io::{self, Write as _};

use metrics::Unit;
use metrics_cloudwatch_embedded::{Builder, Collector};

/// Where `CloudWatch` keeps the metrics.
pub const NAMESPACE: &str = "Headcount";

/// The dimension of every metric: the project's name.
pub const PROJECT: &str = "Project";

/// The further dimension of [`REJECTED_BY_REASON`]: the field whose rule was broken.
pub const REASON: &str = "Reason";

/// Events that were appended to the log.
pub const EVENTS: &str = "Events";
/// Records that the log covered already.
pub const REDELIVERED: &str = "Redelivered";
/// Occurrences that were dropped because their event had been appended before.
pub const DUPLICATES: &str = "Duplicates";
/// Occurrences that broke a rule.
pub const REJECTED: &str = "Rejected";
/// As [`REJECTED`], apart by [`REASON`].
pub const REJECTED_BY_REASON: &str = "RejectedByReason";
/// Records of an invocation.
pub const BATCH_SIZE: &str = "BatchSize";
/// How long it took to append a batch to the log.
pub const APPEND_TIME: &str = "AppendTime";
/// How long it took to bring the table up to date with the log.
pub const FOLLOW_TIME: &str = "FollowTime";
/// How long before its handling the newest record of a batch arrived.
pub const ITERATOR_LAG: &str = "IteratorLag";
/// How long ago the oldest entry that the figures do not have was appended, at the end of a run of the aggregator.
pub const FIGURES_LAG: &str = "FiguresLag";
/// As [`FIGURES_LAG`], for items.
pub const ITEMS_LAG: &str = "ItemsLag";
/// Pauses before another try at the table or the log.
pub const RETRIES: &str = "Retries";
/// Items that the table left undone or unanswered in a batched write, each time.
pub const UNPROCESSED_ITEMS: &str = "UnprocessedItems";
/// Runs of a follower that stopped at an error.
pub const FAILED_FOLLOWS: &str = "FailedFollows";
/// Entries of the log that cannot be read.
pub const DAMAGED_ENTRIES: &str = "DamagedEntries";
/// Partials that cannot be read.
pub const DAMAGED_PARTIALS: &str = "DamagedPartials";
/// Items of events that the table refuses whatever is tried.
pub const REFUSED_ITEMS: &str = "RefusedItems";

/// Days that a run of the aggregator looked at.
pub const DAYS: &str = "Days";
/// Days that could not be aggregated or verified.
pub const FAILED_DAYS: &str = "FailedDays";
/// How long a run of the aggregator took.
pub const RUN_TIME: &str = "RunTime";

/// Sources with entries that expire within a week and that a follower has not followed.
pub const EXPIRING_SOURCES: &str = "ExpiringSources";

/// Nightly runs of proofs that came to a good end. `CloudWatch` charges a metric for the hours in which it has data, so this one costs
/// little.
pub const NIGHTLY_PROOFS: &str = "NightlyProofs";
/// Days that could not be proven.
pub const FAILED_PROOFS: &str = "FailedProofs";
/// Sources whose partial of a day is not what the log says.
pub const PROOF_DIFFERENCES: &str = "ProofDifferences";

/// Days with entries that expire within a week and that no proof counts.
pub const OVERDUE_PROOFS: &str = "OverdueProofs";

/// Every metric and its unit.
pub const METRICS: [(&str, Unit); 25] = [
    (EVENTS, Unit::Count),
    (REDELIVERED, Unit::Count),
    (DUPLICATES, Unit::Count),
    (REJECTED, Unit::Count),
    (REJECTED_BY_REASON, Unit::Count),
    (BATCH_SIZE, Unit::Count),
    (APPEND_TIME, Unit::Milliseconds),
    (FOLLOW_TIME, Unit::Milliseconds),
    (ITERATOR_LAG, Unit::Milliseconds),
    (FIGURES_LAG, Unit::Milliseconds),
    (ITEMS_LAG, Unit::Milliseconds),
    (RETRIES, Unit::Count),
    (UNPROCESSED_ITEMS, Unit::Count),
    (FAILED_FOLLOWS, Unit::Count),
    (DAMAGED_ENTRIES, Unit::Count),
    (DAMAGED_PARTIALS, Unit::Count),
    (REFUSED_ITEMS, Unit::Count),
    (DAYS, Unit::Count),
    (FAILED_DAYS, Unit::Count),
    (RUN_TIME, Unit::Seconds),
    (EXPIRING_SOURCES, Unit::Count),
    (NIGHTLY_PROOFS, Unit::Count),
    (FAILED_PROOFS, Unit::Count),
    (PROOF_DIFFERENCES, Unit::Count),
    (OVERDUE_PROOFS, Unit::Count),
];

/// The metrics of this process.
#[derive(Clone, Copy)]
pub struct Telemetry(&'static Collector);

/// The process counts for somebody else already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metrics cannot be counted: {0}; start them once in a process")]
pub struct TelemetryError(String);

impl Telemetry {
    /// Counts from now on, for this project.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] where the process has started it already.
    pub fn start(project: &str) -> Result<Self, TelemetryError> {
        let builder = Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension(PROJECT, project.to_owned());
        let collector = builder.init().map_err(|error| TelemetryError(error.to_string()))?;
        for (name, unit) in METRICS {
            metrics::describe_counter!(name, unit, "");
        }
        Ok(Self(collector))
    }

    /// Writes what was counted since the last time to standard output, as whole lines.
    pub fn flush(&self) {
        let mut lines = Vec::new();
        let written = self.0.flush(&mut lines).and_then(|()| io::stdout().lock().write_all(&lines));
        if let Err(error) = written {
            tracing::warn!(%error, "metrics could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_differ_and_are_few() {
        let names: BTreeSet<_> = METRICS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(names.len() <= 25, "each costs by the month");
    }
}
