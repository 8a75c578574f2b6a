//! Checkpoints: how far each shard was processed, kept in a file that is replaced whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headcount_core::seal::{open, seal};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::data_dir::{self, DirLock};
use crate::error::LocalError;

/// The file in the data directory.
pub(super) const FILE_NAME: &str = "checkpoints.json";

/// The version of the file's layout.
const VERSION: u32 = 1;

/// The streams whose checkpoints one file keeps; beyond, the oldest is forgotten.
const MAX_STREAMS: usize = 16;

/// How far one shard was processed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardCheckpoint {
    /// The last record processed; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<String>,
    /// Whether the shard is closed and was processed to its end.
    #[serde(default)]
    pub(super) ended: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct StreamCheckpoints {
    /// A stream made anew under an old name has another creation time, and none of the old checkpoints holds for it.
    created_ms: i64,
    shards: BTreeMap<String, ShardCheckpoint>,
    /// The last record processed of each shard of earlier streams of that name: a journal may hold records of theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    streams: BTreeMap<String, StreamCheckpoints>,
}

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    /// The stream in use.
    arn: String,
    /// Counts changes.
    change: u64,
}

/// The checkpoints of a mapping, in memory and, given a directory, in its file.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: Option<PathBuf>,
    state: Mutex<State>,
    /// The last change that is in the file. Held while the file is written.
    written: tokio::sync::Mutex<u64>,
    _lock: Option<DirLock>,
}

impl Checkpoints {
    /// Reads what the directory keeps.
    pub(super) fn open(dir: Option<&Path>) -> Result<Self, LocalError> {
        let lock = dir.map(|dir| data_dir::lock(dir, "mapping")).transpose()?;
        let path = dir.map(|dir| dir.join(FILE_NAME));
        let kept = path.as_deref().map_or(Ok(Kept::default()), read)?;
        let state = Mutex::new(State { kept, ..State::default() });
        Ok(Self { path, state, written: tokio::sync::Mutex::new(0), _lock: lock })
    }

    /// Turns to the stream `arn` made at `created_ms`: checkpoints of an earlier one of that name do not hold for it, and
    /// are remembered only for that one's backlog.
    pub(super) fn begin(&self, arn: &str, created_ms: i64) {
        let mut state = self.state();
        let stream = state.kept.streams.entry(arn.to_owned()).or_default();
        if stream.created_ms != created_ms {
            let ended = std::mem::take(&mut stream.shards).into_iter();
            // Sequence numbers only grow, so these lie beyond those of streams before.
            stream.before.extend(ended.filter_map(|(shard, checkpoint)| Some((shard, checkpoint.sequence?))));
            stream.created_ms = created_ms;
        }
        while state.kept.streams.len() > MAX_STREAMS {
            let others = state.kept.streams.iter().filter(|(name, _)| *name != arn);
            let oldest = others.min_by_key(|(_, stream)| stream.created_ms).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            state.kept.streams.remove(&oldest);
        }
        state.kept.version = VERSION;
        arn.clone_into(&mut state.arn);
    }

    /// How far the shard was processed.
    pub(super) fn of(&self, shard: &str) -> ShardCheckpoint {
        let state = self.state();
        let stream = state.kept.streams.get(&state.arn);
        stream.and_then(|stream| stream.shards.get(shard)).cloned().unwrap_or_default()
    }

    /// Forgets the shards that the stream no longer lists, from the next time that the file is written.
    pub(super) fn retain(&self, listed: impl Fn(&str) -> bool) {
        let mut state = self.state();
        let arn = state.arn.clone();
        if let Some(stream) = state.kept.streams.get_mut(&arn) {
            stream.shards.retain(|shard, _| listed(shard));
        }
    }

    /// How far the shard of an earlier stream `arn` was processed.
    pub(super) fn before(&self, arn: &str, shard: &str) -> Option<String> {
        self.state().kept.streams.get(arn)?.before.get(shard).cloned()
    }

    /// Sets how far a shard of an earlier stream `arn` was processed; returns when it is in the file.
    pub(super) async fn pass(&self, arn: &str, shard: &str, sequence: Option<String>) -> Result<(), LocalError> {
        self.change(|kept, _| {
            if let Some(sequence) = sequence {
                let stream = kept.streams.entry(arn.to_owned()).or_default();
                stream.before.insert(shard.to_owned(), sequence);
            }
        })
        .await
    }

    /// Sets a shard's checkpoint; returns when it is in the file. Shards that do so at once share one write.
    pub(super) async fn set(&self, shard: &str, checkpoint: ShardCheckpoint) -> Result<(), LocalError> {
        self.change(|kept, arn| {
            if let Some(stream) = kept.streams.get_mut(arn) {
                stream.shards.insert(shard.to_owned(), checkpoint);
            }
        })
        .await
    }

