//! How far a mapping has come.

use std::collections::BTreeMap;

/// How far a mapping has come, since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that the function has processed.
    pub records: u64,
    /// Calls of the function.
    pub batches: u64,
    /// Calls that did not process their batch to its end.
    pub failures: u64,
    /// Records that were given up, and are kept at the failure destination.
    pub kept: u64,
    /// Records of an earlier stream that are still to be passed. Shards are then those of the earlier one.
    pub backlog: u64,
    /// Whether all records of an earlier stream are passed, if there were any.
    pub is_backlog_passed: bool,
    /// Why the stream itself cannot be asked at the moment, if so.
    pub problem: Option<String>,
    /// Each shard that the stream lists, by its id.
    pub shards: BTreeMap<String, ShardProgress>,
    /// The last question ([`super::Mapping::caught_up`]) that the list of shards was made after.
    pub(super) listed: u64,
}

/// How far one shard has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardProgress {
    /// What is done with it.
    pub state: ShardState,
    /// How far the last read was behind the newest record, in milliseconds.
    pub millis_behind: i64,
    /// The sequence number of the last record processed; `None` before the first.
    pub checkpoint: Option<String>,
    /// How often in a row its batch has failed without any record getting through.
    pub attempts: u32,
    /// Why it does not go on at the moment, if so.
    pub problem: Option<String>,
    /// The last question that it has answered with "caught up".
    pub(super) caught: u64,
}

/// What is done with a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShardState {
    /// Its parents are not yet processed to their end.
    #[default]
    Waiting,
    /// It is read.
    Running,
    /// It is closed, and processed to its end.
    Ended,
}

impl Progress {
    /// The shards that may have records which were in the stream at question number `question`.
    pub(super) fn pending(&self, question: u64) -> usize {
        self.shards.values().filter(|shard| shard.state != ShardState::Ended && shard.caught < question).count()
    }

    pub(super) fn is_caught_up(&self, question: u64) -> bool {
        self.listed >= question && self.pending(question) == 0
    }

    /// What is wrong with the mapping, or else with one of its shards.
    pub fn any_problem(&self) -> Option<String> {
        let of_shards = || self.shards.values().find_map(|shard| shard.problem.clone());
        self.problem.clone().or_else(of_shards)
    }

    /// Each shard's checkpoint, of those that have one.
    pub fn checkpoints(&self) -> BTreeMap<String, String> {
        let checkpoint = |(id, shard): (&String, &ShardProgress)| Some((id.clone(), shard.checkpoint.clone()?));
        self.shards.iter().filter_map(checkpoint).collect()
    }
}
