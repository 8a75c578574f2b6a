//! What a mapping is like: the same knobs as the service's, with its bounds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use headcount_store::retry::Jitter;
use tokio::sync::watch;

use crate::error::LocalError;

/// The most records of a batch (the service's own bound).
pub const MAX_BATCH_SIZE: usize = 10_000;

/// The records of a batch, unless said otherwise (the service's own default).
pub const BATCH_SIZE: usize = 100;

/// The longest batching window (the service's own bound).
pub const MAX_WINDOW: Duration = Duration::from_mins(5);

/// The longest that a function may run (the service's own bound).
pub const MAX_FUNCTION_TIMEOUT: Duration = Duration::from_mins(15);

/// How long a function may run, unless said otherwise.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_mins(5);

/// The pause between two reads of a shard, unless said otherwise: five reads a second are what the service grants.
pub const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The pause between two reads of a shard that has nothing new, where a doorbell tells of new records.
pub(super) const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// How often the stream's shards are listed without any other reason.
pub const LIST_INTERVAL: Duration = Duration::from_secs(5);

/// How a mapping reads its stream and calls its function.
#[derive(Clone, Debug)]
pub struct MappingOptions {
    /// The stream's name.
    pub stream: String,
    /// The most records of a batch, 1 to [`MAX_BATCH_SIZE`].
    pub batch_size: usize,
    /// How long a batch waits for more records after its first one, up to [`MAX_WINDOW`]; zero takes what is there.
    pub window: Duration,
    /// How long the function may run, up to [`MAX_FUNCTION_TIMEOUT`]; then the call is cut off and has failed.
    pub function_timeout: Duration,
    /// The pause between two reads of a shard.
    pub poll_interval: Duration,
    /// Changes whenever the stream may have new records. With it, a shard without any is read only once a second until
    /// it rings, and an idle process rests.
    pub doorbell: Option<watch::Receiver<u64>>,
    /// How often the shards are listed without any other reason.
    pub list_interval: Duration,
    /// What becomes of a batch that failed.
    pub failure: FailurePolicy,
    /// Where checkpoints are kept; `None` keeps them in memory, and a new mapping starts at the stream's oldest record.
    pub data_dir: Option<PathBuf>,
}

impl MappingOptions {
    /// The service's defaults, without a directory for checkpoints.
    pub fn new(stream: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            batch_size: BATCH_SIZE,
            window: Duration::ZERO,
            function_timeout: FUNCTION_TIMEOUT,
            poll_interval: POLL_INTERVAL,
            doorbell: None,
            list_interval: LIST_INTERVAL,
            failure: FailurePolicy::retry_without_end(Jitter::from_entropy()),
            data_dir: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), LocalError> {
        let refuse = |field, rule: String| Err(LocalError::Option { field, rule });
        if self.stream.is_empty() {
            return refuse("stream", "must be the name of a stream".into());
        }
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            return refuse("batch_size", format!("1 to {MAX_BATCH_SIZE} records, not {}", self.batch_size));
        }
        if self.window > MAX_WINDOW {
            return refuse("window", format!("at most {MAX_WINDOW:?}, not {:?}", self.window));
        }
        if self.function_timeout.is_zero() || self.function_timeout > MAX_FUNCTION_TIMEOUT {
            let rule = format!("more than nothing, at most {MAX_FUNCTION_TIMEOUT:?}, not {:?}", self.function_timeout);
            return refuse("function_timeout", rule);
        }
        if self.poll_interval.is_zero() || self.list_interval.is_zero() {
            return refuse("poll_interval, list_interval", "must be longer than nothing".into());
        }
        Ok(())
    }
}

/// What becomes of a batch that failed.
#[derive(Clone)]
pub struct FailurePolicy {
    jitter: Jitter,
}

impl FailurePolicy {
    /// Tries again until the function succeeds, as the service does by default: a batch that never passes blocks its
    /// shard. Pauses grow up to [`headcount_store::retry::MAX_PAUSE`].
    pub fn retry_without_end(jitter: Jitter) -> Self {
        Self { jitter }
    }

    /// What to do after `failed`.
    pub(super) fn decide(&self, failed: Failed) -> Decision {
        Decision::RetryAfter(self.jitter.pause(failed.attempts.saturating_sub(1)))
    }

    /// The pause after a request to the stream failed for the `attempts`-th time in a row.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        self.jitter.pause(attempts.saturating_sub(1))
    }
}

impl fmt::Debug for FailurePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailurePolicy::retry_without_end")
    }
}

/// A batch that was not processed to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// How often it was tried in a row without any record getting through; 0 right after some did.
    pub(super) attempts: u32,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The rest of the batch is tried again.
    RetryAfter(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_named() {
        type Change = fn(&mut MappingOptions);
        let cases: [(&str, Change); 9] = [
            ("stream", |options| options.stream.clear()),
            ("batch_size", |options| options.batch_size = 0),
            ("batch_size", |options| options.batch_size = MAX_BATCH_SIZE + 1),
            ("window", |options| options.window = MAX_WINDOW + Duration::from_millis(1)),
            ("function_timeout", |options| options.function_timeout = Duration::ZERO),
            ("function_timeout", |options| options.function_timeout = MAX_FUNCTION_TIMEOUT * 2),
            ("poll_interval", |options| options.poll_interval = Duration::ZERO),
            ("list_interval", |options| options.list_interval = Duration::ZERO),
            ("10000", |options| options.batch_size = usize::MAX),
        ];
        MappingOptions::new("events").check().unwrap();
        for (word, change) in cases {
            let mut options = MappingOptions::new("events");
            change(&mut options);
            let refused = options.check().unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
