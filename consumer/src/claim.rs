//! Claims: conditional inserts that decide whose an event is.
//!
//! An event's item is inserted if its key is free, never put over what is there, so its `Origin` never changes and
//! answers for ever which occurrence counts. **A claim whose outcome is not known is not stored.**

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use futures_util::stream::{self, StreamExt as _};
use headcount_core::hash::{PassedThrough, hash64};
use headcount_core::origin::Origin;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry;
use headcount_store::defects::Defect;
use headcount_store::error::StoreError;
use headcount_store::rows::{Claim, EventRow, Lookup};
use headcount_store::traits::{EventStore, MAX_BATCH_WRITES};
use tokio::time::Instant;

use crate::deadlines::answer_by;

/// Batched inserts that are under way at once.
pub const CLAIMS_IN_FLIGHT: usize = 16;

/// What became of one occurrence of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The stored event is this very occurrence. `fresh` where this invocation inserted it, or may have.
    Ours {
        /// Whether this invocation inserted it, or may have.
        fresh: bool,
    },
    /// Another occurrence of the event is stored.
    Duplicate,
    /// The table refuses the event for good, and says why.
    Refused(String),
    /// Not known, when time was up.
    Unknown,
}

/// Claims each occurrence; of those with equal keys the first stands for all, the next only where the table refuses
/// it. One answer an occurrence, in order, at the latest at `deadline`.
pub async fn claim<S: EventStore>(
    store: &S,
    jitter: &Jitter,
    rows: &[EventRow<'_>],
    deadline: Instant,
) -> Vec<Standing> {
    if are_distinct(rows) {
        let verdicts = claim_distinct(store, jitter, rows, deadline).await;
        return verdicts.into_iter().map(Verdict::alone).collect();
    }
    let mut standings = vec![Standing::Unknown; rows.len()];
    let mut groups = equal_keys(rows);
    while !groups.is_empty() {
        let candidates: Vec<EventRow<'_>> = groups.iter().map(|group| rows[group[0]].clone()).collect();
        let verdicts = claim_distinct(store, jitter, &candidates, deadline).await;
        let mut again = Vec::new();
        for (mut group, verdict) in groups.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Own { fresh } => {
                    for (nth, occurrence) in group.into_iter().enumerate() {
                        standings[occurrence] = if nth == 0 { Standing::Ours { fresh } } else { Standing::Duplicate };
                    }
                }
                Verdict::Others(origin) => {
                    for occurrence in group {
                        let ours = rows[occurrence].origin == origin;
                        standings[occurrence] =
                            if ours { Standing::Ours { fresh: false } } else { Standing::Duplicate };
                    }
                }
                Verdict::Refused(detail) => {
                    standings[group.remove(0)] = Standing::Refused(detail);
                    if !group.is_empty() {
                        again.push(group);
                    }
                }
                Verdict::Unknown => {}
            }
        }
        groups = again;
    }
    standings
}

