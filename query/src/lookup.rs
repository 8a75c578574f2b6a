//! Reads to their end: batched look-ups by key, each asked for until it is answered, and listings page by page.

use std::collections::BTreeMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use futures_util::future::try_join_all;
use headcount_core::deployment::TableId;
use headcount_core::exact::ProvenDay;
use headcount_core::partial::PartialRecord;
use headcount_runtime::retry::retry;
use headcount_store::error::StoreError;
use headcount_store::proof;
use headcount_store::rows::{DailyRow, Lookup, SketchesRow, TotalRow};
use headcount_store::traits::{MAX_BATCH_GETS, QueryStore};
use tokio::time::Instant;

use crate::cache::{CLOSED_TIME, OPEN_TIME, Shelf};
use crate::deps::Deps;

/// Rows by their date; `None` where the table has none.
pub(crate) type ByDate<T> = BTreeMap<NaiveDate, Arc<Option<T>>>;

/// One question's reading: what it works with, until when, and from which day on days are open.
pub(crate) struct Reading<'a, S> {
    pub(crate) deps: &'a Deps<S>,
    pub(crate) table: TableId,
    pub(crate) deadline: Instant,
    pub(crate) open_from: NaiveDate,
}

impl<S: QueryStore> Reading<'_, S> {
    pub(crate) async fn dailies(&self, dates: &[NaiveDate]) -> Result<ByDate<DailyRow>, StoreError> {
        let store = &self.deps.store;
        self.by_date(dates, &self.deps.cache.dailies, |dates| async move { store.dailies(&dates).await }).await
    }

    pub(crate) async fn sketches(&self, dates: &[NaiveDate]) -> Result<ByDate<SketchesRow>, StoreError> {
        let store = &self.deps.store;
        self.by_date(dates, &self.deps.cache.sketches, |dates| async move { store.sketches(&dates).await }).await
    }

    /// Those that were read before figures which are newer, as they are now: an aggregator writes a day's sketches before its figures.
    pub(crate) async fn sketches_behind(
        &self,
        dailies: &ByDate<DailyRow>,
        sketches: &ByDate<SketchesRow>,
    ) -> Result<ByDate<SketchesRow>, StoreError> {
        let made_of = |row: &Option<SketchesRow>| row.as_ref().map_or(0, |row| row.made_of_day);
        let is_behind = |(date, row): &(&NaiveDate, &Arc<Option<SketchesRow>>)| {
            let daily = dailies.get(date).and_then(|daily| daily.as_ref().as_ref());
            daily.is_some_and(|daily| daily.made_of.day > made_of(row))
        };
        let dates: Vec<_> = sketches.iter().filter(is_behind).map(|(date, _)| *date).collect();
        self.deps.cache.sketches.forget(&dates);
        self.sketches(&dates).await
    }

    /// The batches are asked for at the same time: a range is one wait, however long.
    async fn by_date<T, F>(
        &self,
        dates: &[NaiveDate],
        shelf: &Shelf<Option<T>>,
        request: impl Fn(Vec<NaiveDate>) -> F,
    ) -> Result<ByDate<T>, StoreError>
    where
        F: Future<Output = Result<Vec<Lookup<T>>, StoreError>>,
    {
        let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
        for date in dates {
            match shelf.get(*date) {
                Some(kept) => drop(found.insert(*date, kept)),
                None => missing.push(*date),
            }
        }
        let batches = missing.chunks(MAX_BATCH_GETS).map(|batch| self.look_up(batch.to_vec(), &request));
        for (date, row) in try_join_all(batches).await?.into_iter().flatten() {
            found.insert(date, shelf.keep(date, row, self.keep_for(date)));
        }
        Ok(found)
    }

    fn keep_for(&self, date: NaiveDate) -> Duration {
        if date >= self.open_from { OPEN_TIME } else { CLOSED_TIME }
    }

    /// Looks all of `keys` up, at most [`MAX_BATCH_GETS`]; the answer to each, in no particular order.
    pub(crate) async fn look_up<K, T, F>(
        &self,
        keys: Vec<K>,
        request: &impl Fn(Vec<K>) -> F,
    ) -> Result<Vec<(K, Option<T>)>, StoreError>
    where
        K: Clone + Eq + Hash,
        F: Future<Output = Result<Vec<Lookup<T>>, StoreError>>,
    {
        let (mut waiting, mut found) = (keys, Vec::new());
        // Requests in a row that left something out.
        let mut fruitless = 0;
        while !waiting.is_empty() {
            if fruitless > 0 && !self.deps.jitter.pause_until(fruitless - 1, self.deadline).await {
                let detail = "a batched read was answered in part again and again".to_owned();
                return Err(StoreError::Throttled { detail });
            }
            let asked = std::mem::take(&mut waiting);
            let answers = retry(&self.deps.jitter, self.deadline, || request(asked.clone())).await?;
            let mut answers = answers.into_iter();
            for key in asked {
                match answers.next().unwrap_or(Lookup::Unprocessed) {
                    Lookup::Found(row) => found.push((key, Some(row))),
                    Lookup::Absent => found.push((key, None)),
                    Lookup::Unprocessed => waiting.push(key),
                }
            }
            fruitless += 1;
        }
        Ok(found)
    }

    /// The partials of these dates.
    pub(crate) async fn partials(
        &self,
        dates: &[NaiveDate],
    ) -> Result<BTreeMap<NaiveDate, Arc<Vec<PartialRecord>>>, StoreError> {
        let shelf = &self.deps.cache.partials;
        let mut found: BTreeMap<_, _> = dates.iter().filter_map(|date| Some((*date, shelf.get(*date)?))).collect();
        let missing: Vec<_> = dates.iter().copied().filter(|date| !found.contains_key(date)).collect();
        let listings = missing.iter().map(|date| self.partials_of(*date));
        let listed = try_join_all(listings).await?;
        for (date, records) in missing.into_iter().zip(listed) {
            found.insert(date, shelf.keep(date, records, OPEN_TIME));
        }
        Ok(found)
    }

    async fn partials_of(&self, date: NaiveDate) -> Result<Vec<PartialRecord>, StoreError> {
        let (mut records, mut after) = (Vec::new(), None);
        loop {
            let request = || self.deps.store.partials_page(self.table, date, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            records.extend(page.items);
            let Some(next) = self.next(page.next)? else { return Ok(records) };
            after = Some(next);
        }
    }

    /// The proofs of these dates.
    pub(crate) async fn proofs(&self, dates: &[NaiveDate]) -> Result<ByDate<ProvenDay>, StoreError> {
        let (store, jitter, shelf) = (&self.deps.store, &self.deps.jitter, &self.deps.cache.proofs);
        let mut found: BTreeMap<_, _> = dates.iter().filter_map(|date| Some((*date, shelf.get(*date)?))).collect();
        let missing: Vec<_> = dates.iter().copied().filter(|date| !found.contains_key(date)).collect();
        let read =
            try_join_all(missing.iter().map(|date| proof::read(store, self.table, *date, jitter, self.deadline)))
                .await?;
        for (date, read) in missing.into_iter().zip(read) {
            found.insert(date, shelf.keep(date, read, OPEN_TIME));
        }
        Ok(found)
    }

    /// The number of users whose first day is `date`.
    pub(crate) async fn new_users(&self, date: NaiveDate) -> Result<u64, StoreError> {
        if let Some(kept) = self.deps.cache.new_users.get(date) {
            return Ok(*kept);
        }
        let (mut users, mut after) = (0, None);
        loop {
            let request = || self.deps.store.new_users_page(date, after.as_ref());
            let (count, next) = retry(&self.deps.jitter, self.deadline, request).await?;
            users += count;
            match self.next(next)? {
                Some(next) => after = Some(next),
                None => return Ok(*self.deps.cache.new_users.keep(date, users, OPEN_TIME)),
            }
        }
    }

    /// The numbers of new users of all days up to `to`.
    pub(crate) async fn totals(&self, to: NaiveDate) -> Result<Arc<Vec<TotalRow>>, StoreError> {
        if let Some(kept) = self.deps.cache.totals.get(to) {
            return Ok(kept);
        }
        let (mut totals, mut after) = (Vec::new(), None);
        loop {
            let request = || self.deps.store.totals_page(to, after.as_ref());
            let page = retry(&self.deps.jitter, self.deadline, request).await?;
            totals.extend(page.items);
            match self.next(page.next)? {
                Some(next) => after = Some(next),
                None => return Ok(self.deps.cache.totals.keep(to, totals, self.keep_for(to))),
            }
        }
    }

    /// The cursor of the next page; an error where there is no time to read it.
    pub(crate) fn next<C>(&self, next: Option<C>) -> Result<Option<C>, StoreError> {
        if next.is_some() && Instant::now() >= self.deadline {
            let detail = "a listing has more pages than can be read in time: ask for less at once".to_owned();
            return Err(StoreError::Throttled { detail });
        }
        Ok(next)
    }
}
