//! Days out of what was read: as stored, or merged from the live partials where these are newer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::days_before;
use headcount_core::exact::ProvenDay;
use headcount_core::latency::ModelLatencies;
use headcount_core::limits::ACCOUNT_SKETCH_PRECISION;
use headcount_core::merged::Merged;
use headcount_core::metrics::{DailyMetrics, DayInput};
use headcount_core::partial::PartialRecord;
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_store::rows::{DailyRow, MadeOf, SketchesRow, TotalRow};
use rayon::prelude::*;

use crate::day::{Day, DayState};
use crate::error::QueryError;
use crate::gather::{Decoded, Depth, Gathered, MONTH_DAYS, WEEK_DAYS, empty_sketch};
use crate::lookup::ByDate;

/// What the table said.
pub(crate) struct Read {
    pub(crate) zone: Tz,
    pub(crate) today: NaiveDate,
    pub(crate) precision: u8,
    /// The days that were asked for.
    pub(crate) dates: BTreeSet<NaiveDate>,
    pub(crate) dailies: ByDate<DailyRow>,
    pub(crate) sketches: ByDate<SketchesRow>,
    pub(crate) proofs: ByDate<ProvenDay>,
    pub(crate) partials: BTreeMap<NaiveDate, Arc<Vec<PartialRecord>>>,
    pub(crate) totals: Vec<TotalRow>,
    /// The new users of the days that are counted live.
    pub(crate) new_users: BTreeMap<NaiveDate, u64>,
    pub(crate) depth: Depth,
}

impl Read {
    fn proof(&self, date: NaiveDate) -> Option<&ProvenDay> {
        self.proofs.get(&date).and_then(|proof| proof.as_ref().as_ref())
    }
}

/// The days, and the sketches of all that may be united.
pub(crate) fn assemble(read: Read) -> Result<Gathered, QueryError> {
    let stored = stored_days(&read)?;
    let mut live: BTreeMap<NaiveDate, Merged> = read
        .partials
        .par_iter()
        .filter(|(date, records)| is_newer(records, read.dailies.get(date).and_then(|row| row.as_ref().as_ref())))
        .filter_map(|(date, records)| {
            let proof = read.proof(*date);
            Some((*date, records.par_iter().map(|record| Merged::of(record, proof)).reduce_with(Merged::join)?))
        })
        .collect();
    let decoded = decode(&read, &mut live)?;
    let totals = totals(&read);
    let mut gathered =
        Gathered { zone: read.zone, today: read.today, precision: read.precision, days: stored, decoded, totals };
    let first_live = live.keys().next().copied();
    for (date, merged) in live.into_iter().filter(|(date, _)| read.dates.contains(date)) {
        let day = live_day(&gathered, &read, date, &merged)?;
        gathered.days.insert(date, day);
    }
    gathered.days.retain(|date, _| read.dates.contains(date));
    settle_reach(&mut gathered, &read, first_live);
    Ok(gathered)
}

fn stored_days(read: &Read) -> Result<BTreeMap<NaiveDate, Day>, QueryError> {
    let rows: Vec<_> = read.dailies.values().filter_map(|row| row.as_ref().as_ref()).collect();
    let one = |row: &&DailyRow| match DailyMetrics::from_object(&row.data) {
        Ok(metrics) => Ok((row.date, Day { state: DayState::Stored, metrics })),
        Err(error) => Err(damaged(row.date, "DAILY", error)),
    };
    rows.par_iter().map(one).collect()
}

/// Whether the partials say more than what the day's figures were made of. They say less once some of them have expired.
pub(crate) fn is_newer(records: &[PartialRecord], row: Option<&DailyRow>) -> bool {
    let made_of = row.map_or(MadeOf::default(), |row| row.made_of);
    records.iter().map(|record| record.as_of).sum::<u64>() > made_of.day
}

