//! How the pipeline is, looked at twice a second: what was accepted and is not in the figures, and what stands in the way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use headcount_core::deployment::TableId;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::CheckpointStore as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::in_process::InProcess;
use crate::mapping::Progress;
use crate::stream::Stream;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long the table may take to tell its checkpoints, and the log a header.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Headers that one look reads, at most. What is behind them is counted at a later look.
const HEADERS_AT_ONCE: usize = 64;

/// How the pipeline is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Events accepted since the start, and those that an earlier run left.
    pub accepted: u64,
    /// Those of them that are in no figure yet.
    pub uncounted: u64,
    /// When the oldest of these came, milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
    /// Events that may wait in the stream before more are refused; `None` without such a bound.
    pub most_waiting: Option<u64>,
    /// Since when the table has not answered, or has not taken what waits, milliseconds since the epoch.
    pub silent_since_ms: Option<i64>,
    /// Bytes that are free where the data is kept.
    pub disk_free: Option<u64>,
    /// The last put that could not be made durable, milliseconds since the epoch, if none was since.
    pub put_failed_ms: Option<i64>,
    /// The last error of any part, milliseconds since the epoch, and what it was.
    pub last_error: Option<(i64, String)>,
}

/// What is looked at.
pub(super) struct Looking {
    pub(super) stream: Weak<Stream>,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) consumer: Option<Arc<InProcess>>,
    pub(super) store: DynamoStore,
    pub(super) table: TableId,
    pub(super) log: Log,
    pub(super) folder: PathBuf,
}

/// Events of one entry of the log, and when they came.
#[derive(Clone, Copy, Debug)]
struct Logged {
    events: u64,
    arrived_ms: i64,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// The last entry of each source that is in the figures.
    counted: BTreeMap<Source, u64>,
    /// Entries behind them.
    behind: BTreeMap<(Source, u64), Logged>,
    /// Entries that were counted when the table stopped working.
    counted_before: u64,
    condition: Condition,
}

/// Looks until the pipeline stops.
pub(super) fn watch_over(looking: Looking) -> (watch::Receiver<Condition>, JoinHandle<()>) {
    let (tell, told) = watch::channel(Condition::default());
    let task = tokio::spawn(async move {
        let mut seen = Seen::default();
        while let Some(condition) = look(&looking, &mut seen).await {
            tell.send_replace(condition);
            sleep(INTERVAL).await;
        }
    });
    (told, task)
}

