//! The follower of items: events and rejected occurrences for people to look at, then the checkpoint.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;

use futures_util::{StreamExt as _, stream};
use headcount_core::calendar::day_of;
use headcount_core::deployment::TableId;
use headcount_core::hash::hash128;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::keys::{Follower, ItemKey};
use headcount_core::limits::{EVENT_TTL_DAYS, REJECTED_TTL_DAYS};
use headcount_core::origin::{Origin, SequenceNumber, Source};
use headcount_core::record::refused;
use headcount_core::rejection::Payload;
use headcount_log::error::EntryError;
use headcount_runtime::retry::{Jitter, retry};
use headcount_runtime::telemetry;
use headcount_store::error::StoreError;
use headcount_store::rows::{Checkpoint, EventItem, RejectedItem};
use headcount_store::traits::{FollowStore, ItemStore, MAX_BATCH_WRITES};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::answer::answer_by;
use crate::appended::Appended;
use crate::days::expiry_s;
use crate::entries::{Entries, Next};
use crate::error::FollowError;
use crate::setup::{Followed, Setup};

/// Batched writes that are under way at once.
pub const BATCHES_IN_FLIGHT: usize = 8;

/// How old the oldest entry that is not followed must be before the aggregator takes a source over: until then the consumer is
/// expected to do it.
pub const TAKEN_OVER_AFTER_MS: i64 = 2 * 60 * 1_000;

/// What to do about entries that were appended longer ago than [`TAKEN_OVER_AFTER_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// The aggregator follows them. Two that write the same items spend twice the write units, and a table that is short of
    /// them would never catch up.
    Leave,
    /// Follow them as well.
    Follow,
}

/// What is kept free of a run's time for its checkpoint, which a table short of write units may throttle for a while as well.
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);

/// Which items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemOptions {
    /// Whether events become items. Rejected occurrences always do.
    pub event_items: bool,
    /// Whether the items of events are listed by user.
    pub user_index: bool,
}

impl Default for ItemOptions {
    fn default() -> Self {
        Self { event_items: true, user_index: true }
    }
}

/// The follower of items, with what it knows of the table's checkpoints.
#[derive(Debug)]
pub struct Items {
    options: ItemOptions,
    positions: Mutex<HashMap<Source, (TableId, Checkpoint)>>,
    unfinished: Mutex<HashMap<Source, Unfinished>>,
}

/// An entry whose items were written in part. What is confirmed is not written again, or a table that is short of write units
/// would take the same items run after run and never finish an entry.
#[derive(Debug)]
struct Unfinished {
    table: TableId,
    entry: u64,
    written: Written,
}

/// Hashes of the keys of one entry's items that the table confirmed: at most 16 bytes for each event of an entry.
type Written = HashSet<u128>;

impl Items {
    /// A follower that knows no checkpoint yet.
    pub fn new(options: ItemOptions) -> Self {
        Self { options, positions: Mutex::default(), unfinished: Mutex::default() }
    }

