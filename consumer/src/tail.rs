//! Where a source's log ends: **the number of its newest entry and the newest sequence number covered are facts of the
//! log**, never of the table alone.

use std::collections::HashMap;

use headcount_core::deployment::TableId;
use headcount_core::keys::Follower;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_log::{Entry, Header, Log, LogError};
use headcount_store::traits::CheckpointStore;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant, timeout_at};

use crate::follow::no_answer;
use crate::memory::{EventHash, Memory};

/// Entries whose events fill the memory at a cold start.
pub const REMEMBERED_ENTRIES: usize = 32;

/// How long filling the memory may take. It only serves live figures.
pub const REMEMBERING_TIME: Duration = Duration::from_secs(2);

/// How long the table may take at a cold start to be reached, and then to tell its checkpoints.
pub const CHECKPOINT_TIME: Duration = Duration::from_secs(2);

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// The end of a source's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The number of the newest entry; 0 where there is none.
    pub entry: u64,
    /// The newest sequence number that the log covers.
    pub last: Option<SequenceNumber>,
    /// When the newest entry was appended, milliseconds since the epoch; 0 where nobody can tell.
    pub appended_ms: i64,
}

impl Tail {
    /// The tail behind an entry.
    pub fn behind(header: &Header) -> Self {
        let facts = &header.facts;
        Self { entry: facts.entry, last: Some(facts.last.clone()), appended_ms: facts.appended_ms }
    }

    /// Whether the log covers the record already.
    pub fn covers(&self, sequence: &SequenceNumber) -> bool {
        self.last.as_ref().is_some_and(|last| sequence <= last)
    }
}

/// How long a process trusts a tail that it did not use. Others may have appended since, which a put finds out; but after months
/// the next entry's number would be that of one that has expired.
pub const MAX_TAIL_AGE_MS: i64 = 60 * 60 * 1_000;

/// The tails that a warm process knows.
#[derive(Debug, Default)]
pub struct Tails(Mutex<HashMap<Source, Known>>);

#[derive(Debug)]
struct Known {
    tail: Tail,
    noted_ms: i64,
}

impl Tails {
    /// What is known of the source, unless it is older than [`MAX_TAIL_AGE_MS`].
    pub fn get(&self, source: &Source, now_ms: i64) -> Option<Tail> {
        let tails = self.0.lock();
        let known = tails.get(source)?;
        (now_ms.abs_diff(known.noted_ms) <= MAX_TAIL_AGE_MS.unsigned_abs()).then(|| known.tail.clone())
    }

    /// Notes the tail of the source.
    pub fn set(&self, source: &Source, tail: Tail, now_ms: i64) {
        let mut tails = self.0.lock();
        tails.insert(source.clone(), Known { tail, noted_ms: now_ms });
    }
}

/// Finds the tail of a source that this process knows nothing of, and fills the memory from its newest entries.
///
/// The log expires and `head/` and checkpoints do not, so the listing begins at the larger of them. A missing object is
/// never taken for the tail; only an empty listing is. `table` is given where the table can be asked.
///
/// # Errors
///
/// [`LogError`]: the log cannot be asked. A table that does not answer is no error.
pub async fn find<S: CheckpointStore>(
    log: &Log,
    table: Option<(&S, TableId)>,
    source: &Source,
    memory: &Memory,
    deadline: Instant,
) -> Result<Tail, LogError> {
    let mut tail = Tail::default();
    if let Some(head) = log.head(source, deadline).await? {
        tail = Tail { entry: head.entry, last: Some(head.last), appended_ms: head.appended_ms };
    }
    if let Some((store, table)) = table {
        let until = deadline.min(Instant::now() + CHECKPOINT_TIME);
        for follower in Follower::ALL {
            let read = timeout_at(until, store.read_checkpoint(table, follower, source));
            match read.await.unwrap_or_else(|_| Err(no_answer())) {
                Ok(Some(checkpoint)) if checkpoint.entry > tail.entry => {
                    tail = Tail { entry: checkpoint.entry, last: Some(checkpoint.last), appended_ms: 0 };
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%source, %error, "a checkpoint cannot be read; the log is listed from its head");
                }
            }
        }
    }
    let listed = list(log, source, &tail, deadline).await?;
    let Some(newest) = listed.last().copied() else { return Ok(tail) };
    tail.entry = tail.entry.max(newest);
    // The newest entry that can be read says what is covered. What a damaged one covered is in no figure: appended again
    // it counts once.
    for entry in listed.iter().rev() {
        match log.read_header(source, *entry, deadline).await {
            Ok(header) => {
                let read = Tail::behind(&header);
                if tail.last.as_ref() <= read.last.as_ref() {
                    tail = Tail { entry: tail.entry, ..read };
                }
                break;
            }
            Err(LogError::Damaged { entry, detail, .. }) => {
                tracing::error!(%source, entry, %detail, "an entry of the log is damaged");
            }
            Err(error) => return Err(error),
        }
    }
    remember(log, source, &listed, memory, deadline).await;
    Ok(tail)
}

/// The numbers of the newest entries, from a position so far before the known tail that the memory can be filled.
async fn list(log: &Log, source: &Source, known: &Tail, deadline: Instant) -> Result<Vec<u64>, LogError> {
    let mut after = known.entry.saturating_sub(REMEMBERED_ENTRIES as u64);
    let mut newest: Vec<u64> = Vec::new();
    loop {
        let page = log.list_after(source, after, LISTED_AT_ONCE, deadline).await?;
        let is_last = page.len() < LISTED_AT_ONCE;
        newest.extend(page.iter().map(|listed| listed.entry));
        let excess = newest.len().saturating_sub(REMEMBERED_ENTRIES);
        newest.drain(..excess);
        match newest.last() {
            Some(last) if !is_last => after = *last,
            _ => return Ok(newest),
        }
    }
}

/// Fills the memory, oldest first, as far as time allows.
async fn remember(log: &Log, source: &Source, entries: &[u64], memory: &Memory, deadline: Instant) {
    let until = deadline.min(Instant::now() + REMEMBERING_TIME);
    let filling = async {
        for entry in entries {
            match log.read(source, *entry, until).await {
                Ok(read) => add_entry(memory, &read),
                Err(error) => tracing::warn!(%source, entry, %error, "the events of an entry are not remembered"),
            }
        }
    };
    if tokio::time::timeout_at(until, filling).await.is_err() {
        tracing::warn!(%source, "the time for remembering the newest events was used up");
    }
}

/// Adds the events of an entry that is committed.
pub(crate) fn add_entry(memory: &Memory, entry: &Entry) {
    let added = entry.open().and_then(|opened| {
        let content = opened.content()?;
        let events = content.days.values().flat_map(|day| &day.events);
        memory.add(events.map(|(_, event)| EventHash::of(event)));
        Ok(())
    });
    if let Err(damage) = added {
        tracing::warn!(%damage, "the events of a damaged entry are not remembered");
    }
}