fn decode(read: &Read, live: &mut BTreeMap<NaiveDate, Merged>) -> Result<BTreeMap<NaiveDate, Decoded>, QueryError> {
    if read.depth == Depth::Counters {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<_> = read
        .sketches
        .values()
        .filter_map(|row| row.as_ref().as_ref())
        .filter(|row| !live.contains_key(&row.date))
        .collect();
    let one = |row: &&SketchesRow| {
        let users = UserSketch::decode(&row.users).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        let sessions = SessionSample::decode(&row.sessions).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        let accounts = UserSketch::decode(&row.accounts).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        let latencies = ModelLatencies::decode(&row.latencies).map_err(|error| damaged(row.date, "SKETCHES", error))?;
        Ok((row.date, Decoded { users, sessions, accounts, latencies }))
    };
    let mut decoded: BTreeMap<_, _> = rows.par_iter().map(one).collect::<Result<_, QueryError>>()?;
    for (date, merged) in live.iter() {
        let users = merged.users.clone().map_or_else(|| empty_sketch(read.precision), Ok)?;
        let accounts = merged.accounts.clone().map_or_else(|| empty_sketch(ACCOUNT_SKETCH_PRECISION), Ok)?;
        let latencies = ModelLatencies::of(&merged.settled_counters(read.proof(*date)));
        decoded.insert(*date, Decoded { users, sessions: merged.sessions.clone(), accounts, latencies });
    }
    Ok(decoded)
}

/// The numbers of new users, those of live days as they are now.
fn totals(read: &Read) -> Vec<TotalRow> {
    let counted = read.new_users.iter().map(|(date, new_users)| TotalRow {
        date: *date,
        new_users: *new_users,
        made_of: MadeOf::default(),
    });
    let stored = read.totals.iter().filter(|row| !read.new_users.contains_key(&row.date)).copied();
    stored.chain(counted).collect()
}

fn live_day(gathered: &Gathered, read: &Read, date: NaiveDate, merged: &Merged) -> Result<Day, QueryError> {
    let known = gathered.days.get(&date).map(|day| &day.metrics.figures);
    let mut users = merged.users.clone().map_or_else(|| empty_sketch(read.precision), Ok)?;
    let mut accounts = merged.accounts.clone().map_or_else(|| empty_sketch(ACCOUNT_SKETCH_PRECISION), Ok)?;
    let counted = read.new_users.get(&date).copied();
    let live = DailyMetrics::of_day(&DayInput {
        date,
        counters: &merged.counters,
        users: users.estimate().round() as u64,
        users_relative_standard_error: users.relative_standard_error(),
        sessions: &merged.sessions,
        weekly_users: 0,
        monthly_users: 0,
        accounts: accounts.estimate().round() as u64,
        accounts_relative_standard_error: accounts.relative_standard_error(),
        weekly_accounts: 0,
        monthly_accounts: 0,
        new_users: counted.or_else(|| known.map(|known| known.new_signups_24h)).unwrap_or(0),
        total_users: 0,
        sources_set_aside: merged.set_aside.len() as u32,
        is_final: false,
    });
    let metrics = match read.proof(date) {
        Some(proof) => live.with_proof(proof, &merged.since_proof),
        None => live,
    };
    Ok(Day { state: DayState::Live, metrics })
}

/// The weekly, monthly and running figures of the days from the first live one on, which it changed; the running one of
/// days without any figures.
fn settle_reach(gathered: &mut Gathered, read: &Read, first_live: Option<NaiveDate>) {
    if read.depth == Depth::Counters {
        return;
    }
    let mut settled = Vec::new();
    for date in &read.dates {
        let month_changed =
            first_live.is_some_and(|first| first <= *date && first >= days_before(*date, MONTH_DAYS - 1));
        let is_stored = gathered.days.contains_key(date);
        if is_stored && month_changed {
            let users = [WEEK_DAYS, MONTH_DAYS].map(|count| gathered.users_before(*date, count));
            let accounts = [WEEK_DAYS, MONTH_DAYS].map(|count| gathered.accounts_before(*date, count));
            settled.push((*date, Some((users, accounts)), gathered.total_users(*date)));
        } else if !is_stored || first_live.is_some_and(|first| first <= *date) {
            settled.push((*date, None, gathered.total_users(*date)));
        }
    }
    for (date, reach, total_users) in settled {
        let figures = &mut gathered.days.entry(date).or_insert_with(|| Day::missing(date)).metrics.figures;
        figures.total_users = total_users;
        if let Some((users, accounts)) = reach {
            [figures.weekly_active_users, figures.monthly_active_users] = users;
            [figures.weekly_active_accounts, figures.monthly_active_accounts] = accounts;
        }
    }
}

fn damaged(date: NaiveDate, item: &'static str, error: impl std::fmt::Display) -> QueryError {
    QueryError::Damaged { date, item, detail: error.to_string() }
}
