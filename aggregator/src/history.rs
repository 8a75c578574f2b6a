//! History that comes in long after its days: which days can still take it, and what it changes of the days after it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{days, days_after};
use headcount_core::partial::{Partial, PartialRecord};
use headcount_store::rows::DailyRow;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{MAX_DATES, expired_since, today};
use crate::day::Run;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::ledger::Ledger;
use crate::reading::Fences;
use crate::roll_up::{RollUp, follow};
use crate::verify::DayTally;

/// Why a day takes no more history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Closed {
    /// Its figures were made of partials that have expired since: new ones alone would replace good figures.
    PartialsExpired,
    /// Events that were counted have expired, so that nobody could know them again: they would count twice.
    EventsExpired {
        /// A source that counted more events than are stored.
        source: String,
    },
}

/// Of these days those that take no more history, each with the reason.
///
/// Days whose events cannot have expired yet are not looked at. Of an older day each event is read once, if it has any.
///
/// # Errors
///
/// [`AggregateError`] where the table cannot be read in time.
pub async fn closed_days<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: &BTreeSet<NaiveDate>,
    deadline: Instant,
) -> Result<BTreeMap<NaiveDate, Closed>, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let old: BTreeSet<_> =
        dates.iter().copied().filter(|date| expired_since(run.zone(), *date, run.now_ms).is_some()).collect();
    let known: BTreeMap<NaiveDate, DailyRow> =
        run.dailies(&old).await?.into_iter().map(|row| (row.date, row)).collect();
    let mut closed = BTreeMap::new();
    for date in old {
        let records = run.partials(date).await?;
        let versions: u64 = records.iter().map(|record| record.version).sum();
        if known.get(&date).is_some_and(|row| row.made_of.day > versions) {
            closed.insert(date, Closed::PartialsExpired);
        } else if let Some(source) = source_with_lost_events(&run, date, &records).await? {
            closed.insert(date, Closed::EventsExpired { source });
        }
    }
    Ok(closed)
}

/// A source that counted more events than are stored of it.
async fn source_with_lost_events<S: AggregatorStore>(
    run: &Run<'_, S>,
    date: NaiveDate,
    records: &[PartialRecord],
) -> Result<Option<String>, AggregateError> {
    if records.is_empty() {
        return Ok(None);
    }
    let fences: Fences = records.iter().map(|record| (record.source.clone(), record.last_sequence.clone())).collect();
    let zone = run.zone();
    let stored = run.fold_events(date, DayTally::default(), |tally, row| tally.add(&row, &fences, zone)).await?;
    let lost = records.iter().find(|record| {
        let events = stored.sources.get(&record.source).map_or(0, |source| source.events);
        // What a damaged partial counted nobody knows, and there may be events of it that have expired.
        Partial::decode(record).map_or(true, |partial| partial.counters.events > events)
    });
    Ok(lost.map(|record| record.source.to_string()))
}

/// Whether events of the day may have expired, so that it can neither be verified nor rebuilt any more.
pub fn is_beyond_proof(zone: Tz, date: NaiveDate, now_ms: i64) -> bool {
    expired_since(zone, date, now_ms).is_some()
}

/// Brings the days from `from` until tomorrow up to date with what came in before and among them: users who were first
/// seen earlier than thought are new on other days now, which changes running totals however much later, and weekly and
/// monthly figures. The days' own counters stay as they are.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin.
pub async fn follow_up<S: AggregatorStore>(
    deps: &Deps<S>,
    from: NaiveDate,
    deadline: Instant,
) -> Result<RollUp, AggregateError> {
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    let all: Vec<_> = days(from, days_after(today(run.zone(), run.now_ms), 1)).collect();
    let mut found = RollUp { days: Vec::new() };
    for chunk in all.chunks(MAX_DATES) {
        let mut ledger = Box::pin(Ledger::load(&run, &chunk.iter().copied().collect())).await?;
        for date in chunk {
            found.days.extend(Box::pin(follow(&run, &mut ledger, *date)).await);
        }
    }
    Ok(found)
}
