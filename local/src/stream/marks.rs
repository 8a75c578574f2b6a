//! What keeps a lane from going back in its sequence.
//!
//! The embedded stream begins every sequence number with the second in which its shard was made, and counts from there.
//! Kept in memory, it is made anew at every start; a shard of the same name must then have been made in a later second
//! than any before it, or its numbers would repeat and the fence would take new records for counted ones. So the last
//! such second is kept in the data directory, ahead of the shards that it stands for, and a start, a new stream or a
//! resharding goes beyond it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use headcount_core::seal::{open, seal};
use headcount_runtime::clock::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::data_dir;
use crate::error::LocalError;

/// The file in the data directory.
pub(super) const FILE_NAME: &str = "stream.json";

/// The embedded stream dates the shards of a new stream back by this many seconds,
const NEW_STREAM_BACK_S: u64 = 2;

/// and those of a resharding ahead by this many.
const RESHARD_AHEAD_S: u64 = 1;

/// A shard is made at most this many seconds after the request for it came.
const SLACK_S: u64 = 5;

/// A stream may be dated at most this far ahead of the clock, for its records carry that time as their arrival.
const MAX_AHEAD_S: u64 = 600;

/// The longest that a request for new shards waits for a second that no earlier shard can have.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

/// How often a waiting request looks at the clock.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// No shard was ever made after this second.
    last_shard_s: u64,
}

/// The seconds in which shards were made.
#[derive(Debug)]
pub(super) struct Marks {
    path: Option<PathBuf>,
    clock: Clock,
    seconds: Mutex<Seconds>,
    /// One request for new shards at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Seconds {
    /// The last second of shards that may have the names of those to come.
    before: u64,
    /// The last second of all shards, those just asked for included.
    last: u64,
}

/// Which kind of request makes shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    /// The first shards of a stream.
    Stream,
    /// Further shards of a stream.
    Reshard,
}

impl Marks {
    /// Begins a stream: returns the second that its first shards are made in, later than that of any shard before.
    pub(super) fn begin(dir: Option<&Path>, clock: Clock) -> Result<(Self, u64), LocalError> {
        let path = dir.map(|dir| dir.join(FILE_NAME));
        let before = path.as_deref().map_or(Ok(0), read)?;
        let now_s = now_s(&clock);
        let second = (now_s.saturating_sub(NEW_STREAM_BACK_S)).max(before + 1);
        if second > now_s + MAX_AHEAD_S {
            let path = path.unwrap_or_default();
            return Err(LocalError::ClockBehind { path, behind_s: second - now_s });
        }
        if second > now_s {
            tracing::warn!(ahead_s = second - now_s, "the clock was set back: the stream is dated ahead of it");
        }
        let seconds = Mutex::new(Seconds { before, last: second });
        let marks = Self { path, clock, seconds, turn: tokio::sync::Mutex::new(()) };
        marks.keep(second)?;
        Ok((marks, second))
    }

