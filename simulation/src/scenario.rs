//! Which world to live through: its seed, and what of it to leave out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A source of trouble that a scenario can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Requests to the table that are throttled.
    Throttle,
    /// Requests to the table whose outcome is unknown.
    Unknown,
    /// Requests to the table that take effect when nobody waits any more.
    Late,
    /// Items of a batch that fail by themselves.
    Items,
    /// Times when the table does not answer.
    Outage,
    /// Processes that die at a request to table or bucket.
    Crash,
    /// Puts that the bucket answers with 409 although nothing is there.
    Conflict,
    /// Requests to the bucket whose outcome is unknown.
    PutUnknown,
    /// Puts that take effect after their sender gave up.
    PutLate,
    /// Puts of one object that fail for minutes.
    Stubborn,
    /// Times when the bucket does not answer.
    Silence,
    /// Invocations that are presumed dead and go on.
    Presumed,
    /// Invocations that are killed.
    Kill,
    /// Answers that get lost on their way to the mapping.
    AnswerLost,
    /// A record at which the function dies each time.
    Poison,
    /// Shards that split and merge.
    Reshard,
    /// A mapping that goes back in a shard.
    Rewind,
    /// A second mapping of the same stream.
    SecondMapping,
    /// Aggregators besides the last one.
    Aggregators,
    /// Files that are imported.
    Import,
    /// Entries that expire.
    Expiry,
    /// Entries and partials that are damaged.
    Damage,
    /// A table that is restored to an earlier moment.
    Restore,
    /// Producers that send again.
    Resend,
    /// The same event sent to two sources.
    Twins,
}

impl Cause {
    /// All of them, with their names on the command line.
    const NAMES: [(Self, &'static str); 25] = [
        (Self::Throttle, "throttle"),
        (Self::Unknown, "unknown"),
        (Self::Late, "late"),
        (Self::Items, "items"),
        (Self::Outage, "outage"),
        (Self::Crash, "crash"),
        (Self::Conflict, "conflict"),
        (Self::PutUnknown, "put-unknown"),
        (Self::PutLate, "put-late"),
        (Self::Stubborn, "stubborn"),
        (Self::Silence, "silence"),
        (Self::Presumed, "presumed"),
        (Self::Kill, "kill"),
        (Self::AnswerLost, "answer-lost"),
        (Self::Poison, "poison"),
        (Self::Reshard, "reshard"),
        (Self::Rewind, "rewind"),
        (Self::SecondMapping, "second-mapping"),
        (Self::Aggregators, "aggregators"),
        (Self::Import, "import"),
        (Self::Expiry, "expiry"),
        (Self::Damage, "damage"),
        (Self::Restore, "restore"),
        (Self::Resend, "resend"),
        (Self::Twins, "twins"),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().map(|(cause, _)| cause)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(cause, _)| *cause == self).map_or("", |(_, name)| name)
    }

    /// The cause of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(cause, _)| *cause)
    }
}

/// Which world to live through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Everything that is drawn comes from it.
    pub seed: u64,
    /// Which of the producers' sends happen; `None` for all.
    pub sends: Option<BTreeSet<u32>>,
    /// Trouble that does not happen.
    pub without: BTreeSet<Cause>,
}

impl Scenario {
    /// The whole world of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self { seed, sends: None, without: BTreeSet::new() }
    }

    /// Whether this trouble may happen.
    pub fn has(&self, cause: Cause) -> bool {
        !self.without.contains(&cause)
    }

    /// Whether this send happens.
    pub fn sends(&self, number: u32) -> bool {
        self.sends.as_ref().is_none_or(|sends| sends.contains(&number))
    }

    /// The command that lives through it again.
    pub fn command(&self) -> String {
        let mut command = format!("cargo xtask simulate --seed {}", self.seed);
        let list = |command: &mut String, option: &str, names: Vec<String>| {
            let _ = write!(command, " {option} {}", names.join(","));
        };
        if let Some(sends) = &self.sends {
            list(&mut command, "--sends", sends.iter().map(ToString::to_string).collect());
        }
        if !self.without.is_empty() {
            list(&mut command, "--without", self.without.iter().map(|cause| cause.name().to_owned()).collect());
        }
        command + " --history"
    }
}
