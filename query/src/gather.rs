//! What every question about a range begins with: its days, as stored or from the live partials, and their sketches.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::future::{try_join_all, try_join4};
use headcount_core::calendar::{day_of, days, days_after, days_before};
use headcount_core::latency::ModelLatencies;
use headcount_core::limits::{ACCOUNT_SKETCH_PRECISION, DAY_MS, DEFAULT_LATENESS_MS};
use headcount_core::metrics::{Figures, total};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_store::rows::TotalRow;
use headcount_store::traits::QueryStore;
use rayon::prelude::*;

use crate::assemble::{Read, assemble, is_newer};
use crate::day::Day;
use crate::deps::{Deps, deadline};
use crate::error::QueryError;
use crate::lookup::Reading;
use crate::range::Range;

/// Days before today that may still take events, and so are counted from the live partials: lateness, a day in the
/// stream, and one more for whoever reads it then.
pub(crate) const OPEN_DAYS: u64 = (DEFAULT_LATENESS_MS / DAY_MS) as u64 + 2;

/// Days whose users a weekly figure unites: the day itself and those before it.
pub(crate) const WEEK_DAYS: u64 = 7;

/// Days whose users a monthly figure unites: the day itself and those before it.
pub(crate) const MONTH_DAYS: u64 = 30;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Counters only: no sketch is read.
    Counters,
    /// Users and sessions as well.
    Users,
}

/// A day's users, sessions, accounts, and how long its requests to language models took.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) users: UserSketch,
    pub(crate) sessions: SessionSample,
    pub(crate) accounts: UserSketch,
    pub(crate) latencies: ModelLatencies,
}

/// All that the answer to a question about ranges is made of.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) zone: Tz,
    pub(crate) today: NaiveDate,
    pub(crate) precision: u8,
    pub(crate) days: BTreeMap<NaiveDate, Day>,
    pub(crate) decoded: BTreeMap<NaiveDate, Decoded>,
    pub(crate) totals: Vec<TotalRow>,
}

/// Reads the days of `ranges` and answers, away from the threads that wait for requests: sketches are many.
pub(crate) async fn ask<S: QueryStore, T: Send + 'static>(
    deps: &Deps<S>,
    ranges: &[Range],
    depth: Depth,
    answer: impl FnOnce(&Gathered) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    let read = Box::pin(read(deps, ranges, depth)).await?;
    let computing = tokio::task::spawn_blocking(move || answer(&assemble(read)?));
    computing.await.map_err(|error| QueryError::Defect { detail: error.to_string() })?
}

async fn read<S: QueryStore>(deps: &Deps<S>, ranges: &[Range], depth: Depth) -> Result<Read, QueryError> {
    let meta = deps.meta().await?;
    let zone = meta.deployment.zone;
    let today = day_of(zone, deps.clock.now_ms()).unwrap_or_default();
    let open = Range { from: days_before(today, OPEN_DAYS), to: days_after(today, 1) };
    let reading = Reading { deps, table: meta.table, deadline: deadline(), open_from: open.from };

    let dates: BTreeSet<NaiveDate> = ranges.iter().flat_map(|range| range.dates()).collect();
    let united: BTreeSet<NaiveDate> = match depth {
        Depth::Counters => BTreeSet::new(),
        Depth::Users => {
            // The months that end with a range, or with a day whose figures are not settled.
            let ends = ranges.iter().map(|range| range.to);
            let ends: BTreeSet<_> = ends.chain(dates.iter().copied().filter(|date| open.contains(*date))).collect();
            ends.iter()
                .flat_map(|end| days(days_before(*end, MONTH_DAYS - 1), *end))
                .chain(dates.iter().copied())
                .collect()
        }
    };
    let live: Vec<_> = dates.union(&united).copied().filter(|date| open.contains(*date)).collect();
    let (listed, united): (Vec<_>, Vec<_>) = (
        dates.iter().chain(&live).copied().collect::<BTreeSet<_>>().into_iter().collect(),
        united.into_iter().collect(),
    );

    let last = dates.last().copied().filter(|_| depth == Depth::Users);
    let totals = async {
        match last {
            Some(last) => reading.totals(last).await.map(|totals| totals.to_vec()),
            None => Ok(Vec::new()),
        }
    };
    let rows = try_join4(reading.dailies(&listed), reading.sketches(&united), reading.partials(&live), totals);
    let (dailies, mut sketches, partials, totals) = Box::pin(rows).await?;
    sketches.extend(Box::pin(reading.sketches_behind(&dailies, &sketches)).await?);
    let newer = partials
        .iter()
        .filter(|(date, records)| is_newer(records, dailies.get(date).and_then(|row| row.as_ref().as_ref())));
    let newer: Vec<NaiveDate> = newer.map(|(date, _)| *date).collect();
    // It may be later than the partials: then it has all that they have.
    let proofs = Box::pin(reading.proofs(&newer)).await?;
    let (counted, reading) = (newer.into_iter().filter(|_| depth == Depth::Users), &reading);
    let counts = counted.map(|date| async move { Ok::<_, QueryError>((date, reading.new_users(date).await?)) });
    let new_users = Box::pin(try_join_all(counts)).await?.into_iter().collect();
    let precision = meta.deployment.precision;
    Ok(Read { zone, today, precision, dates, dailies, sketches, proofs, partials, totals, new_users, depth })
}