/// One look; `None` once the stream is gone.
async fn look(at: &Looking, seen: &mut Seen) -> Option<Condition> {
    let now_ms = Clock::system().now_ms();
    let Looking { progress, consumer, store, table, log, folder, .. } = at;
    let problem = match timeout(ANSWER_TIMEOUT, store.checkpoints_page(*table, None)).await {
        Ok(Ok(page)) => {
            let figures = page.items.into_iter().filter(|row| row.follower == Follower::Figures);
            seen.counted.extend(figures.map(|row| (row.source, row.checkpoint.entry)));
            let is_failing = consumer.as_ref().is_some_and(|consumer| consumer.table_is_failing());
            is_failing.then(|| "the table takes no writes".to_owned())
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the table does not answer".to_owned()),
    };
    let tails = consumer.as_ref().map(|consumer| consumer.appended()).unwrap_or_default();
    seen.read_behind(log, &tails).await;
    seen.judge_table(problem, now_ms);

    let stream = at.stream.upgrade()?;
    let (checkpoints, is_backlog_passed, problem) = {
        let progress = progress.borrow();
        (progress.checkpoints(), progress.is_backlog_passed, progress.any_problem())
    };
    stream.meter().pass(&checkpoints, now_ms);
    if is_backlog_passed {
        stream.meter().pass_earlier(now_ms);
    }
    let (uncounted, load) = (stream.meter().uncounted(), stream.meter().load(now_ms));
    let condition = &mut seen.condition;
    condition.accepted = uncounted.accepted;
    condition.uncounted = uncounted.waiting + seen.behind.values().map(|entry| entry.events).sum::<u64>();
    let in_log = seen.behind.values().filter(|entry| entry.events > 0).map(|entry| entry.arrived_ms).min();
    condition.oldest_ms = [uncounted.oldest_ms, in_log].into_iter().flatten().min();
    condition.most_waiting = (load.most < u64::MAX).then_some(load.most);
    condition.disk_free = disk_free(folder);
    let failed = stream.failed();
    condition.put_failed_ms = failed.as_ref().map(|(at_ms, _)| *at_ms);
    if let Some(failed) = failed {
        condition.note(failed.0, &failed.1);
    }
    if let Some(problem) = problem {
        condition.note(now_ms, &problem);
    }
    Some(condition.clone())
}

impl Seen {
    /// A table that did not work is taken to work again once it has taken what waited, not when it answers between two stalls.
    fn judge_table(&mut self, problem: Option<String>, now_ms: i64) {
        let counted = self.counted.values().sum();
        match problem {
            Some(problem) => {
                if self.condition.silent_since_ms.is_none() {
                    self.condition.silent_since_ms = Some(now_ms);
                    self.counted_before = counted;
                }
                self.condition.note(now_ms, &problem);
            }
            None if self.behind.is_empty() || counted > self.counted_before => self.condition.silent_since_ms = None,
            None => {}
        }
    }

    /// Forgets what is counted, and reads of how many events the rest is.
    async fn read_behind(&mut self, log: &Log, tails: &BTreeMap<Source, u64>) {
        let counted = &self.counted;
        let is_behind = |source: &Source, entry: u64| counted.get(source).is_none_or(|counted| entry > *counted);
        self.behind.retain(|(source, entry), _| is_behind(source, *entry));
        let first = |source: &Source| counted.get(source).map_or(1, |counted| counted + 1);
        let unread: Vec<_> = tails
            .iter()
            .flat_map(|(source, tail)| (first(source)..=*tail).map(|entry| (source.clone(), entry)))
            .filter(|entry| !self.behind.contains_key(entry))
            .take(HEADERS_AT_ONCE)
            .collect();
        for (source, entry) in unread {
            // One that cannot be read is in no figure and will be in none.
            if let Ok(header) = log.read_header(&source, entry, Instant::now() + ANSWER_TIMEOUT).await {
                let events = header.dates.values().map(|date| date.events).sum();
                self.behind.insert((source, entry), Logged { events, arrived_ms: header.facts.arrived_ms });
            }
        }
    }
}

impl Condition {
    fn note(&mut self, at_ms: i64, what: &str) {
        self.last_error = Some((at_ms, what.to_owned()));
    }
}

#[cfg(unix)]
fn disk_free(folder: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn disk_free(_folder: &std::path::Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_works_again_when_it_has_taken_what_waited() {
        let source = Source::shard("events", None, "shardId-000000000000").unwrap();
        let logged = Logged { events: 5, arrived_ms: 1_000 };
        let mut seen = Seen::default();
        let judge = |seen: &mut Seen, problem: bool, now_ms| {
            seen.judge_table(problem.then(|| "the table does not answer".to_owned()), now_ms);
            seen.condition.silent_since_ms
        };
        assert_eq!(judge(&mut seen, false, 1_000), None);
        assert_eq!(judge(&mut seen, true, 2_000), Some(2_000));
        assert_eq!(judge(&mut seen, false, 3_000), None, "nothing waits");
        seen.behind.insert((source.clone(), 7), logged);
        assert_eq!(judge(&mut seen, true, 4_000), Some(4_000));
        assert_eq!(judge(&mut seen, false, 5_000), Some(4_000), "it answers, and takes nothing");
        assert_eq!(judge(&mut seen, true, 9_000), Some(4_000));
        seen.counted.insert(source, 7);
        assert_eq!(judge(&mut seen, false, 10_000), None);
        assert_eq!(seen.condition.last_error.unwrap().0, 9_000);
    }
}
