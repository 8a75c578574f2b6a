//! Listings, read to their end: page by page, each request repeated until the deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::NaiveDate;
use headcount_core::exact::ProvenDay;
use headcount_core::partial::PartialRecord;
use headcount_runtime::retry::retry;
use headcount_store::error::StoreError;
use headcount_store::proof;
use headcount_store::rows::{CheckpointRow, Cursor, DailyRow, Lookup, SketchesRow, TotalRow};
use headcount_store::traits::{AggregatorStore, MAX_BATCH_GETS};

use crate::deps::Deps;
use crate::error::AggregateError;
use crate::run::{Run, of_date};

impl<S: AggregatorStore> Run<'_, S> {
    /// All checkpoints of both followers.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<CheckpointRow>, AggregateError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let request = || self.deps.store.checkpoints_page(self.table.id, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            rows.extend(page.items);
            after = self.next_page(after.as_ref(), page.next, || "checkpoints".to_owned())?;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// A day's partials, in order of their sources.
    pub(crate) async fn partials(&self, date: NaiveDate) -> Result<Vec<PartialRecord>, AggregateError> {
        let (mut records, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.partials_page(date, after.as_ref()).await?;
            records.extend(page);
            after = next;
            if after.is_none() {
                records.sort_by(|a: &PartialRecord, b| a.source.cmp(&b.source));
                return Ok(records);
            }
        }
    }

    /// The proof of a day that the table has, with its sources.
    pub(crate) async fn proof(&self, date: NaiveDate) -> Result<Option<ProvenDay>, AggregateError> {
        let Deps { store, jitter, .. } = self.deps;
        Ok(proof::read(store, self.table.id, date, jitter, self.deadline).await?)
    }

    /// One page of a day's partials, and where the next one begins.
    pub(crate) async fn partials_page(
        &self,
        date: NaiveDate,
        after: Option<&Cursor>,
    ) -> Result<(Vec<PartialRecord>, Option<Cursor>), AggregateError> {
        let request = || self.deps.store.partials_page(self.table.id, date, after);
        let page = retry(&self.deps.jitter, self.deadline, request).await?;
        Ok((page.items, self.next_page(after, page.next, of_date("partials", date))?))
    }

    /// The number of users whose first day is `date`.
    pub(crate) async fn new_users(&self, date: NaiveDate) -> Result<u64, AggregateError> {
        let (mut users, mut after) = (0, None);
        loop {
            let request = || self.deps.store.new_users_page(date, after.as_ref());
            let (count, next) = retry(&self.deps.jitter, self.deadline, request).await?;
            users += count;
            after = self.next_page(after.as_ref(), next, of_date("new users", date))?;
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
            after = self.next_page(after.as_ref(), page.next, || format!("totals up to {to}"))?;
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