    /// Follows the log of `source` until its end or until `deadline`; `fresh` and `tail` as of
    /// [`crate::Figures::follow`].
    ///
    /// # Errors
    ///
    /// [`FollowError`]: where it stopped. Items of an entry may be written in part; another process writes them
    /// again, alike.
    pub async fn follow<S: FollowStore>(
        &self,
        setup: Setup<'_, S>,
        source: &Source,
        fresh: &[Appended<'_>],
        tail: Option<u64>,
        backlog: Backlog,
        deadline: Instant,
    ) -> Result<Followed, FollowError> {
        let known = self.positions.lock().remove(source);
        let known = known.filter(|(table, _)| *table == setup.table.id).map(|(_, checkpoint)| checkpoint);
        // Entries between what is known and what was just appended are another process's, which wrote their items already:
        // the table is asked first, which costs less than writing them again.
        let next = fresh.first().map(|fresh| fresh.entry).or(tail.map(|tail| tail + 1));
        let known = known.filter(|checkpoint| next.is_some_and(|next| checkpoint.entry + 1 >= next));
        let stored = if let Some(checkpoint) = known {
            Some(checkpoint)
        } else {
            let read = || setup.store.read_checkpoint(setup.table.id, Follower::Items, source);
            retry(setup.jitter, deadline, || answer_by(deadline, read())).await?
        };
        let unfinished = self.unfinished.lock().remove(source);
        let unfinished = unfinished.filter(|unfinished| unfinished.table == setup.table.id);
        let now = Instant::now();
        // What is written must still be noted, or the next run would write it again.
        let left = deadline.saturating_duration_since(now);
        let put_until = now + left.saturating_sub(CHECKPOINT_TIME.min(left / 4));
        let mut run = Run {
            setup,
            options: self.options,
            source,
            backlog,
            put_until,
            deadline,
            stored: stored.as_ref().map_or(0, |stored| stored.entry),
            reached: stored,
            unfinished: unfinished.map_or((0, Mutex::default()), |one| (one.entry, Mutex::new(one.written))),
            followed: Followed::default(),
        };
        let mut entries = Entries::new(setup.log, source, fresh, tail);
        // What was finished before a failure is kept as such.
        let walked = run.walk(&mut entries).await;
        if walked.is_err() {
            let written = std::mem::take(&mut *run.unfinished.1.lock());
            let unfinished = Unfinished { table: setup.table.id, entry: run.unfinished.0, written };
            self.unfinished.lock().insert(source.clone(), unfinished);
        }
        run.write_checkpoint().await?;
        walked?;
        let Run { reached, mut followed, .. } = run;
        if let Some(reached) = reached {
            followed.entry = reached.entry;
            let mut positions = self.positions.lock();
            positions.insert(source.clone(), (setup.table.id, reached));
        }
        Ok(followed)
    }

    /// Forgets the position of a source, so that the next run begins at what the table holds.
    pub fn forget(&self, source: &Source) {
        self.positions.lock().remove(source);
    }
}

struct Run<'a, S> {
    setup: Setup<'a, S>,
    options: ItemOptions,
    source: &'a Source,
    backlog: Backlog,
    put_until: Instant,
    deadline: Instant,
    /// The entry of the table's checkpoint.
    stored: u64,
    /// The last entry whose items are all written.
    reached: Option<Checkpoint>,
    /// The entry that is at work, and its items that are written.
    unfinished: (u64, Mutex<Written>),
    followed: Followed,
}

