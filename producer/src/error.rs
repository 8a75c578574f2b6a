//! What can go wrong, and what becomes of the events then.

use std::fmt;

use headcount_core::rejection::Problem;

use crate::event::NewEvent;

/// Why an event, or several, are not on the stream. Events that could still be sent are inside.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProducerError {
    /// The event breaks rules and was not sent; all its problems.
    #[error("the event is invalid: {}", listed(.0))]
    Invalid(Vec<Problem>),
    /// The queue has no room. Send more slowly, try again later, or wait with `queue_wait`.
    #[error(
        "the queue is full with {waiting_events} events of {waiting_bytes} bytes: try again later, or wait for room"
    )]
    QueueFull {
        /// The event.
        event: Unsent,
        /// Events in the queue.
        waiting_events: usize,
        /// Their bytes.
        waiting_bytes: usize,
    },
    /// The stream did not take the event.
    #[error("the stream did not take the event: {}", .0.refusal)]
    Refused(Returned),
    /// The producer was closed before.
    #[error("the producer is closed: the event was not taken")]
    Closed(Unsent),
    /// Queued events that the stream did not take in the end, or that a deadline left.
    #[error("{} queued events did not get onto the stream: {}", .0.len(), first(.0))]
    Returned(Vec<Returned>),
    /// A setting that cannot be.
    #[error("{setting} {rule}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

impl ProducerError {
    /// Whether trying again later may help: 429 or 503 to a client of the collector, not 400.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::QueueFull { .. } => true,
            Self::Refused(returned) => returned.refusal.is_passing(),
            Self::Returned(returned) => returned.iter().all(|one| one.refusal.is_passing()),
            Self::Invalid(_) | Self::Closed(_) | Self::Setting { .. } => false,
        }
    }

    /// Whether the cause is that more came than was taken: 429 rather than 503.
    pub fn is_throttled(&self) -> bool {
        match self {
            Self::QueueFull { .. } => true,
            Self::Refused(returned) => returned.refusal.is_throttled(),
            Self::Returned(returned) => returned.iter().all(|one| one.refusal.is_throttled()),
            Self::Invalid(_) | Self::Closed(_) | Self::Setting { .. } => false,
        }
    }
}

/// An event that is not on the stream, in wire form, with the identity that it was given. Sent again it is the same event.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsent(String);

impl Unsent {
    pub(crate) fn new(json: String) -> Self {
        Self(json)
    }

    /// The event's JSON.
    pub fn json(&self) -> &str {
        &self.0
    }

    /// The event's JSON.
    pub fn into_json(self) -> String {
        self.0
    }
}

impl fmt::Debug for Unsent {
    /// Without the event: it is somebody's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsent({} bytes)", self.0.len())
    }
}

impl From<Unsent> for NewEvent {
    fn from(unsent: Unsent) -> Self {
        Self::from_json(unsent.0)
    }
}

/// An event that comes back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The event.
    pub event: Unsent,
    /// Why the stream does not have it, as far as is known: after [`Refusal::Unknown`] it may have it all the same.
    pub refusal: Refusal,
}

/// Why the stream does not have a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It refused the record again and again, the last time with this error code of Kinesis.
    Record(String),
    /// Requests failed again and again, the last one in this way. What they carried may have been accepted all the same.
    Unknown(String),
    /// No request will succeed as things are.
    Stream(StreamProblem),
    /// The time for closing was over first.
    ClosedFirst,
}

impl Refusal {
    /// The reason in a word, for tallies.
    pub fn reason(&self) -> &str {
        match self {
            Self::Record(code) | Self::Unknown(code) => code,
            Self::Stream(problem) => &problem.reason,
            Self::ClosedFirst => "ClosedFirst",
        }
    }

    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Record(_) | Self::Unknown(_) => true,
            Self::Stream(_) | Self::ClosedFirst => false,
        }
    }

    /// Whether the stream was asked for more than it takes.
    pub fn is_throttled(&self) -> bool {
        match self {
            Self::Record(code) | Self::Unknown(code) => crate::put_records::kinesis::is_throttle(code),
            Self::Stream(_) | Self::ClosedFirst => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(code) => {
                write!(f, "it refused the record to the end ({code}): send more slowly, or add shards")
            }
            Self::Unknown(reason) => write!(f, "requests failed to the end ({reason}): try again later"),
            Self::Stream(problem) => problem.fmt(f),
            Self::ClosedFirst => f.write_str("the producer was closed first: give closing more time"),
        }
    }
}

/// What keeps every request from succeeding, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {remedy}")]
pub struct StreamProblem {
    /// The reason in a word: Kinesis's error code where there is one.
    pub reason: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl StreamProblem {
    pub(crate) fn new(reason: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

fn first(returned: &[Returned]) -> String {
    returned.first().map_or_else(String::new, |one| one.refusal.to_string())
}
