//! Listings of a day, read to their end: page by page, each request repeated until the deadline, the partitions of a
//! day side by side.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::origin::{SequenceNumber, Source};
use headcount_core::partial::PartialRecord;
use headcount_runtime::retry::retry;
use headcount_store::error::StoreError;
use headcount_store::rows::{Cursor, DailyRow, EventRow, Lookup, SketchesRow, TotalRow};
use headcount_store::traits::{AggregatorStore, EventSpan, MAX_BATCH_GETS};

use crate::day::Run;
use crate::deps::MAX_PARALLEL_REQUESTS;
use crate::error::AggregateError;

/// Each source's fence; a source that is not among them has none.
pub(crate) type Fences = BTreeMap<Source, Option<SequenceNumber>>;

/// Whether a record of this source was folded: it is at or before the source's fence.
pub(crate) fn is_folded(fences: &Fences, source: &Source, sequence: &SequenceNumber) -> bool {
    fences.get(source).is_some_and(|fence| fence.as_ref().is_some_and(|last| sequence <= last))
}

impl<S: AggregatorStore> Run<'_, S> {
    /// Drives the futures side by side, as many as the settings allow; the answers in their order, or the first error.
    pub(crate) async fn side_by_side<T, F>(&self, futures: Vec<F>) -> Result<Vec<T>, AggregateError>
    where
        F: Future<Output = Result<T, AggregateError>>,
    {
        let at_once = self.deps.settings.parallel_requests.clamp(1, MAX_PARALLEL_REQUESTS);
        stream::iter(futures).buffered(at_once).try_collect().await
    }

    /// A day's partials, in order of their sources.
    pub(crate) async fn partials(&self, date: NaiveDate) -> Result<Vec<PartialRecord>, AggregateError> {
        let shards = 0..self.shards(date).count();
        let listings = shards.map(|shard| self.partials_of_shard(date, shard)).collect();
        let mut records: Vec<_> = self.side_by_side(listings).await?.into_iter().flatten().collect();
        records.sort_by(|a: &PartialRecord, b| a.source.cmp(&b.source));
        Ok(records)
    }

    async fn partials_of_shard(&self, date: NaiveDate, shard: u32) -> Result<Vec<PartialRecord>, AggregateError> {
        let (mut records, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.partials_page(date, shard, after.as_ref()).await?;
            records.extend(page);
            after = next;
            if after.is_none() {
                return Ok(records);
            }
        }
    }

    /// One page of a partition's partials, and where the next one begins.
    pub(crate) async fn partials_page(
        &self,
        date: NaiveDate,
        shard: u32,
        after: Option<&Cursor>,
    ) -> Result<(Vec<PartialRecord>, Option<Cursor>), AggregateError> {
        let (store, shards) = (&self.deps.store, self.shards(date));
        let request = || store.partials_page(date, shards, shard, after);
        let page = retry(&self.deps.jitter, self.deadline, request).await?;
        Ok((page.items, self.next_page(after, page.next, "partials", date)?))
    }

    /// Reads each of a day's events once and folds it, page by page as they come, in no particular order.
    pub(crate) async fn fold_events<T, F>(&self, date: NaiveDate, into: T, fold: F) -> Result<T, AggregateError>
    where
        T: Send,
        F: Fn(&mut T, EventRow<'static>) + Send + Sync,
    {
        let (into, fold) = (Mutex::new(into), &fold);
        let listings = self.event_spans(date).into_iter().map(|span| self.fold_span(span, &into, fold)).collect();
        self.side_by_side(listings).await?;
        Ok(into.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fold_span<T, F>(&self, span: EventSpan, into: &Mutex<T>, fold: &F) -> Result<(), AggregateError>
    where
        T: Send,
        F: Fn(&mut T, EventRow<'static>) + Send + Sync,
    {
        let mut after = None;
        loop {
            let request = || self.deps.store.events_page(&span, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            {
                let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
                page.items.into_iter().for_each(|row| fold(&mut into, row));
            }
            after = self.next_page(after.as_ref(), page.next, "events", span.date)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// The rejected occurrences of an arrival day, of each source, in records at or before its fence.
    pub(crate) async fn rejected(
        &self,
        date: NaiveDate,
        fences: &Fences,
    ) -> Result<BTreeMap<Source, u64>, AggregateError> {
        let shards = 0..self.shards(date).count();
        let listings = shards.map(|shard| self.rejected_of_shard(date, shard, fences)).collect();
        let mut sums = BTreeMap::new();
        for (source, count) in self.side_by_side(listings).await?.into_iter().flatten() {
            let sum: &mut u64 = sums.entry(source).or_default();
            *sum = sum.saturating_add(count);
        }
        Ok(sums)
    }

    async fn rejected_of_shard(
        &self,
        date: NaiveDate,
        shard: u32,
        fences: &Fences,
    ) -> Result<BTreeMap<Source, u64>, AggregateError> {
        let (store, shards) = (&self.deps.store, self.shards(date));
        let (mut sums, mut after) = (BTreeMap::new(), None);
        loop {
            let request = || store.rejected_page(date, shards, shard, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            for row in page.items {
                if is_folded(fences, &row.origin.source, &row.origin.sequence) {
                    let sum: &mut u64 = sums.entry(row.origin.source).or_default();
                    *sum = sum.saturating_add(row.count);
                }
            }
            after = self.next_page(after.as_ref(), page.next, "rejected events", date)?;
            if after.is_none() {
                return Ok(sums);
            }
        }
    }

    /// The number of users whose first day is `date`.
    pub(crate) async fn new_users(&self, date: NaiveDate) -> Result<u64, AggregateError> {
        let shards = 0..self.shards(date).count();
        let listings = shards.map(|shard| self.new_users_of_shard(date, shard)).collect();
        Ok(self.side_by_side(listings).await?.into_iter().sum())
    }

    async fn new_users_of_shard(&self, date: NaiveDate, shard: u32) -> Result<u64, AggregateError> {
        let (store, shards) = (&self.deps.store, self.shards(date));
        let (mut users, mut after) = (0, None);
        loop {
            let request = || store.new_users_page(date, shards, shard, after.as_ref());
            let (count, next) = retry(&self.deps.jitter, self.deadline, request).await?;
            users += count;
            after = self.next_page(after.as_ref(), next, "new users", date)?;
            if after.is_none() {
                return Ok(users);
            }
        }
    }

    /// The numbers of new users of all days up to `to`.
    pub(crate) async fn totals(&self, to: NaiveDate) -> Result<BTreeMap<NaiveDate, TotalRow>, AggregateError> {
        let (mut totals, mut after) = (BTreeMap::new(), None);
        loop {
            let request = || self.deps.store.totals_page(to, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            totals.extend(page.items.into_iter().map(|row| (row.date, row)));
            after = self.next_page(after.as_ref(), page.next, "totals up to", to)?;
            if after.is_none() {
                return Ok(totals);
            }
        }
    }

    /// The metrics of these dates, as far as there are any.
    pub(crate) async fn dailies(&self, dates: &BTreeSet<NaiveDate>) -> Result<Vec<DailyRow>, AggregateError> {
        let mut batches = Batches::new(dates);
        while let Some(asked) = batches.next(self).await? {
            let request = || self.deps.store.dailies(&asked);
            let answers = retry(&self.deps.jitter, self.deadline, request).await?;
            batches.take(&asked, answers);
        }
        Ok(batches.found)
    }

    /// The merged sketches of these dates, as far as there are any.
    pub(crate) async fn sketches(&self, dates: &BTreeSet<NaiveDate>) -> Result<Vec<SketchesRow>, AggregateError> {
        let mut batches = Batches::new(dates);
        while let Some(asked) = batches.next(self).await? {
            let request = || self.deps.store.sketches(&asked);
            let answers = retry(&self.deps.jitter, self.deadline, request).await?;
            batches.take(&asked, answers);
        }
        Ok(batches.found)
    }
}

/// Batched look-ups by date: what a request did not get to is asked for again, after a pause.
struct Batches<T> {
    waiting: VecDeque<NaiveDate>,
    found: Vec<T>,
    /// Requests in a row that left something out.
    fruitless: u32,
}

impl<T> Batches<T> {
    fn new(dates: &BTreeSet<NaiveDate>) -> Self {
        Self { waiting: dates.iter().copied().collect(), found: Vec::new(), fruitless: 0 }
    }

    /// The dates of the next request; none where all were answered.
    async fn next<S>(&mut self, run: &Run<'_, S>) -> Result<Option<Vec<NaiveDate>>, AggregateError> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        if self.fruitless > 0 && !run.deps.jitter.pause_until(self.fruitless - 1, run.deadline).await {
            let detail = "a batched read was answered in part again and again".to_owned();
            return Err(StoreError::Throttled { detail }.into());
        }
        let count = self.waiting.len().min(MAX_BATCH_GETS);
        Ok(Some(self.waiting.drain(..count).collect()))
    }

    fn take(&mut self, asked: &[NaiveDate], answers: Vec<Lookup<T>>) {
        let mut answers = answers.into_iter();
        let waiting = self.waiting.len();
        for date in asked {
            match answers.next().unwrap_or(Lookup::Unprocessed) {
                Lookup::Found(row) => self.found.push(row),
                Lookup::Absent => {}
                Lookup::Unprocessed => self.waiting.push_back(*date),
            }
        }
        self.fruitless = if self.waiting.len() > waiting { self.fruitless + 1 } else { 0 };
    }
}
