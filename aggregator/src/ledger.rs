//! What the table says of the days around one: metrics, sketches, numbers of new users. Read once a run, and kept as
//! the run changes it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::calendar::{days, days_before};
use headcount_core::user_sketch::UserSketch;
use headcount_runtime::retry::retry;
use headcount_store::rows::{DailyRow, Put, SketchesRow, TotalRow};
use headcount_store::traits::AggregatorStore;
use rayon::prelude::*;

use crate::calendar_window::{MONTH_DAYS, WEEK_DAYS};
use crate::error::AggregateError;
use crate::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    dailies: BTreeMap<NaiveDate, DailyRow>,
    sketches: BTreeMap<NaiveDate, SketchesRow>,
    totals: BTreeMap<NaiveDate, TotalRow>,
}

/// Different users and accounts of the days that end with a date.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Of the week and of the month.
    pub(crate) users: [u64; 2],
    /// Of the week and of the month.
    pub(crate) accounts: [u64; 2],
    /// Days whose stored sketches are damaged, and therefore missing.
    pub(crate) damaged: Vec<NaiveDate>,
}

impl Ledger {
    /// Reads what the aggregation of `dates` needs.
    pub(crate) async fn load<S: AggregatorStore>(
        run: &Run<'_, S>,
        dates: &BTreeSet<NaiveDate>,
    ) -> Result<Self, AggregateError> {
        let mut ledger = Self::default();
        ledger.read(run, dates).await?;
        Ok(ledger)
    }

    /// Reads again what the aggregation of `date` needs: somebody else was faster.
    pub(crate) async fn refresh<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        date: NaiveDate,
    ) -> Result<(), AggregateError> {
        self.read(run, &BTreeSet::from([date])).await
    }

    async fn read<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        dates: &BTreeSet<NaiveDate>,
    ) -> Result<(), AggregateError> {
        let Some(last) = dates.last() else { return Ok(()) };
        let united = dates.iter().flat_map(|date| month_of(*date)).collect();
        self.dailies.extend(run.dailies(dates).await?.into_iter().map(|row| (row.date, row)));
        self.sketches.extend(run.sketches(&united).await?.into_iter().map(|row| (row.date, row)));
        self.totals.extend(run.totals(*last).await?);
        Ok(())
    }

    pub(crate) fn daily(&self, date: NaiveDate) -> Option<&DailyRow> {
        self.dailies.get(&date)
    }

    /// The metrics of the dates from `from` to `to` that were read, as this run left them.
    pub(crate) fn dailies(&self, from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = &DailyRow> {
        self.dailies.range(from..=to).map(|(_, row)| row)
    }

    /// The sum of the versions that the sketches of the 30 days up to `date` were made of.
    pub(crate) fn month_sum(&self, date: NaiveDate) -> u64 {
        month_of(date).filter_map(|day| self.sketches.get(&day)).map(|row| row.made_of_day).sum()
    }

    /// Users first seen on `date`, where they were counted before.
    pub(crate) fn new_users(&self, date: NaiveDate) -> Option<u64> {
        self.totals.get(&date).map(|row| row.new_users)
    }

    /// Users first seen up to the end of `date`.
    pub(crate) fn total_users(&self, date: NaiveDate) -> u64 {
        self.totals.range(..=date).map(|(_, row)| row.new_users).sum()
    }

    pub(crate) async fn put_sketches<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        row: SketchesRow,
    ) -> Result<Put, AggregateError> {
        let stored = self.sketches.get(&row.date);
        if stored.is_some_and(|stored| SketchesRow { updated_ms: row.updated_ms, ..stored.clone() } == row) {
            return Ok(Put::Written);
        }
        let put = retry(&run.deps.jitter, run.deadline, || run.deps.store.put_sketches(&row)).await?;
        if put == Put::Written {
            self.sketches.insert(row.date, row);
        }
        Ok(put)
    }

    pub(crate) async fn put_total<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        row: TotalRow,
    ) -> Result<Put, AggregateError> {
        if self.totals.get(&row.date) == Some(&row) {
            return Ok(Put::Written);
        }
        let put = retry(&run.deps.jitter, run.deadline, || run.deps.store.put_total(&row)).await?;
        if put == Put::Written {
            self.totals.insert(row.date, row);
        }
        Ok(put)
    }

    pub(crate) async fn put_daily<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        row: DailyRow,
    ) -> Result<Put, AggregateError> {
        let put = retry(&run.deps.jitter, run.deadline, || run.deps.store.put_daily(&row)).await?;
        if put == Put::Written {
            self.dailies.insert(row.date, row);
        }
        Ok(put)
    }

    /// The users and accounts of the week and of the month that end with `date`, from the sketches of their days.
    pub(crate) async fn reach<S: AggregatorStore>(
        &self,
        run: &Run<'_, S>,
        date: NaiveDate,
    ) -> Result<Reach, AggregateError> {
        let rows: Vec<SketchesRow> = month_of(date).filter_map(|day| self.sketches.get(&day)).cloned().collect();
        let week = days_before(date, WEEK_DAYS - 1);
        Ok(run.deps.settings.compute.run(move || unite(&rows, week)).await?)
    }
}

/// The days that a monthly figure unites.
fn month_of(date: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    days(days_before(date, MONTH_DAYS - 1), date)
}

fn unite(rows: &[SketchesRow], week: NaiveDate) -> Reach {
    let decode =
        |row: &SketchesRow| Some((UserSketch::decode(&row.users).ok()?, UserSketch::decode(&row.accounts).ok()?));
    let decoded: Vec<_> = rows.par_iter().map(|row| (row.date, decode(row))).collect();
    let damaged = decoded.iter().filter(|(_, found)| found.is_none()).map(|(date, _)| *date).collect();
    let sound = || decoded.iter().filter_map(|(date, found)| Some((*date, found.as_ref()?)));
    let of_days = |from: NaiveDate, of: fn(&(UserSketch, UserSketch)) -> &UserSketch| {
        let union = UserSketch::union(sound().filter(|(date, _)| *date >= from).map(|(_, found)| of(found)));
        union.map_or(0, |mut union| union.estimate().round() as u64)
    };
    let both = |of| [of_days(week, of), of_days(NaiveDate::MIN, of)];
    Reach { users: both(|(users, _)| users), accounts: both(|(_, accounts)| accounts), damaged }
}