/// Whether surely no two rows have equal keys, which most batches can be told by one look at each.
fn are_distinct(rows: &[EventRow<'_>]) -> bool {
    let mut seen: HashSet<u64, BuildHasherDefault<PassedThrough>> =
        HashSet::with_capacity_and_hasher(rows.len(), <_>::default());
    rows.iter().all(|row| seen.insert(hash64(row.event.id.as_bytes()) ^ row.event.timestamp_ms as u64))
}

/// The occurrences of each key, in their order.
fn equal_keys(rows: &[EventRow<'_>]) -> Vec<Vec<usize>> {
    let mut group_of: HashMap<(i64, &str), usize> = HashMap::with_capacity(rows.len());
    let mut groups: Vec<Vec<usize>> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let group = *group_of.entry((row.event.timestamp_ms, &row.event.id)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The stored event is the very occurrence that was claimed. `fresh` as in [`Standing`].
    Own {
        fresh: bool,
    },
    /// The stored event is that of another origin.
    Others(Origin),
    Refused(String),
    Unknown,
}

impl Verdict {
    /// What became of an occurrence that is the only one of its key here.
    fn alone(self) -> Standing {
        match self {
            Self::Own { fresh } => Standing::Ours { fresh },
            Self::Others(_) => Standing::Duplicate,
            Self::Refused(detail) => Standing::Refused(detail),
            Self::Unknown => Standing::Unknown,
        }
    }
}

async fn claim_distinct<S: EventStore>(
    store: &S,
    jitter: &Jitter,
    rows: &[EventRow<'_>],
    deadline: Instant,
) -> Vec<Verdict> {
    let mut requests = Vec::with_capacity(rows.len().div_ceil(MAX_BATCH_WRITES));
    for batch in rows.chunks(MAX_BATCH_WRITES) {
        requests.push(Claiming::new(store, batch).run(jitter, deadline));
    }
    let verdicts: Vec<Vec<Verdict>> = stream::iter(requests).buffered(CLAIMS_IN_FLIGHT).collect().await;
    verdicts.into_iter().flatten().collect()
}

/// One batch on its way.
struct Claiming<'a, S> {
    store: &'a S,
    rows: &'a [EventRow<'a>],
    /// What is decided.
    verdicts: Vec<Verdict>,
    /// Rows that a request whose outcome is unknown may have inserted.
    perhaps_inserted: Vec<bool>,
    /// Rows of one request; 1 once the table refused a request as a whole, to find the culprit.
    width: usize,
}

impl<'a, S: EventStore> Claiming<'a, S> {
    fn new(store: &'a S, rows: &'a [EventRow<'a>]) -> Self {
        Self {
            store,
            rows,
            verdicts: vec![Verdict::Unknown; rows.len()],
            perhaps_inserted: vec![false; rows.len()],
            width: MAX_BATCH_WRITES,
        }
    }

    async fn run(mut self, jitter: &Jitter, deadline: Instant) -> Vec<Verdict> {
        let mut open: Vec<usize> = (0..self.rows.len()).collect();
        let mut attempt = 0;
        loop {
            match self.round(open, deadline).await {
                Ok(undecided) => open = undecided,
                Err(error) => {
                    tracing::error!(%error, "the table cannot be used");
                    break;
                }
            }
            if open.is_empty() || !jitter.pause_until(attempt, deadline).await {
                break;
            }
            attempt += 1;
        }
        self.verdicts
    }

    /// Asks once for each of `open`; those that are still undecided come back.
    async fn round(&mut self, open: Vec<usize>, deadline: Instant) -> Result<Vec<usize>, StoreError> {
        let mut undecided = Vec::new();
        let mut next = 0;
        while next < open.len() {
            let asked = &open[next..open.len().min(next + self.width)];
            match self.request(asked, deadline).await {
                Ok(claims) => undecided.extend(self.take(asked, claims, deadline).await?),
                Err(StoreError::Invalid { .. }) if asked.len() > 1 => {
                    self.width = 1;
                    continue;
                }
                Err(StoreError::Invalid { detail }) => self.verdicts[asked[0]] = Verdict::Refused(detail),
                Err(StoreError::Throttled { .. }) => undecided.extend(asked),
                Err(StoreError::Unknown { .. }) if Defect::UnknownAsSuccess.is_on() => {
                    for row in asked {
                        self.inserted(*row);
                    }
                }
                Err(StoreError::Unknown { .. }) => {
                    for row in asked {
                        self.perhaps_inserted[*row] = true;
                    }
                    undecided.extend(asked);
                }
                Err(error @ (StoreError::Unusable { .. } | StoreError::Malformed { .. })) => return Err(error),
            }
            next += asked.len();
        }
        // In order again: answers come in the order of the rows that were asked for.
        undecided.sort_unstable();
        metrics::counter!(telemetry::UNPROCESSED_ITEMS).increment(undecided.len() as u64);
        Ok(undecided)
    }

    async fn request(&self, asked: &[usize], deadline: Instant) -> Result<Vec<Claim>, StoreError> {
        if asked.len() == self.rows.len() {
            debug_assert!(asked.is_sorted(), "all rows, in their order");
            return answer_by(deadline, self.store.claim(self.rows)).await;
        }
        let some: Vec<EventRow<'_>> = asked.iter().map(|row| self.rows[*row].clone()).collect();
        answer_by(deadline, self.store.claim(&some)).await
    }

    /// Notes the answers; those that decide nothing come back.
    async fn take(&mut self, asked: &[usize], claims: Vec<Claim>, deadline: Instant) -> Result<Vec<usize>, StoreError> {
        let mut undecided = Vec::new();
        let mut look_up = Vec::new();
        // An answer too few decides nothing for the rest.
        let unanswered = std::iter::repeat(Claim::Unknown);
        for (row, claim) in asked.iter().copied().zip(claims.into_iter().chain(unanswered)) {
            match claim {
                Claim::Inserted => self.inserted(row),
                Claim::Unknown if Defect::UnknownAsSuccess.is_on() => self.inserted(row),
                Claim::Exists(Some(origin)) => self.stored(row, origin),
                Claim::Exists(None) => look_up.push(row),
                Claim::Throttled => undecided.push(row),
                Claim::Unknown => {
                    self.perhaps_inserted[row] = true;
                    undecided.push(row);
                }
                Claim::Invalid(detail) => self.verdicts[row] = Verdict::Refused(detail),
            }
        }
        if !look_up.is_empty() {
            undecided.extend(self.look_up(&look_up, deadline).await?);
        }
        Ok(undecided)
    }

    /// Asks whose the stored events are. A key that was not processed, or whose item went meanwhile, decides nothing.
    async fn look_up(&mut self, rows: &[usize], deadline: Instant) -> Result<Vec<usize>, StoreError> {
        let keys: Vec<_> = rows.iter().map(|row| self.rows[*row].key()).collect();
        let answers = match answer_by(deadline, self.store.origins(&keys)).await {
            Ok(answers) => answers,
            Err(error) if error.is_retryable() => return Ok(rows.to_vec()),
            Err(error) => return Err(error),
        };
        let mut undecided = Vec::new();
        let unanswered = std::iter::repeat(Lookup::Unprocessed);
        for (row, answer) in rows.iter().copied().zip(answers.into_iter().chain(unanswered)) {
            match answer {
                Lookup::Found(origin) => self.stored(row, origin),
                Lookup::Unprocessed if Defect::UnprocessedAsAbsent.is_on() => self.inserted(row),
                Lookup::Absent | Lookup::Unprocessed => undecided.push(row),
            }
        }
        Ok(undecided)
    }

    /// This invocation inserted it.
    fn inserted(&mut self, row: usize) {
        self.verdicts[row] = Verdict::Own { fresh: true };
    }

    fn stored(&mut self, row: usize, origin: Origin) {
        let is_ours = origin == self.rows[row].origin;
        if is_ours && Defect::RedeliveryAsDuplicate.is_on() {
            self.verdicts[row] = Verdict::Others(Origin { index: u32::MAX, ..origin });
            return;
        }
        let fresh = self.perhaps_inserted[row] && is_ours;
        self.verdicts[row] = if is_ours { Verdict::Own { fresh } } else { Verdict::Others(origin) };
    }
}