    /// Waits until shards made now have higher sequence numbers than all that may have had their names, and keeps that
    /// second. The error says for how many seconds that is not yet so.
    pub(super) async fn before_making(&self, making: Making) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let until = tokio::time::Instant::now() + MAX_WAIT;
        loop {
            let Seconds { before, last } = self.seconds();
            let now_s = now_s(&self.clock);
            let (floor, second) = match making {
                Making::Stream => (last, now_s.saturating_sub(NEW_STREAM_BACK_S)),
                Making::Reshard => (before, now_s + RESHARD_AHEAD_S),
            };
            if second > floor {
                let before = if making == Making::Stream { last } else { before };
                let last = last.max(second + SLACK_S);
                self.keep(last).map_err(Refusal::Keep)?;
                *self.seconds.lock() = Seconds { before, last };
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(Refusal::Wait { seconds: floor + 1 - second });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn seconds(&self) -> Seconds {
        *self.seconds.lock()
    }

    fn keep(&self, last_shard_s: u64) -> Result<(), LocalError> {
        let Some(path) = &self.path else { return Ok(()) };
        data_dir::replace(path, &seal(&State { last_shard_s }))
    }
}

/// Why shards cannot be made now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The clock is behind.
    #[error("an earlier stream's shards are dated {seconds} s ahead of the machine's clock: try again then")]
    Wait {
        /// How far.
        seconds: u64,
    },
    /// The second cannot be kept.
    #[error(transparent)]
    Keep(LocalError),
}

fn now_s(clock: &Clock) -> u64 {
    u64::try_from(clock.now_ms() / 1000).unwrap_or(0)
}

fn read(path: &Path) -> Result<u64, LocalError> {
    let Some(text) = data_dir::read(path)? else { return Ok(0) };
    let state: State = open(text.as_bytes()).map_err(|error| LocalError::Damaged {
        path: path.to_owned(),
        detail: error.to_string(),
        advice: "move it away only together with the table of its directory, or the stream's sequence numbers may repeat",
    })?;
    Ok(state.last_shard_s)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn turned_clock() -> (Arc<AtomicI64>, Clock) {
        let now = Arc::new(AtomicI64::new(NOW_S * 1000));
        let shown = Arc::clone(&now);
        (now, Clock::from_fn(move || shown.load(Ordering::Relaxed)))
    }

    #[test]
    fn every_start_is_in_a_later_second_even_when_the_clock_stands_or_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (now, clock) = turned_clock();
        let mut last = 0;
        for back_ms in [0, 0, 1, 999, 30_000, -5_000, 120_000, 0] {
            now.fetch_sub(back_ms, Ordering::Relaxed);
            let (_, second) = Marks::begin(Some(dir.path()), clock.clone()).unwrap();
            assert!(second > last, "{second} after {last}");
            last = second;
        }
    }

    #[test]
    fn a_clock_far_behind_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (now, clock) = turned_clock();
        Marks::begin(Some(dir.path()), clock.clone()).unwrap();
        now.fetch_sub(3_600_000, Ordering::Relaxed);
        let refused = Marks::begin(Some(dir.path()), clock).unwrap_err().to_string();
        assert!(refused.contains("3599 s behind") && refused.contains(FILE_NAME), "{refused}");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let sealed = seal(&State { last_shard_s: 7 });
        for text in ["{\"last", "", &sealed.replace('7', "6")] {
            std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
            let refused = Marks::begin(Some(dir.path()), turned_clock().1).unwrap_err().to_string();
            assert!(refused.contains(FILE_NAME) && refused.contains("damaged"), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn shards_of_a_resharding_also_outdate_those_of_the_run_before() {
        let dir = tempfile::tempdir().unwrap();
        let (_, clock) = turned_clock();
        let (first, _) = Marks::begin(Some(dir.path()), clock.clone()).unwrap();
        first.before_making(Making::Reshard).await.unwrap();
        drop(first);

        // The shards of that resharding may be dated until NOW_S + 6; the clock stands.
        let (second, began) = Marks::begin(Some(dir.path()), clock).unwrap();
        assert_eq!(began, NOW_S as u64 + RESHARD_AHEAD_S + SLACK_S + 1);
        let refused = second.before_making(Making::Reshard).await.unwrap_err().to_string();
        assert!(refused.contains("6 s ahead"), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_for_shards_waits_for_its_second() {
        let (now, clock) = turned_clock();
        let (marks, began) = Marks::begin(None, clock).unwrap();
        assert_eq!(began, NOW_S as u64 - NEW_STREAM_BACK_S);
        marks.before_making(Making::Reshard).await.unwrap();
        let later = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            now.fetch_add(9_000, Ordering::Relaxed);
        };
        let (made, ()) = tokio::join!(marks.before_making(Making::Stream), later);
        made.unwrap();
        assert!(marks.seconds().before >= NOW_S as u64 + RESHARD_AHEAD_S + SLACK_S);
    }
}
