//! What happened, counted: so that nobody takes a world without trouble for a proof.

use std::collections::BTreeMap;

/// Kinds of things that happen, with their words.
macro_rules! kinds {
    ($($kind:ident => $words:literal),* $(,)?) => {
        /// What can happen, in the words of [`Kind::words`].
        #[expect(missing_docs, reason = "the words say it")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($kind),*
        }

        impl Kind {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// What happened, in words.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$kind => $words),*
                }
            }
        }
    };
}

kinds! {
    Throttled => "table: requests throttled",
    UnknownBefore => "table: unknown, without effect",
    UnknownAfter => "table: unknown, with effect",
    LateEffect => "table: effects after the sender was gone",
    Delayed => "table: requests delayed",
    ItemUnprocessed => "table: items unprocessed",
    ItemUnreported => "table: items written but said to be unprocessed",
    ConditionFailed => "table: conditions failed",
    OutageRequests => "table: requests during an outage",
    PutConflict => "bucket: 409 without effect",
    BucketUnknownBefore => "bucket: unknown, without effect",
    BucketUnknownAfter => "bucket: unknown, with effect",
    PutLate => "bucket: puts late, after the sender was told",
    BucketLateEffect => "bucket: effects after the sender was gone",
    BucketSlow => "bucket: requests slow",
    PutExists => "bucket: the object exists",
    SilenceRequests => "bucket: requests during an outage",
    CrashBefore => "processes died before a request",
    CrashAfter => "processes died after a request",
    PresumedDead => "invocations presumed dead that went on",
    Killed => "invocations killed",
    Overlap => "invocations of one source at once",
    Together => "invocations of several sources in one process",
    ColdStart => "cold starts",
    WarmStart => "warm starts",
    StaleStart => "warm starts with an old tail",
    AnswerLost => "answers lost",
    Redelivered => "records delivered again",
    PartialAnswer => "partial answers",
    Bisected => "batches bisected",
    RetriesExhausted => "batches given up: retries",
    TooOld => "batches given up: age",
    Poisoned => "deaths at a poison record",
    Rewound => "shards read again from an earlier record",
    SecondMapping => "shards read by a second mapping",
    Redriven => "batches redriven",
    RedrivenAgain => "batches redriven again",
    Imported => "files imported",
    ImportedAgain => "files imported again",
    Split => "shards split",
    Merged => "shards merged",
    Resent => "records sent again",
    Twins => "events sent to two sources at once",
    LateEvent => "events an hour late or more",
    EarlyEvent => "events ahead of their arrival",
    WithoutId => "events without an id",
    TwoDays => "records with events of two days",
    Invalid => "events that broke a rule",
    AggregatorsAtOnce => "aggregators at once",
    SlowAggregator => "aggregators overtaken",
    Verified => "days verified in between",
    Proved => "days proven in between",
    Sliced => "proofs of large days gone on with",
    Nights => "nightly runs that followed and proved everything",
    Frozen => "imports and redriven batches refused: a day is frozen",
    Unproven => "days that nobody proved in time",
    Late => "imports and redriven batches taken more than three days after a day's first entry",
    DamagedPartial => "partials damaged",
    DamagedDay => "merged sketches damaged",
    Refolded => "damaged partials folded anew",
    Rebuilt => "days rebuilt",
    Duplicates => "duplicates dropped",
    CrossDuplicates => "duplicates that only the log shows",
    ExpiredEntry => "entries expired",
    MissingEntry => "entries lost",
    TruncatedEntry => "entries cut off",
    FlippedEntry => "entries altered",
    Restored => "tables restored",
    Looks => "looks at table and log in between",
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
    /// Entries in the log.
    pub entries: u64,
    /// Requests to table and bucket.
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
        self.entries += other.entries;
        self.requests += other.requests;
    }
}
