//! Days long past: what they still take, and what can still be proved of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use futures_util::future::join_all;
use headcount_core::calendar::day_of;
use headcount_core::deployment::Deployment;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_log::LogError;
use headcount_store::traits::AggregatorStore;
use tokio::time::Instant;

use crate::calendar_window::Ends;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::Care;
use crate::run::Run;
use crate::survey::{Survey, appended};

/// Headers that are read at the same time.
const HEADERS_AT_ONCE: usize = 32;

/// Why a day takes no more history, or is not counted from the log any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Its figures were made of partials that have expired since: new ones alone would replace good figures.
    PartialsExpired,
    /// Its first entry expires soon: what comes now might not be proven before.
    Frozen {
        /// The day on which that entry was appended.
        first: NaiveDate,
    },
    /// Its first entry has expired, or is about to.
    Expired {
        /// The day on which that entry was appended.
        first: NaiveDate,
    },
    /// A first entry is gone: it has expired, or was deleted.
    Gone {
        /// Its source.
        source: Source,
        /// Its number.
        entry: u64,
    },
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialsExpired => f.write_str("the partials that its figures were made of have expired"),
            Self::Frozen { first } => write!(
                f,
                "it has been frozen since ten days before its first entries expire, which were appended on {first}"
            ),
            Self::Expired { first } => {
                write!(f, "its first entries, appended on {first}, have expired, or expire within a day")
            }
            Self::Gone { source, entry } => write!(f, "entry {entry} of {source}, where its events begin, is gone"),
        }
    }
}

/// When the first entry with something of a day was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// Nothing of the day was appended yet.
    Nothing,
    /// At this time, milliseconds since the epoch.
    At(i64),
    /// Longer ago than the log goes back.
    Gone { source: Source, entry: u64 },
}

/// Of these days those that take no more redriven or imported events, each with the reason. Ask once, before anything of them is
/// appended: ten days are left to append and to prove the rest.
///
/// # Errors
///
/// [`AggregateError`] where the log or the table cannot be read in time.
pub async fn closed_days<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: &BTreeSet<NaiveDate>,
    deadline: Instant,
) -> Result<BTreeMap<NaiveDate, Closed>, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let may_be_frozen = |date: &&NaiveDate| Ends::earliest(run.deployment(), **date).is_frozen(run.now_ms);
    let old: Vec<_> = dates.iter().filter(may_be_frozen).copied().collect();
    let mut closed = BTreeMap::new();
    if old.is_empty() {
        return Ok(closed);
    }
    let unfollowed = Box::pin(first_unfollowed(&run)).await?;
    for date in old {
        if let Some(why) = frozen_day(&run, date, unfollowed.get(&date).copied()).await? {
            closed.insert(date, why);
        }
    }
    Ok(closed)
}

async fn frozen_day<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    unfollowed_ms: Option<i64>,
) -> Result<Option<Closed>, AggregateError> {
    let Some(records) = whole_partials(run, date).await? else { return Ok(Some(Closed::PartialsExpired)) };
    let first_ms = match first_entry(run, date, &records).await? {
        First::Gone { source, entry } => return Ok(Some(Closed::Gone { source, entry })),
        First::At(first_ms) => Some(first_ms),
        First::Nothing => None,
    };
    let first_ms = [first_ms, unfollowed_ms].into_iter().flatten().min();
    let frozen_ms = first_ms.filter(|first_ms| Ends::new(run.deployment(), *first_ms).is_frozen(run.now_ms));
    Ok(frozen_ms.map(|first_ms| Closed::Frozen { first: day_of(run.zone(), first_ms).unwrap_or_default() }))
}

/// Whether entries with the day's events may have expired, so that it may neither be verified nor rebuilt any more.
pub fn is_beyond_proof(deployment: &Deployment, date: NaiveDate, now_ms: i64) -> bool {
    Ends::earliest(deployment, date).is_unprovable(now_ms)
}