impl Gathered {
    /// The days of a range, in order. They are not copied: a year of them has a hundred thousand names.
    pub(crate) fn days(&self, range: Range) -> Vec<Cow<'_, Day>> {
        let day = |date| self.days.get(&date).map_or_else(|| Cow::Owned(Day::missing(date)), Cow::Borrowed);
        range.dates().map(day).collect()
    }

    /// Different users, sessions and accounts of these days. A union folds to the lowest precision among them.
    pub(crate) fn union(&self, range: Range) -> Result<Decoded, QueryError> {
        let rows: Vec<_> = self.decoded.range(range.from..=range.to).map(|(_, decoded)| decoded).collect();
        let unite = |of: fn(&Decoded) -> &UserSketch| {
            rows.par_iter().map(|day| of(day).clone()).reduce_with(|mut union, others| {
                union.merge(&others);
                union
            })
        };
        let (users, accounts) = (unite(|day| &day.users), unite(|day| &day.accounts));
        let sessions = rows.par_iter().map(|day| day.sessions.clone()).reduce_with(|mut sessions, others| {
            sessions.merge(&others);
            sessions
        });
        let users = users.map_or_else(|| empty_sketch(self.precision), Ok)?;
        let accounts = accounts.map_or_else(|| empty_sketch(ACCOUNT_SKETCH_PRECISION), Ok)?;
        let mut latencies = ModelLatencies::default();
        for day in rows {
            latencies.merge(&day.latencies);
        }
        Ok(Decoded { users, sessions: sessions.unwrap_or_default(), accounts, latencies })
    }

    /// Different users of the `count` days that end with `end`.
    pub(crate) fn users_before(&self, end: NaiveDate, count: u64) -> u64 {
        self.different_before(end, count, |day| &day.users)
    }

    /// Different accounts of the `count` days that end with `end`.
    pub(crate) fn accounts_before(&self, end: NaiveDate, count: u64) -> u64 {
        self.different_before(end, count, |day| &day.accounts)
    }

    fn different_before(&self, end: NaiveDate, count: u64, of: fn(&Decoded) -> &UserSketch) -> u64 {
        let from = days_before(end, count - 1);
        let union = UserSketch::union(self.decoded.range(from..=end).map(|(_, decoded)| of(decoded)));
        union.map_or(0, |mut union| union.estimate().round() as u64)
    }

    /// Users ever seen up to the end of `date`.
    pub(crate) fn total_users(&self, date: NaiveDate) -> u64 {
        self.totals.iter().filter(|row| row.date <= date).map(|row| row.new_users).sum()
    }

    /// The figures of a range: users, accounts and sessions of all of it, counters summed.
    pub(crate) fn total(&self, range: Range) -> Result<Figures, QueryError> {
        let mut union = self.union(range)?;
        let days = self.days(range);
        let mut sum =
            total(days.iter().map(|day| &day.metrics), &mut union.users, &mut union.accounts, &union.sessions);
        match &*days {
            // What is exact of a day is exact of a range of one.
            [day] => {
                let figures = &day.metrics.figures;
                for (name, model) in &mut sum.ai_usage.by_model {
                    let known = figures.ai_usage.by_model.get(name);
                    model.latency = known.map(|known| known.latency).unwrap_or_default();
                }
                sum.estimate.latency_relative_error = figures.estimate.latency_relative_error;
            }
            _ => sum.set_latencies(&union.latencies),
        }
        sum.weekly_active_users = self.users_before(range.to, WEEK_DAYS);
        sum.monthly_active_users = self.users_before(range.to, MONTH_DAYS);
        sum.weekly_active_accounts = self.accounts_before(range.to, WEEK_DAYS);
        sum.monthly_active_accounts = self.accounts_before(range.to, MONTH_DAYS);
        sum.total_users = self.total_users(range.to);
        Ok(sum)
    }

    /// The counters of a range, summed; nothing of users, accounts and sessions.
    pub(crate) fn counters(&self, range: Range) -> Result<Figures, QueryError> {
        let days = self.days(range);
        let (users, accounts) = (&mut empty_sketch(self.precision)?, &mut empty_sketch(ACCOUNT_SKETCH_PRECISION)?);
        Ok(total(days.iter().map(|day| &day.metrics), users, accounts, &SessionSample::default()))
    }
}

pub(crate) fn empty_sketch(precision: u8) -> Result<UserSketch, QueryError> {
    UserSketch::new(precision)
        .map_err(|error| QueryError::Defect { detail: format!("the table's sketch precision is none: {error}") })
}