impl<S: FollowStore> Run<'_, S> {
    async fn walk(&mut self, entries: &mut Entries<'_>) -> Result<(), FollowError> {
        loop {
            if Instant::now() >= self.put_until {
                self.followed.is_behind = true;
                return Ok(());
            }
            let after = self.reached.as_ref().map_or(0, |reached| reached.entry);
            match entries.next(after, self.put_until).await? {
                Next::None => return Ok(()),
                Next::InMemory(entry) => self.put(entry).await?,
                Next::InLog(number) => {
                    let read = entries.read(number, self.put_until).await?;
                    match read.as_ref().map_err(EntryError::clone).and_then(super::entries::ReadEntry::content) {
                        Ok(entry) if self.leaves(&entry) => {
                            self.followed.is_behind = true;
                            return Ok(());
                        }
                        Ok(entry) => self.put(&entry).await?,
                        Err(damage) => {
                            let last = self.reached.take().map_or_else(|| SequenceNumber::from(0), |one| one.last);
                            self.reached = Some(Checkpoint { entry: number, last });
                            self.followed.damaged.push((number, damage));
                        }
                    }
                }
            }
            self.followed.entries += 1;
        }
    }

    /// Whether somebody else follows this entry.
    fn leaves(&self, entry: &Appended<'_>) -> bool {
        let age_ms = self.setup.clock.now_ms().saturating_sub(entry.appended_ms);
        self.backlog == Backlog::Leave && age_ms > TAKEN_OVER_AFTER_MS
    }

    /// Writes the items of an entry.
    async fn put(&mut self, entry: &Appended<'_>) -> Result<(), FollowError> {
        let Setup { store, jitter, .. } = self.setup;
        if self.unfinished.0 != entry.entry {
            self.unfinished = (entry.entry, Mutex::default());
        }
        let written = &self.unfinished.1;
        let mut rejected = self.rejected_items(entry);
        if self.options.event_items {
            let put = put_all(store, self.event_items(entry), written, jitter, self.put_until).await?;
            self.followed.writes += put.requests;
            self.followed.refused += put.refused.len() as u64;
            for (item, detail) in put.refused {
                tracing::error!(detail, "the table refuses the item of an event, which is kept as a rejected item");
                metrics::counter!(telemetry::REFUSED_ITEMS).increment(1);
                rejected.push(self.refused_item(entry, &item, &detail));
            }
        }
        let put = put_all(store, rejected, written, jitter, self.put_until).await?;
        // What the table does not even take as a rejected payload is kept by its reasons alone.
        let bare = put.refused.into_iter().map(|(mut item, _)| {
            item.rejection.payload = Payload::Withheld;
            item
        });
        let again = put_all(store, bare.collect(), written, jitter, self.put_until).await?;
        self.followed.writes += put.requests + again.requests;
        self.reached = Some(Checkpoint { entry: entry.entry, last: entry.last.clone() });
        Ok(())
    }

    async fn write_checkpoint(&mut self) -> Result<(), FollowError> {
        let Some(reached) = self.reached.as_ref().filter(|reached| reached.entry > self.stored) else { return Ok(()) };
        let Setup { store, table, jitter, .. } = self.setup;
        let write = || store.write_checkpoint(table.id, Follower::Items, self.source, reached);
        // Refused: another follower is as far.
        retry(jitter, self.deadline, || answer_by(self.deadline, write())).await?;
        Ok(())
    }

    fn event_items<'e>(&self, entry: &'e Appended<'_>) -> Vec<EventItem<'e>> {
        // Equal keys in one request would be refused; the last one stands, as it would if they came one after the other.
        let mut items = BTreeMap::new();
        for (date, day) in &entry.content.days {
            let expires_s = expiry_s(&self.setup.table.deployment, *date, entry.appended_ms, EVENT_TTL_DAYS);
            for (_, event) in &day.events {
                let item = EventItem {
                    event: event.clone(),
                    date: *date,
                    created_ms: entry.appended_ms,
                    expires_s,
                    is_indexed: self.options.user_index,
                };
                items.insert(item.key(), item);
            }
        }
        items.into_values().collect()
    }

    fn rejected_items(&self, entry: &Appended<'_>) -> Vec<RejectedItem> {
        let item = |rejection: &headcount_log::LoggedRejection| {
            let headcount_log::LoggedRejection { rejection, origin, arrived_ms } = rejection.clone();
            self.rejected_item(entry, rejection, origin, arrived_ms)
        };
        entry.content.rejections.iter().map(item).collect()
    }

    fn refused_item(&self, entry: &Appended<'_>, item: &EventItem<'_>, detail: &str) -> RejectedItem {
        let day = entry.content.days.get(&item.date);
        let same = |(_, event): &&(u32, _)| *event == item.event;
        let index = day.and_then(|day| day.events.iter().find(same)).map_or(0, |(index, _)| *index);
        let origin = Origin { source: self.source.clone(), sequence: entry.last.clone(), index };
        // Addresses are as the policy wants them already: the event is one that was accepted.
        let rejection = refused(&item.event, detail, IpPolicy::Keep);
        self.rejected_item(entry, rejection, origin, entry.appended_ms)
    }

    fn rejected_item(
        &self,
        entry: &Appended<'_>,
        rejection: headcount_core::rejection::Rejection,
        origin: Origin,
        arrived_ms: i64,
    ) -> RejectedItem {
        let deployment = &self.setup.table.deployment;
        let arrival_date = day_of(deployment.zone, arrived_ms).unwrap_or_default();
        let expires_s = expiry_s(deployment, arrival_date, entry.appended_ms, REJECTED_TTL_DAYS);
        RejectedItem { rejection, origin, arrival_date, arrived_ms, expires_s }
    }
}

