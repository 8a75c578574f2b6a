//! What the other rooms need of the table. One method is one request: callers chunk, page and retry.
//!
//! Every method fails as [`StoreError`] says. What all adapters refuse alike, without asking anything, as
//! [`StoreError::Invalid`]: more than a batch holds, a key twice in one batch, a write shard that the date does not
//! have, a partial's version that would not grow. An empty batch is answered at once. Numbers come back in their stored
//! form ([`crate::numbers`]).

use std::future::Future;

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::event::Event;
use headcount_core::keys::{self, ItemKey, WriteShards};
use headcount_core::origin::{Origin, Source};
use headcount_core::partial::PartialRecord;

use crate::batch;
use crate::error::StoreError;
use crate::rows::{
    Claim, Cursor, DailyRow, EventRow, FirstDay, Lookup, Page, Put, RejectedCount, RejectedRow, SketchesRow, TotalRow,
};

/// Statements in one batched conditional insert (`BatchExecuteStatement`), and puts in one `BatchWriteItem`.
pub const MAX_BATCH_WRITES: usize = 25;

/// Keys in one `BatchGetItem`.
pub const MAX_BATCH_GETS: usize = 100;

/// Events, each stored once.
pub trait EventStore: Send + Sync {
    /// Inserts each event if its key is free. At most [`MAX_BATCH_WRITES`], no key twice. One answer an event, in
    /// order. An error means that the whole request failed: where it is [`StoreError::Unknown`], any of them may have
    /// been inserted.
    fn claim(&self, events: &[EventRow<'_>]) -> impl Future<Output = Result<Vec<Claim>, StoreError>> + Send;

    /// The origins of what is stored under these keys, read consistently. At most [`MAX_BATCH_GETS`], no key twice.
    /// One answer a key, in order.
    fn origins(&self, keys: &[ItemKey]) -> impl Future<Output = Result<Vec<Lookup<Origin>>, StoreError>> + Send;

    /// One page of a partition's events, read consistently, in the order of their keys, whose timestamps lie in
    /// `from_ms..to_ms`.
    fn events_page(
        &self,
        span: &EventSpan,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<EventRow<'static>>, StoreError>> + Send;
}

/// Which events of a date a listing reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSpan {
    /// The date.
    pub date: NaiveDate,
    /// The date's write shards.
    pub shards: WriteShards,
    /// One of the date's partitions: the number of its write shard, from 0.
    pub shard: u32,
    /// From this millisecond on.
    pub from_ms: i64,
    /// Up to this millisecond, not included.
    pub to_ms: i64,
}

/// The largest timestamp with which sort keys still order by time: 13 digits, the year 2286.
const MAX_KEY_MS: i64 = 9_999_999_999_999;

impl EventSpan {
    /// The partition, the sort key from which on, and the one before which the events lie; `None` where there can be
    /// none. What lies outside the range of sort keys is cut off.
    pub(crate) fn bounds(&self) -> Result<Option<(String, String, String)>, StoreError> {
        let (from, to) = (self.from_ms.clamp(0, MAX_KEY_MS), self.to_ms.clamp(0, MAX_KEY_MS));
        let partition = partition_of(&keys::events(self.date), self.shards, self.shard)?;
        // No event's key is as short as the upper bound itself, so that a range that includes it takes nothing more.
        Ok((from < to).then(|| (partition, keys::event_at(from), keys::event_at(to))))
    }
}

/// The partition of one write shard of a date.
pub(crate) fn partition_of(prefix: &str, shards: WriteShards, shard: u32) -> Result<String, StoreError> {
    shards.partitions(prefix).into_iter().nth(shard as usize).ok_or_else(|| StoreError::Invalid {
        detail: format!("there is no write shard {shard}: the date has {}", shards.count()),
    })
}

/// The partitions of partials, as many as one request may list, each once.
pub(crate) fn partitions_of_partials(partitions: &[DatePartition]) -> Result<Vec<String>, StoreError> {
    let name = |one: &DatePartition| partition_of(&keys::partials(one.date), one.shards, one.shard);
    let names = partitions.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    batch::check(&names, MAX_LISTED_PARTITIONS)?;
    Ok(names)
}

/// Rejected occurrences.
pub trait RejectedStore: Send + Sync {
    /// Writes each item, whatever is there. At most [`MAX_BATCH_WRITES`], no key twice. Whether each was written, in
    /// order; what was not must be tried again.
    fn put_rejected(&self, rows: &[RejectedRow]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// One page of one write shard's rejected items of an arrival day, read consistently.
    fn rejected_page(
        &self,
        arrival_date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<RejectedCount>, StoreError>> + Send;
}

/// Users' first days.
pub trait UserStore: Send + Sync {
    /// The first days that are known, perhaps a moment old. At most [`MAX_BATCH_GETS`], no user twice.
    fn first_days(&self, user_ids: &[&str]) -> impl Future<Output = Result<Vec<Lookup<NaiveDate>>, StoreError>> + Send;

    /// Puts the user's profile if there is none, or if it says a later first day. [`Put::Refused`] means that the
    /// profile says this day or an earlier one.
    fn put_first_day(&self, first_day: &FirstDay) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page's number of users in one write shard whose first day is `date`. The index behind it may be a moment
    /// old.
    fn new_users_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<(u64, Option<Cursor>), StoreError>> + Send;
}

/// Partials.
pub trait PartialStore: Send + Sync {
    /// One source's partial, read consistently.
    fn read_partial(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        source: &Source,
    ) -> impl Future<Output = Result<Option<PartialRecord>, StoreError>> + Send;

    /// Writes `record` if the version that is there is `expected` (0: if none is there). `record.version` must be
    /// larger than `expected`.
    fn write_partial(
        &self,
        record: &PartialRecord,
        shards: WriteShards,
        expected: u64,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of one write shard's partials of a date, read consistently.
    fn partials_page(
        &self,
        date: NaiveDate,
        shards: WriteShards,
        shard: u32,
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

/// A day's results.
pub trait DailyStore: Send + Sync {
    /// The metrics of these dates, read consistently. At most [`MAX_BATCH_GETS`], no date twice.
    fn dailies(&self, dates: &[NaiveDate]) -> impl Future<Output = Result<Vec<Lookup<DailyRow>>, StoreError>> + Send;

    /// The merged sketches of these dates, read consistently. At most [`MAX_BATCH_GETS`], no date twice.
    fn sketches(
        &self,
        dates: &[NaiveDate],
    ) -> impl Future<Output = Result<Vec<Lookup<SketchesRow>>, StoreError>> + Send;

    /// Writes the metrics unless what is there was made of newer partials ([`crate::rows::MadeOf::may_replace`]).
    /// `CreatedAt` of what is there stays.
    fn put_daily(&self, row: &DailyRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Writes the sketches unless what is there was made of newer partials.
    fn put_sketches(&self, row: &SketchesRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Writes the number of new users unless what is there was made of newer partials.
    fn put_total(&self, row: &TotalRow) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// One page of the numbers of new users, read consistently, in order of their dates, up to `to`.
    fn totals_page(
        &self,
        to: NaiveDate,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<TotalRow>, StoreError>> + Send;
}

/// Partitions that one listing of partials names: the values that DynamoDB takes in an `IN` over a partition key.
pub const MAX_LISTED_PARTITIONS: usize = 50;

/// Single items for people to look at, and the partials of many dates at once.
pub trait BrowseStore: Send + Sync {
    /// Partitions that one request of [`Self::partials_of`] should name, at least one: what the service finds by its keys
    /// rather than by looking through the table.
    fn partitions_at_once(&self) -> usize {
        MAX_LISTED_PARTITIONS
    }

    /// One page of the partials in these partitions, read consistently, in no particular order. At most
    /// [`MAX_LISTED_PARTITIONS`], none twice.
    fn partials_of(
        &self,
        partitions: &[DatePartition],
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page<PartialRecord>, StoreError>> + Send;

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

    /// One page of the rejected items of an arrival day's partition, the newest first, at most `limit`; those whose
    /// sort key is less than `before`, where one is given.
    fn rejections_page(
        &self,
        partition: &DatePartition,
        before: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<RejectedRow>, StoreError>> + Send;
}

/// One of the partitions over which the items of a date are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatePartition {
    /// The date.
    pub date: NaiveDate,
    /// The date's write shards.
    pub shards: WriteShards,
    /// The number of the write shard, from 0.
    pub shard: u32,
}

/// Which events of a user a listing reads: those from `from_ms` to `to_ms`, both included, in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpan {
    /// The user.
    pub user_id: String,
    /// Over how many partitions the user's events are spread.
    pub shards: WriteShards,
    /// The number of the write shard, from 0.
    pub shard: u32,
    /// From this millisecond on.
    pub from_ms: i64,
    /// Up to this millisecond, included.
    pub to_ms: i64,
}

impl UserSpan {
    /// The partition of the index, its first sort key and its last; `None` where there can be none.
    pub(crate) fn bounds(&self) -> Result<Option<(String, String, String)>, StoreError> {
        let (from, to) = (self.from_ms.clamp(0, MAX_KEY_MS), self.to_ms.clamp(0, MAX_KEY_MS));
        let partition = partition_of(&keys::user(&self.user_id), self.shards, self.shard)?;
        Ok((from <= to).then(|| (partition, keys::event_at(from), keys::event_at(to))))
    }
}

/// The deployment's own record.
pub trait DeploymentStore: Send + Sync {
    /// The record, read consistently.
    fn read_deployment(&self) -> impl Future<Output = Result<Option<Deployment>, StoreError>> + Send;

    /// Writes the first record; refused where there is one.
    fn create_deployment(&self, deployment: &Deployment) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// All that the consumer needs.
pub trait ConsumerStore: EventStore + RejectedStore + UserStore + PartialStore + DeploymentStore {}

impl<S: EventStore + RejectedStore + UserStore + PartialStore + DeploymentStore> ConsumerStore for S {}

/// All that questions need.
pub trait QueryStore: DailyStore + DeploymentStore + BrowseStore + UserStore {}

impl<S: DailyStore + DeploymentStore + BrowseStore + UserStore> QueryStore for S {}

/// All that the aggregator needs.
pub trait AggregatorStore: ConsumerStore + DailyStore {}

impl<S: ConsumerStore + DailyStore> AggregatorStore for S {}
