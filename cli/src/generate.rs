//! Realistic events, reproducible: what `headcount generate` prints and what `headcount demo` checks itself against.
//!
//! The same options give the same bytes on every machine: all randomness comes from the seed, nothing depends on the
//! order of a hash map, and no floating-point function that a platform may round in its own way is used. Lines come
//! out roughly in time order while sessions interleave; what is held at any time are the sessions in flight.

mod options;
mod payload;
mod people;
mod rhythm;
mod session;
pub(crate) mod truth;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use fastrand::Rng;
use headcount_core::hash::hash64;

pub(crate) use options::{GeneratorError, GeneratorOptions};
use rhythm::Rhythm;
use session::{Planned, Session, Shares};

/// Lines that are planned ahead at most. Beyond, they come out earlier than their time order would have them.
const MAX_PLANNED_LINES: usize = 1 << 20;

/// One line of newline-delimited events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The event as it goes on the wire; for [`Flaw::NotJson`] something that is no JSON. Never holds a line break.
    pub(crate) json: String,
    /// The partition key for `PutRecords`: the user's id, so that all events of a user meet one shard, in order.
    pub(crate) partition_key: Arc<str>,
    /// When it happened, milliseconds since the epoch; of an invalid line, when it should have.
    pub(crate) timestamp_ms: i64,
    /// What the consumer must make of it.
    pub(crate) kind: Kind,
}

/// What the consumer must make of a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A valid event, for the first time.
    Fresh(Fact),
    /// The very bytes of an earlier fresh line, as a producer sends them that never saw its answer.
    Duplicate,
    /// An event that breaks a rule.
    Invalid(Flaw),
}

/// What a valid event says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    /// Whose event it is.
    pub(crate) user_id: Arc<str>,
    /// The session.
    pub(crate) session_id: Arc<str>,
    /// `metadata.platform`.
    pub(crate) platform: &'static str,
    /// What happened.
    pub(crate) action: Action,
}

/// What happened, with what the counters count of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// `page_view`.
    PageView,
    /// `feature_use` of this feature.
    FeatureUse(&'static str),
    /// `content_create` of this type of content.
    ContentCreate(&'static str),
    /// `ai_request`.
    AiRequest {
        /// The model.
        model: &'static str,
        /// Tokens in all.
        tokens: u64,
        /// Nano-dollars.
        cost_nanos: u64,
        /// How long it took, milliseconds.
        duration_ms: u32,
    },
    /// `error` of this type.
    Error(&'static str),
}

impl Action {
    /// The `eventType` on the wire.
    pub(crate) fn event_type(&self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::FeatureUse(_) => "feature_use",
            Self::ContentCreate(_) => "content_create",
            Self::AiRequest { .. } => "ai_request",
            Self::Error(_) => "error",
        }
    }
}

/// What is wrong with an invalid line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Flaw {
    /// No `metadata`.
    NoMetadata,
    /// An `eventType` that no deployment would configure.
    UnknownType,
    /// A negative `cost`.
    NegativeCost,
    /// No `userId`.
    NoUser,
    /// Several rules broken at once: blank session, no platform, tokens that are no number.
    SeveralProblems,
    /// A timestamp of 2001: a device whose clock was never set. Too old for any lateness limit of less than 8 years.
    TooOld,
    /// A timestamp ten years ahead.
    TooFarAhead,
    /// Cut off in the middle. Means something only where lines are told apart.
    NotJson,
}

impl Flaw {
    /// Every flaw.
    pub(crate) const ALL: [Self; 8] = [
        Self::NoMetadata,
        Self::UnknownType,
        Self::NegativeCost,
        Self::NoUser,
        Self::SeveralProblems,
        Self::TooOld,
        Self::TooFarAhead,
        Self::NotJson,
    ];
}

/// Hands out exactly as many lines as the options ask for.
#[derive(Debug)]
pub(crate) struct Generator {
    rng: Rng,
    seed: u64,
    users: u32,
    end_ms: i64,
    rhythm: Rhythm,
    shares: Shares,
    /// Lines in all.
    total: u64,
    /// Lines that planned sessions have taken of these.
    planned: u64,
    /// Lines that were handed out.
    emitted: u64,
    sessions: u64,
    next: Option<Opening>,
    queue: BinaryHeap<Reverse<Planned>>,
}

/// Where the next session begins, and how many events it would like to have.
#[derive(Clone, Copy, Debug)]
struct Opening {
    start_ms: i64,
    events: u32,
}

impl Generator {
    /// A generator of these options.
    ///
    /// # Errors
    /// Names the option that is out of its bounds.
    pub(crate) fn new(options: &GeneratorOptions) -> Result<Self, GeneratorError> {
        options.check()?;
        let start_ms = options.start_ms();
        let mut generator = Self {
            rng: Rng::with_seed(hash64(&options.seed.to_le_bytes())),
            seed: options.seed,
            users: options.users,
            end_ms: options.end_ms,
            rhythm: Rhythm::new(options.zone, start_ms, options.end_ms),
            shares: Shares::new(options.invalid_rate, options.duplicate_rate),
            total: options.events,
            planned: 0,
            emitted: 0,
            sessions: 0,
            next: None,
            queue: BinaryHeap::new(),
        };
        generator.next = generator.draw_opening(start_ms);
        Ok(generator)
    }

    /// The next session begins where the rhythm has spent the share of the window that the lines planned so far are
    /// of all lines: so the last session ends the budget as the window ends.
    fn draw_opening(&mut self, not_before_ms: i64) -> Option<Opening> {
        if self.planned >= self.total {
            return None;
        }
        let events = session::draw_length(&mut self.rng);
        let at = self.planned.saturating_add(self.rng.u64(0..u64::from(events))).min(self.total - 1);
        let start_ms = self.rhythm.at(at, self.total).max(not_before_ms);
        Some(Opening { start_ms, events })
    }

    /// Plans every session that may have a line before the earliest one in the queue.
    fn plan_ahead(&mut self) {
        while let Some(opening) = self.next {
            let due = self.queue.peek().is_none_or(|Reverse(first)| opening.start_ms <= first.send_ms);
            if !due || self.queue.len() >= MAX_PLANNED_LINES {
                return;
            }
            let session = Arc::new(Session::new(self.seed, self.sessions, self.users, opening.start_ms));
            self.sessions += 1;
            let room = usize::try_from(self.total - self.planned).unwrap_or(usize::MAX);
            let lines = session::plan(&session, opening.events, self.end_ms, self.shares, room);
            for (place, mut line) in lines.into_iter().enumerate() {
                line.number = self.planned + place as u64;
                self.queue.push(Reverse(line));
            }
            self.planned = self.queue.len() as u64 + self.emitted;
            self.next = self.draw_opening(opening.start_ms);
        }
    }
}

impl Iterator for Generator {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.plan_ahead();
        let Reverse(planned) = self.queue.pop()?;
        self.emitted += 1;
        Some(payload::line(&planned))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.total - self.emitted).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}