/// Refuses a day of which the log no longer tells all.
///
/// # Errors
///
/// [`AggregateError::Expired`]; or the log or the table cannot be read.
pub(crate) async fn check_complete<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
) -> Result<(), AggregateError> {
    if !is_beyond_proof(run.deployment(), date, run.now_ms) {
        return Ok(());
    }
    let expired = |closed: Closed| AggregateError::Expired { date, why: closed.to_string() };
    let Some(records) = whole_partials(run, date).await? else { return Err(expired(Closed::PartialsExpired)) };
    match first_entry(run, date, &records).await? {
        First::Gone { source, entry } => Err(expired(Closed::Gone { source, entry })),
        First::At(first_ms) if Ends::new(run.deployment(), first_ms).is_unprovable(run.now_ms) => {
            Err(expired(Closed::Expired { first: day_of(run.zone(), first_ms).unwrap_or_default() }))
        }
        First::At(_) | First::Nothing => Ok(()),
    }
}

/// The day's partials; `None` where some that its figures were made of have expired.
async fn whole_partials<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
) -> Result<Option<Vec<PartialRecord>>, AggregateError> {
    // Read before the partials, which only grow.
    let made_of = run.dailies(&BTreeSet::from([date])).await?.pop().map_or(0, |row| row.made_of.day);
    let records = run.partials(date).await?;
    let as_of_sum: u64 = records.iter().map(|record| record.as_of).sum();
    Ok((made_of <= as_of_sum).then_some(records))
}

/// When the first entry with something of a day was appended: the smaller one of what its newest proof has noted, which outlives the
/// entries, and of what the log tells of sources that the proof does not count yet. What is not followed is not looked at.
pub(crate) async fn first_entry<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    records: &[PartialRecord],
) -> Result<First, AggregateError> {
    let proof = run.deps.log.proof(date, run.deadline).await?;
    let is_known = |record: &PartialRecord| {
        let whole = proof.as_ref().filter(|proof| proof.proven.is_whole());
        let proven = whole.and_then(|proof| proof.sources.get(&record.source));
        proven.is_some_and(|proven| proven.raw.is_some())
    };
    let mut first_ms = proof.as_ref().map(|proof| proof.proven.first_ms);
    for record in records.iter().filter(|record| record.first > 0 && !is_known(record)) {
        let (source, entry) = (&record.source, record.first);
        let listed = run.deps.log.list_after(source, entry - 1, 1, run.deadline).await?;
        let listed = listed.into_iter().find(|listed| listed.entry == entry);
        match appended(run, source, listed).await? {
            Some(appended) => first_ms = Some(first_ms.map_or(appended.at_ms, |first_ms| first_ms.min(appended.at_ms))),
            None => return Ok(First::Gone { source: source.clone(), entry }),
        }
    }
    Ok(first_ms.map_or(First::Nothing, First::At))
}

/// When the first entry of each date was appended, of the entries that are not in the table yet.
async fn first_unfollowed<S: AggregatorStore>(run: &Run<'_, S>) -> Result<BTreeMap<NaiveDate, i64>, AggregateError> {
    let mut first = BTreeMap::new();
    for looked in Survey::take(run, Care::Full).await?.sources() {
        let mut after = looked.seen(Follower::Figures).entry;
        while after < looked.newest {
            let page = run.deps.log.list_after(&looked.source, after, HEADERS_AT_ONCE, run.deadline).await?;
            let Some(last) = page.last() else { break };
            after = last.entry;
            let headers =
                page.iter().map(|listed| run.deps.log.read_header(&looked.source, listed.entry, run.deadline));
            for header in join_all(headers).await {
                match header {
                    Ok(header) => {
                        for date in header.dates.into_keys() {
                            let appended_ms = header.facts.appended_ms;
                            let known = first.entry(date).or_insert(appended_ms);
                            *known = appended_ms.min(*known);
                        }
                    }
                    // The followers name it.
                    Err(LogError::Damaged { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(first)
}
