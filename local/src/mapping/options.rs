//! What a mapping is like: the same knobs as the service's, with its bounds.

use std::path::PathBuf;
use std::time::Duration;

use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use tokio::sync::watch;

use super::failing::Limits;
use crate::error::LocalError;
use crate::failures::Failures;
use crate::stream::journal::Backlog;

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

/// The most retries of a record (the service's own bound; without one there is no end).
pub const MAX_RETRIES: u32 = 10_000;

/// How old a record may become before a mapping with a failure destination gives it up, unless said otherwise: two hours
/// less than the shortest retention of a stream. A count of retries would be spent within minutes of an outage.
pub const GIVE_UP_AGE: Duration = Duration::from_hours(22);

/// Within these a bound of a record's age must lie (the service's own bounds; without one there is none).
pub const RECORD_AGES: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(168);

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
    /// Records of an earlier stream of the same lanes that were not handed out, in the order of their lanes: they go
    /// before everything that is in the stream.
    pub backlog: Backlog,
    /// The clock that the age of records is told by.
    pub clock: Clock,
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
            backlog: Backlog::default(),
            clock: Clock::system(),
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
        if let Some(retries) = self.failure.max_retries
            && retries > MAX_RETRIES
        {
            return refuse("max_retries", format!("at most {MAX_RETRIES}, not {retries}; or none, for no end"));
        }
        if let Some(age) = self.failure.max_record_age
            && !RECORD_AGES.contains(&age)
        {
            let (from, to) = RECORD_AGES.into_inner();
            return refuse("max_record_age", format!("{from:?} to {to:?}, not {age:?}; or none, for no end"));
        }
        if self.failure.gives_up() && self.failure.destination.is_none() {
            let rule = "a mapping that gives up needs a failure destination, or records would be lost; name one, or set \
                        neither max_retries nor max_record_age";
            return refuse("failure destination", rule.into());
        }
        Ok(())
    }
}

/// What becomes of a batch that failed.
#[derive(Clone, Debug)]
pub struct FailurePolicy {
    /// Whether a batch whose call failed as a whole (error, panic, timeout, invalid answer) is split into halves, which
    /// are tried in order. Splitting counts as no retry.
    pub bisect: bool,
    /// How often the same first record is retried before the rest of its batch, or of its half, is given up, 0 to
    /// [`MAX_RETRIES`]; `None` has no end. Any progress starts anew.
    pub max_retries: Option<u32>,
    /// How old a record may be when a call with it has failed, within [`RECORD_AGES`]; older ones are given up.
    pub max_record_age: Option<Duration>,
    /// Where that is kept which was given up. While it cannot be written, the records are tried on: unlike the
    /// service's, a mapping passes nothing by that is not kept.
    pub destination: Option<Failures>,
    jitter: Jitter,
}

impl FailurePolicy {
    /// Tries again until the function succeeds, as the service does by default: a batch that never passes blocks its
    /// shard. Pauses grow up to [`headcount_core::backoff::MAX_PAUSE`].
    pub fn retry_without_end(jitter: Jitter) -> Self {
        Self { bisect: false, max_retries: None, max_record_age: None, destination: None, jitter }
    }

    /// Splits what fails, retries it `max_retries` times, and then keeps it at `destination` and goes on.
    pub fn give_up_after(max_retries: u32, destination: Failures, jitter: Jitter) -> Self {
        let (max_retries, destination) = (Some(max_retries), Some(destination));
        Self { bisect: true, max_retries, destination, ..Self::retry_without_end(jitter) }
    }

    /// Splits what fails, and tries it again until it is older than `age`: then it is kept at `destination`.
    pub fn give_up_older_than(age: Duration, destination: Failures, jitter: Jitter) -> Self {
        let (max_record_age, destination) = (Some(age), Some(destination));
        Self { bisect: true, max_record_age, destination, ..Self::retry_without_end(jitter) }
    }

    /// As it is, but a batch whose call failed as a whole is split.
    #[must_use]
    pub fn bisecting(self) -> Self {
        Self { bisect: true, ..self }
    }

    /// The pause after a call of the function, or a request to the stream, failed for the `attempts`-th time in a row.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        self.jitter.pause(attempts.saturating_sub(1))
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { bisect: self.bisect, max_retries: self.max_retries }
    }

    fn gives_up(&self) -> bool {
        self.max_retries.is_some() || self.max_record_age.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_named() {
        type Change = fn(&mut MappingOptions);
        let cases: [(&str, Change); 14] = [
            ("stream", |options| options.stream.clear()),
            ("batch_size", |options| options.batch_size = 0),
            ("batch_size", |options| options.batch_size = MAX_BATCH_SIZE + 1),
            ("window", |options| options.window = MAX_WINDOW + Duration::from_millis(1)),
            ("function_timeout", |options| options.function_timeout = Duration::ZERO),
            ("function_timeout", |options| options.function_timeout = MAX_FUNCTION_TIMEOUT * 2),
            ("poll_interval", |options| options.poll_interval = Duration::ZERO),
            ("list_interval", |options| options.list_interval = Duration::ZERO),
            ("10000", |options| options.batch_size = usize::MAX),
            ("failure destination", |options| options.failure.max_retries = Some(100)),
            ("failure destination", |options| options.failure.max_record_age = Some(Duration::from_hours(1))),
            ("max_retries", |options| options.failure.max_retries = Some(MAX_RETRIES + 1)),
            ("max_record_age", |options| options.failure.max_record_age = Some(Duration::from_secs(59))),
            ("max_record_age", |options| options.failure.max_record_age = Some(Duration::from_hours(169))),
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
