//! What happened, counted: so that nobody takes a world without trouble for a proof.

use std::collections::BTreeMap;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A request was throttled.
    Throttled,
    /// A request's outcome was unknown, and it had no effect.
    UnknownBefore,
    /// A request's outcome was unknown, and it had its effect: a timeout after the write.
    UnknownAfter,
    /// A process died before a request took effect.
    CrashBefore,
    /// A process died after a request took effect.
    CrashAfter,
    /// A batch did not get to an item.
    ItemUnprocessed,
    /// An item's outcome was unknown, and nothing happened to it.
    ItemUnknownBefore,
    /// An item's outcome was unknown, and it was written.
    ItemUnknownAfter,
    /// A request took its time.
    Delayed,
    /// A condition failed: what was there forbade the write.
    ConditionFailed,
    /// A request had its effect after its sender was gone.
    LateEffect,
    /// An invocation was presumed dead, and went on.
    PresumedDead,
    /// An invocation was killed.
    Killed,
    /// Two invocations of one source ran at once.
    Overlap,
    /// An invocation began in a new process.
    ColdStart,
    /// An invocation began in a process that remembers.
    WarmStart,
    /// An answer did not reach the mapping.
    AnswerLost,
    /// A record was delivered again.
    Redelivered,
    /// An answer named the record to go on from.
    PartialAnswer,
    /// A batch was split in two.
    Bisected,
    /// A batch was given up after its last retry.
    RetriesExhausted,
    /// A batch was given up because of its age.
    TooOld,
    /// A function died at its poison.
    Poisoned,
    /// A checkpoint went back.
    Rewound,
    /// A kept batch was handled again.
    Redriven,
    /// A shard split.
    Split,
    /// Two shards merged.
    Merged,
    /// The table answered nobody for a while.
    Outage,
    /// A producer sent a record again.
    Resent,
    /// One event was sent to two sources at once.
    Twins,
    /// An event came late.
    LateEvent,
    /// A record held events of two days.
    TwoDays,
    /// An event or a record broke a rule.
    Invalid,
    /// Counters of a partial were damaged.
    DamagedCounters,
    /// A user sketch of a partial was damaged.
    DamagedUsers,
    /// A session sample of a partial was damaged.
    DamagedSessions,
    /// A day's merged sketch was damaged.
    DamagedDay,
    /// Two aggregators ran at once.
    AggregatorsAtOnce,
    /// A slow aggregator ended after one that began later.
    SlowAggregator,
    /// A source was recounted.
    Recounted,
    /// A day was rebuilt.
    Rebuilt,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 41] = [
        Self::Throttled,
        Self::UnknownBefore,
        Self::UnknownAfter,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::ItemUnprocessed,
        Self::ItemUnknownBefore,
        Self::ItemUnknownAfter,
        Self::Delayed,
        Self::ConditionFailed,
        Self::LateEffect,
        Self::PresumedDead,
        Self::Killed,
        Self::Overlap,
        Self::ColdStart,
        Self::WarmStart,
        Self::AnswerLost,
        Self::Redelivered,
        Self::PartialAnswer,
        Self::Bisected,
        Self::RetriesExhausted,
        Self::TooOld,
        Self::Poisoned,
        Self::Rewound,
        Self::Redriven,
        Self::Split,
        Self::Merged,
        Self::Outage,
        Self::Resent,
        Self::Twins,
        Self::LateEvent,
        Self::TwoDays,
        Self::Invalid,
        Self::DamagedCounters,
        Self::DamagedUsers,
        Self::DamagedSessions,
        Self::DamagedDay,
        Self::AggregatorsAtOnce,
        Self::SlowAggregator,
        Self::Recounted,
        Self::Rebuilt,
    ];

    /// What happened, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Throttled => "requests throttled",
            Self::UnknownBefore => "requests unknown, without effect",
            Self::UnknownAfter => "requests unknown, with effect",
            Self::CrashBefore => "processes died before a request",
            Self::CrashAfter => "processes died after a request",
            Self::ItemUnprocessed => "items unprocessed",
            Self::ItemUnknownBefore => "items unknown, without effect",
            Self::ItemUnknownAfter => "items unknown, with effect",
            Self::Delayed => "requests delayed",
            Self::ConditionFailed => "conditions failed",
            Self::LateEffect => "effects after the sender was gone",
            Self::PresumedDead => "invocations presumed dead that went on",
            Self::Killed => "invocations killed",
            Self::Overlap => "invocations of one source at once",
            Self::ColdStart => "cold starts",
            Self::WarmStart => "warm starts",
            Self::AnswerLost => "answers lost",
            Self::Redelivered => "records delivered again",
            Self::PartialAnswer => "partial answers",
            Self::Bisected => "batches bisected",
            Self::RetriesExhausted => "batches given up: retries",
            Self::TooOld => "batches given up: age",
            Self::Poisoned => "deaths at a poison record",
            Self::Rewound => "checkpoints gone back",
            Self::Redriven => "batches redriven",
            Self::Split => "shards split",
            Self::Merged => "shards merged",
            Self::Outage => "outages of the table",
            Self::Resent => "records sent again",
            Self::Twins => "events sent to two sources at once",
            Self::LateEvent => "events an hour late or more",
            Self::TwoDays => "records with events of two days",
            Self::Invalid => "events that broke a rule",
            Self::DamagedCounters => "counters damaged",
            Self::DamagedUsers => "user sketches damaged",
            Self::DamagedSessions => "session samples damaged",
            Self::DamagedDay => "merged sketches damaged",
            Self::AggregatorsAtOnce => "aggregators at once",
            Self::SlowAggregator => "aggregators overtaken",
            Self::Recounted => "sources recounted",
            Self::Rebuilt => "days rebuilt",
        }
    }
}

/// What happened, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<Kind, u64>,
    /// Invocations of the consumer.
    pub batches: u64,
    /// Records that the stream took.
    pub records: u64,
    /// Different events that the stream took.
    pub events: u64,
    /// Requests to the store.
    pub requests: u64,
}

impl Tally {
    /// Counts something that happened so many times.
    pub fn count(&mut self, kind: Kind, times: u64) {
        *self.counts.entry(kind).or_default() += times;
    }

    /// How often it happened.
    pub fn of(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        for (kind, times) in &other.counts {
            self.count(*kind, *times);
        }
        self.batches += other.batches;
        self.records += other.records;
        self.events += other.events;
        self.requests += other.requests;
    }
}
