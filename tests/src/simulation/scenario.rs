//! Which world to live through: its seed, and what of it to leave out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use headcount_store::defects::Defect;

/// A source of trouble that a scenario can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Requests that are throttled.
    Throttle,
    /// Requests whose outcome is unknown.
    Unknown,
    /// Processes that die at a request.
    Crash,
    /// Items of a batch that fail by themselves.
    Items,
    /// Requests that take their time.
    Delay,
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
    /// Checkpoints that go back.
    Rewind,
    /// Stored bytes that are damaged.
    Damage,
    /// Aggregators beside the last one.
    Aggregators,
    /// Times when the table answers nobody.
    Outage,
    /// Producers that send again.
    Resend,
    /// The same event sent to two sources.
    Twins,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Throttle,
        Self::Unknown,
        Self::Crash,
        Self::Items,
        Self::Delay,
        Self::Presumed,
        Self::Kill,
        Self::AnswerLost,
        Self::Poison,
        Self::Reshard,
        Self::Rewind,
        Self::Damage,
        Self::Aggregators,
        Self::Outage,
        Self::Resend,
        Self::Twins,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Unknown => "unknown",
            Self::Crash => "crash",
            Self::Items => "items",
            Self::Delay => "delay",
            Self::Presumed => "presumed",
            Self::Kill => "kill",
            Self::AnswerLost => "answer-lost",
            Self::Poison => "poison",
            Self::Reshard => "reshard",
            Self::Rewind => "rewind",
            Self::Damage => "damage",
            Self::Aggregators => "aggregators",
            Self::Outage => "outage",
            Self::Resend => "resend",
            Self::Twins => "twins",
        }
    }

    /// The cause of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
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
    /// The rule that is left out of the code, in builds that can do so.
    pub defect: Option<Defect>,
}

impl Scenario {
    /// The whole world of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self { seed, sends: None, without: BTreeSet::new(), defect: None }
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
        if let Some(defect) = self.defect {
            list(&mut command, "--defect", vec![defect.name().to_owned()]);
        }
        command + " --history"
    }
}