    async fn change(&self, change: impl FnOnce(&mut Kept, &str)) -> Result<(), LocalError> {
        let change = {
            let mut state = self.state();
            let State { kept, arn, .. } = &mut *state;
            change(kept, arn);
            state.change += 1;
            state.change
        };
        let Some(path) = self.path.clone() else { return Ok(()) };
        let mut written = self.written.lock().await;
        if *written >= change {
            return Ok(());
        }
        let (text, change) = {
            let state = self.state();
            (seal(&state.kept), state.change)
        };
        match tokio::task::spawn_blocking(move || data_dir::replace(&path, &text)).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(LocalError::Stopped { what: "writer of checkpoints" }),
        }
        *written = change;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn read(path: &Path) -> Result<Kept, LocalError> {
    let Some(text) = data_dir::read(path)? else { return Ok(Kept::default()) };
    let damaged = |detail: String| LocalError::Damaged {
        path: path.to_owned(),
        detail,
        advice: "move it away: what is still in the stream is then delivered again, and counted once all the same",
    };
    let kept: Kept = open(text.as_bytes()).map_err(|error| damaged(error.to_string()))?;
    if kept.version > VERSION {
        return Err(damaged(format!("its version {} is newer than this build's {VERSION}", kept.version)));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/events";

    fn at(sequence: &str) -> ShardCheckpoint {
        ShardCheckpoint { sequence: Some(sequence.into()), ended: false }
    }

    fn opened(dir: &Path, created_ms: i64) -> Checkpoints {
        let checkpoints = Checkpoints::open(Some(dir)).unwrap();
        checkpoints.begin(ARN, created_ms);
        checkpoints
    }

    #[tokio::test]
    async fn they_outlive_the_process_but_not_their_stream() {
        let dir = tempfile::tempdir().unwrap();
        let first = opened(dir.path(), 1);
        first.set("a", at("10")).await.unwrap();
        first.set("b", ShardCheckpoint { sequence: None, ended: true }).await.unwrap();
        drop(first);

        let again = opened(dir.path(), 1);
        assert_eq!(again.of("a"), at("10"));
        assert!(again.of("b").ended);
        assert_eq!(again.of("c"), ShardCheckpoint::default());
        drop(again);

        let fresh = opened(dir.path(), 2);
        assert_eq!(fresh.of("a"), ShardCheckpoint::default());
        fresh.set("c", at("3")).await.unwrap();
        drop(fresh);
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert!(text.contains("\"3\""), "{text}");
        let again = opened(dir.path(), 3);
        let before = |shard| again.before(ARN, shard);
        assert_eq!((before("a"), before("b"), before("c")), (Some("10".into()), None, Some("3".into())));
        again.pass(ARN, "a", Some("11".into())).await.unwrap();
        drop(again);
        assert_eq!(opened(dir.path(), 3).before(ARN, "a").as_deref(), Some("11"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn shards_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = std::sync::Arc::new(opened(dir.path(), 1));
        let mut setting = tokio::task::JoinSet::new();
        for shard in 0..20 {
            let checkpoints = std::sync::Arc::clone(&checkpoints);
            setting.spawn(async move {
                for number in 0..=10 {
                    checkpoints.set(&shard.to_string(), at(&number.to_string())).await.unwrap();
                }
            });
        }
        setting.join_all().await;
        drop(checkpoints);
        let again = opened(dir.path(), 1);
        assert!((0..20).all(|shard: i32| again.of(&shard.to_string()) == at("10")));
        again.retain(|shard| shard == "3");
        assert_eq!((again.of("3"), again.of("4")), (at("10"), ShardCheckpoint::default()));
    }

    #[tokio::test]
    async fn few_streams_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(Some(dir.path())).unwrap();
        for number in 0..2 * MAX_STREAMS {
            checkpoints.begin(&format!("arn-{number}"), number as i64);
            checkpoints.set("a", at("1")).await.unwrap();
        }
        assert_eq!(checkpoints.state().kept.streams.len(), MAX_STREAMS);
        assert_eq!(checkpoints.of("a"), at("1"));
    }

    #[test]
    fn a_damaged_or_newer_file_is_named_with_what_to_do() {
        let newer = seal(&Kept { version: VERSION + 1, ..Kept::default() });
        let other = newer.replace("\"version\":2", "\"version\":1");
        for (text, word) in [(&newer[..12], "checksum"), (&other, "checksum"), (&newer, "newer")] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
            let refused = Checkpoints::open(Some(dir.path())).unwrap_err().to_string();
            assert!(refused.contains(FILE_NAME) && refused.contains(word) && refused.contains("move it"), "{refused}");
        }
    }
}
