//! What the other crates need of the table. One method is one request: callers chunk, page and retry.
//!
//! Every method fails as [`StoreError`] says. All adapters refuse alike, without asking anything, as
//! [`StoreError::Invalid`]: more than a batch holds, a key twice in one batch, a partial's version that would not grow. An
//! empty batch is answered at once. Numbers come back in their stored form ([`crate::numbers`]).

use std::future::Future;

use chrono::NaiveDate;
use headcount_core::budget::{BudgetScope, Month};
use headcount_core::deployment::{TableId, TableMeta};
use headcount_core::event::Event;
use headcount_core::exact::{ProvenFigures, ProvenSource};
use headcount_core::keys::{self, Follower, ItemKey};
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;

use crate::error::StoreError;
use crate::rows::{
    AlarmRow, BudgetItem, BudgetRow, Checkpoint, CheckpointRow, Cursor, DailyRow, EventItem, FirstDay, Lookup, Page,
    ProvenSourceRow, Put, RejectedItem, SketchesRow, TotalRow,
};

/// Puts in one `BatchWriteItem`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
pub const MAX_BATCH_WRITES: usize = 25;

/// Keys in one `BatchGetItem`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
pub const MAX_BATCH_GETS: usize = 100;

/// Items that follow the log for people to look at: events and rejected occurrences. Each write may be repeated: equal
/// content makes equal items.
pub trait ItemStore: Send + Sync {
    /// Puts each event's item, whatever is there. At most [`MAX_BATCH_WRITES`], no key twice. Whether each was written, in
    /// order; what was not must be tried again. An error means that the whole request failed.
    fn put_events(&self, items: &[EventItem<'_>]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// Puts each rejected item, as [`Self::put_events`] does.
    fn put_rejected(&self, items: &[RejectedItem]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;
}

/// Users' first days.
pub trait UserStore: Send + Sync {
    /// The first days that are known, perhaps a moment old. At most [`MAX_BATCH_GETS`], no user twice.
    fn first_days(&self, user_ids: &[&str]) -> impl Future<Output = Result<Vec<Lookup<NaiveDate>>, StoreError>> + Send;

    /// Puts the user's profile if there is none, or if it says a later first day. [`Put::Refused`] means that the
    /// profile says this day or an earlier one.
    fn put_first_day(&self, first_day: &FirstDay) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page's number of users whose first day is `date`. The index behind it may be a moment old.
    fn new_users_page(
        &self,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<(u64, Option<Cursor>), StoreError>> + Send;
}

/// Partials. A partial that carries another [`TableId`] than `table` was restored from elsewhere and counts as absent.
pub trait PartialStore: Send + Sync {
    /// One source's partial, read consistently.
    fn read_partial(
        &self,
        table: TableId,
        date: NaiveDate,
        source: &Source,
    ) -> impl Future<Output = Result<Option<PartialRecord>, StoreError>> + Send;

    /// Writes `record` if the version that is there is `expected` (0: if none is there, or one of another table id).
    /// `record.version` must be larger than `expected`.
    fn write_partial(
        &self,
        table: TableId,
        record: &PartialRecord,
        expected: u64,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of a date's partials, read consistently.
    fn partials_page(
        &self,
        table: TableId,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<PartialRecord>, StoreError>> + Send;
}

/// When an item is written, and when it may expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Now, milliseconds since the epoch.
    pub now_ms: i64,
    /// `TTL`, seconds since the epoch.
    pub expires_s: i64,
}

/// How far each follower has brought the table up to date. A checkpoint that carries another [`TableId`] counts as absent.
pub trait CheckpointStore: Send + Sync {
    /// A follower's checkpoint of one source, read consistently.
    fn read_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
    ) -> impl Future<Output = Result<Option<Checkpoint>, StoreError>> + Send;

    /// Moves a checkpoint on. [`Put::Refused`] where what is there covers `checkpoint.entry` already: it only moves forward.
    fn write_checkpoint(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        checkpoint: &Checkpoint,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of all checkpoints of both followers, read consistently.
    fn checkpoints_page(
        &self,
        table: TableId,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<CheckpointRow>, StoreError>> + Send;

    /// Marks a source as finished with `entry` in a follower's checkpoint; the next [`Self::write_checkpoint`] takes the
    /// mark away. [`Put::Refused`] where the checkpoint is not at that entry.
    fn mark_finished(
        &self,
        table: TableId,
        follower: Follower,
        source: &Source,
        entry: u64,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// A day's results.
pub trait DailyStore: Send + Sync {
    /// The metrics of these dates, read consistently. At most [`MAX_BATCH_GETS`], no date twice.
    fn dailies(&self, dates: &[NaiveDate]) -> impl Future<Output = Result<Vec<Lookup<DailyRow>>, StoreError>> + Send;

    /// The merged sketches of these dates, read consistently. At most [`MAX_BATCH_GETS`], no date twice.
    fn sketches(
        &self,
        dates: &[NaiveDate],
    ) -> impl Future<Output = Result<Vec<Lookup<SketchesRow>>, StoreError>> + Send;

    /// Writes the metrics unless what is there was made of something newer: a larger [`crate::rows::MadeOf`].
    /// `CreatedAt` of what is there stays.
    fn put_daily(&self, row: &DailyRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Writes the sketches unless what is there was made of something newer.
    fn put_sketches(&self, row: &SketchesRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Writes the number of new users unless what is there was made of something newer.
    fn put_total(&self, row: &TotalRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of the numbers of new users, read consistently, in order of their dates, up to `to`.
    fn totals_page(
        &self,
        to: NaiveDate,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<TotalRow>, StoreError>> + Send;
}

/// Proofs of days. A proof that carries another [`TableId`] than `table` was restored from elsewhere and counts as absent.
pub trait ProofStore: Send + Sync {
    /// The figures of a date's proof, read consistently.
    fn read_proof(
        &self,
        table: TableId,
        date: NaiveDate,
    ) -> impl Future<Output = Result<Option<ProvenFigures>, StoreError>> + Send;

    /// One page of the sources of a date's proof of this number, read consistently.
    fn proven_sources_page(
        &self,
        date: NaiveDate,
        number: u64,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<(Source, ProvenSource)>, StoreError>> + Send;

    /// Puts the sources of a proof, whatever is there. At most [`MAX_BATCH_WRITES`], no key twice. Whether each was written.
    fn put_proven_sources(
        &self,
        rows: &[ProvenSourceRow],
    ) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// Puts the figures of a proof, whose sources are put. [`Put::Refused`] where what is there has the same number or a larger
    /// one.
    fn put_proof(&self, table: TableId, proof: &ProvenFigures) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// Budgets of AI cost, and the alarms of those that are used up.
pub trait BudgetStore: Send + Sync {
    /// Puts a budget, whatever is there. Never refused.
    fn put_budget(&self, row: &BudgetRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Removes a budget; refused where there is none. Its alarms stay.
    fn delete_budget(&self, scope: &BudgetScope) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of the alarms of `month` and later ones, and of all budgets behind them, read consistently.
    fn budgets_page(
        &self,
        month: Month,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<BudgetItem>, StoreError>> + Send;

    /// Claims the alarm of a budget in a month, so that of several runs one raises it. Refused where what is there is of this amount or
    /// a larger one, unless it has the same [`AlarmRow::claim`], or was claimed before `stale_ms` and never raised.
    fn claim_alarm(&self, row: &AlarmRow, stale_ms: i64) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Notes that a claimed alarm was raised; refused where somebody else has claimed it since.
    fn finish_alarm(&self, row: &AlarmRow, raised_ms: i64) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// Single items for people to look at.
pub trait BrowseStore: Send + Sync {
    /// One page of the keys of a user's events, the newest first, at most `limit`. The index behind it may be a moment
    /// old. Events of one millisecond come in no particular order.
    fn user_events_page(
        &self,
        span: &UserSpan,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<ItemKey>, StoreError>> + Send;

    /// The events under these keys, perhaps a moment old. At most [`MAX_BATCH_GETS`], no key twice. One answer a key,
    /// in order.
    fn events(&self, keys: &[ItemKey]) -> impl Future<Output = Result<Vec<Lookup<Event<'static>>>, StoreError>> + Send;

    /// One page of the rejected items of an arrival day, the newest first, at most `limit`; those whose sort key is less
    /// than `before`, where one is given.
    fn rejections_page(
        &self,
        arrival_date: NaiveDate,
        before: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<RejectedItem>, StoreError>> + Send;
}

/// The largest timestamp with which sort keys still order by time: 13 digits, the year 2286.
const MAX_KEY_MS: i64 = 9_999_999_999_999;

/// Which events of a user a listing reads: those from `from_ms` to `to_ms`, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpan {
    /// The user.
    pub user_id: String,
    /// From this millisecond on.
    pub from_ms: i64,
    /// Up to this millisecond, included.
    pub to_ms: i64,
}

impl UserSpan {
    /// The partition of the index, its first sort key and its last; `None` where there can be none.
    pub fn bounds(&self) -> Option<(String, String, String)> {
        let (from, to) = (self.from_ms.clamp(0, MAX_KEY_MS), self.to_ms.clamp(0, MAX_KEY_MS));
        (from <= to).then(|| (keys::user(&self.user_id), keys::event_at(from), keys::event_at(to)))
    }
}

/// The table's own record: which deployment it belongs to.
pub trait MetaStore: Send + Sync {
    /// The record, read consistently.
    fn read_meta(&self) -> impl Future<Output = Result<Option<TableMeta>, StoreError>> + Send;

    /// Writes the first record; refused where there is one.
    fn create_meta(&self, meta: &TableMeta) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Replaces the record that carries the number `replaced`; refused where there is none, or one of another number.
    fn replace_meta(&self, meta: &TableMeta, replaced: TableId)
    -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// All that the followers need.
pub trait FollowStore: ItemStore + UserStore + PartialStore + CheckpointStore + MetaStore {}

impl<S: ItemStore + UserStore + PartialStore + CheckpointStore + MetaStore> FollowStore for S {}

/// All that questions need.
pub trait QueryStore:
    DailyStore + ProofStore + MetaStore + BrowseStore + UserStore + PartialStore + BudgetStore
{
}

impl<S: DailyStore + ProofStore + MetaStore + BrowseStore + UserStore + PartialStore + BudgetStore> QueryStore for S {}

/// All that the aggregator needs.
pub trait AggregatorStore: FollowStore + DailyStore + ProofStore + BudgetStore {}

impl<S: FollowStore + DailyStore + ProofStore + BudgetStore> AggregatorStore for S {}