/// What became of items that were put.
struct PutItems<T> {
    /// Requests that succeeded.
    requests: u64,
    /// Items that the table refuses whatever is tried, each with what it said.
    refused: Vec<(T, String)>,
}

/// What can be put in batches.
trait Item: Send + Sync + Sized {
    fn key(&self) -> ItemKey;

    fn key_hash(&self) -> u128 {
        let ItemKey { pk, sk } = self.key();
        hash128(format!("{pk}\n{sk}").as_bytes())
    }

    /// Puts a batch; whether each was written.
    fn put<S: ItemStore>(store: &S, items: &[Self]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;
}

impl Item for EventItem<'_> {
    fn key(&self) -> ItemKey {
        Self::key(self)
    }

    fn put<S: ItemStore>(store: &S, items: &[Self]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send {
        store.put_events(items)
    }
}

impl Item for RejectedItem {
    fn key(&self) -> ItemKey {
        Self::key(self)
    }

    fn put<S: ItemStore>(store: &S, items: &[Self]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send {
        store.put_rejected(items)
    }
}

/// Puts all items in batches but those that are `written`, trying again what was not.
async fn put_all<T: Item, S: ItemStore>(
    store: &S,
    mut items: Vec<T>,
    written: &Mutex<Written>,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<PutItems<T>, StoreError> {
    {
        let written = written.lock();
        items.retain(|item| written.is_empty() || !written.contains(&item.key_hash()));
    }
    let mut batches = Vec::with_capacity(items.len().div_ceil(MAX_BATCH_WRITES));
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        batches.push(put_batch(store, items.by_ref().take(MAX_BATCH_WRITES).collect(), written, jitter, deadline));
    }
    let mut all = PutItems { requests: 0, refused: Vec::new() };
    let mut batches = stream::iter(batches).buffered(BATCHES_IN_FLIGHT);
    while let Some(one) = batches.next().await {
        let one = one?;
        all.requests += one.requests;
        all.refused.extend(one.refused);
    }
    Ok(all)
}

async fn put_batch<T: Item, S: ItemStore>(
    store: &S,
    mut open: Vec<T>,
    noted: &Mutex<Written>,
    jitter: &Jitter,
    deadline: Instant,
) -> Result<PutItems<T>, StoreError> {
    let mut done = PutItems { requests: 0, refused: Vec::new() };
    // One bad item fails its whole request: then they are put one at a time.
    let (mut width, mut attempt) = (MAX_BATCH_WRITES, 0);
    while !open.is_empty() {
        let asked = open.len().min(width);
        let failure = match answer_by(deadline, T::put(store, &open[..asked])).await {
            Ok(written) => {
                done.requests += 1;
                let before = open.len();
                let mut written = written.into_iter();
                open.retain(|item| {
                    let is_written = written.next().unwrap_or(false);
                    if is_written {
                        noted.lock().insert(item.key_hash());
                    }
                    !is_written
                });
                if before - open.len() == asked {
                    attempt = 0;
                    continue;
                }
                StoreError::Throttled { detail: "the table left items of a batched write undone".to_owned() }
            }
            Err(StoreError::Invalid { .. }) if asked > 1 => {
                width = 1;
                continue;
            }
            Err(StoreError::Invalid { detail }) => {
                done.refused.push((open.remove(0), detail));
                continue;
            }
            Err(error @ (StoreError::Throttled { .. } | StoreError::Unknown { .. })) => error,
            Err(error @ (StoreError::Unusable { .. } | StoreError::Malformed { .. })) => return Err(error),
        };
        metrics::counter!(telemetry::UNPROCESSED_ITEMS).increment(open.len() as u64);
        if !jitter.pause_until(attempt, deadline).await {
            return Err(failure);
        }
        attempt += 1;
    }
    Ok(done)
}
