//! Days made again from the log: partials folded anew to the log's tail, each written on condition of the version that was
//! read, then rolled up.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use headcount_core::keys::Follower;
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::Source;
use headcount_core::partial::{Partial, PartialRecord};
use headcount_follow::days::expiry_s;
use headcount_follow::figures::fold_day;
use headcount_log::error::EntryError;
use headcount_proof::replay::{Replay, Span};
use headcount_runtime::retry::retry;
use headcount_store::rows::Put;
use headcount_store::traits::{AggregatorStore, Stamp};
use serde::Serialize;
use tokio::time::Instant;

use crate::calendar_window::{MAX_DATES, late_ms};
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, DamagedEntry, follow};
use crate::history::check_complete;
use crate::roll_up::{RollUp, follow_later, roll_up_in};
use crate::run::Run;
use crate::survey::{self, Survey};

/// Times that a partial is folded anew because somebody else wrote it meanwhile.
const MAX_ROUNDS: u32 = 8;

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// The named dates, in order.
    pub days: Vec<RebuiltDay>,
    /// The aggregation of these days, and of those that follow them.
    pub roll_up: RollUp,
}

/// What a rebuild did to one day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RebuiltDay {
    /// The date.
    pub date: NaiveDate,
    /// The sources that have something of it.
    pub sources: Vec<RebuiltSource>,
    /// Why the day, or a source of it, stays as it is.
    pub error: Option<String>,
}

/// A source's partial of a day that was folded anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltSource {
    /// The source.
    pub source: String,
    /// Its events of the day.
    pub events: u64,
    /// Whether the partial was written: it was not what the log says.
    pub changed: bool,
    /// Entries that cannot be read, and are missing in it if they have events of the day.
    pub damaged: Vec<DamagedEntry>,
}

impl Rebuild {
    /// Whether every day was rebuilt and aggregated.
    pub fn is_complete(&self) -> bool {
        self.days.iter().all(|day| day.error.is_none()) && self.roll_up.failed().next().is_none()
    }
}

/// Follows what is behind, folds the partials of `dates` anew, damaged ones too, and rolls the days up. Consumers may go on
/// meanwhile: a partial is written only if it is still what was read.
///
/// A day that the log no longer has in full is refused, for half a day would replace good figures; the others go on.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin, or the log or the table cannot be read in time.
pub async fn rebuild<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: &[NaiveDate],
    deadline: Instant,
) -> Result<Rebuild, AggregateError> {
    let dates: BTreeSet<_> = dates.iter().copied().collect();
    if dates.len() > MAX_DATES {
        return Err(AggregateError::TooManyDates { count: dates.len() });
    }
    let run = Box::pin(Run::begin(deps, deadline)).await?;
    // New users must be in their profiles before they are in a partial.
    let following = Box::pin(follow(&run, Care::Full, deadline)).await?;
    let mut days: BTreeMap<_, _> =
        dates.iter().map(|date| (*date, RebuiltDay { date: *date, sources: Vec::new(), error: None })).collect();
    let mut whole = BTreeSet::new();
    for date in &dates {
        match check_complete(&run, *date).await {
            Ok(()) => drop(whole.insert(*date)),
            Err(error @ AggregateError::Expired { .. }) => fail(&mut days, *date, &error),
            Err(error) => return Err(error),
        }
    }
    for looked in Survey::take(&run, Care::Full).await?.sources() {
        for (date, done) in fold_anew(&run, &looked.source, looked.newest, &whole).await? {
            match done {
                Ok(rebuilt) => days.get_mut(&date).into_iter().for_each(|day| day.sources.push(rebuilt.clone())),
                Err(error) => fail(&mut days, date, &error),
            }
        }
    }
    let named: Vec<_> = dates.into_iter().collect();
    let mut roll_up = Box::pin(roll_up_in(&run, following, Some(&named))).await?;
    roll_up.days.extend(Box::pin(follow_later(&run, &named)).await?);
    Ok(Rebuild { days: days.into_values().collect(), roll_up })
}

fn fail(days: &mut BTreeMap<NaiveDate, RebuiltDay>, date: NaiveDate, error: &AggregateError) {
    if let Some(day) = days.get_mut(&date) {
        day.error.get_or_insert(error.to_string());
    }
}

/// Folds one partial anew that a follower or a roll-up found damaged.
///
/// # Errors
///
/// [`AggregateError`], where the log no longer has every entry of it, or the log or the table fail.
pub(crate) async fn refold<S: AggregatorStore>(
    run: &Run<'_, S>,
    source: &Source,
    date: NaiveDate,
) -> Result<(), AggregateError> {
    check_complete(run, date).await?;
    let newest = survey::newest(run, source).await?;
    let done = fold_anew(run, source, newest, &BTreeSet::from([date])).await?;
    done.into_iter().try_for_each(|(_, done)| done.map(drop))
}

/// A source's partials of some dates as its log tells them.
pub(crate) struct Folded {
    pub(crate) partials: BTreeMap<NaiveDate, Partial>,
    pub(crate) damaged: Vec<DamagedEntry>,
}

/// Folds the source's entries, of which `newest` is the newest, up to the limit of each date.
pub(crate) async fn fold<S: AggregatorStore>(
    run: &Run<'_, S>,
    source: &Source,
    newest: u64,
    dates: &BTreeSet<NaiveDate>,
    limits: &BTreeMap<NaiveDate, u64>,
    must: u64,
) -> Result<Folded, AggregateError> {
    let mut folded = Folded { partials: BTreeMap::new(), damaged: Vec::new() };
    for date in dates {
        let partial = Partial::new(*date, source.clone(), run.deployment().precision);
        folded.partials.insert(*date, partial.map_err(AggregateError::Precision)?);
    }
    let zone = run.zone();
    let Some(replay) = replay(run, source, newest, dates) else { return Ok(folded) };
    let mut walk = replay.walk(must).await?;
    loop {
        let window = walk.next().await?;
        if window.is_empty() {
            return Ok(folded);
        }
        for read in window {
            let entry = read.entry;
            let is_within = |date: &NaiveDate| limits.get(date).is_some_and(|limit| entry <= *limit);
            let fold = |partials: &mut BTreeMap<NaiveDate, Partial>| -> Result<(), EntryError> {
                for bytes in read.days?.iter().filter(|bytes| is_within(&bytes.date)) {
                    let lines = bytes.lines()?;
                    let day = bytes.day(&lines)?;
                    if let Some(partial) = partials.get_mut(&bytes.date) {
                        fold_day(partial, entry, &day, zone);
                    }
                }
                Ok(())
            };
            if let Err(damage) = fold(&mut folded.partials) {
                folded.damaged.push(DamagedEntry::new(entry, &damage));
            }
        }
    }
}

/// How a source's log is read again for these dates; `None` where there are none.
pub(crate) fn replay<'a, S: AggregatorStore>(
    run: &'a Run<'_, S>,
    source: &'a Source,
    newest: u64,
    dates: &'a BTreeSet<NaiveDate>,
) -> Option<Replay<'a>> {
    let settings = &run.deps.settings;
    let span = Span::of(run.zone(), dates, late_ms(settings))?;
    Some(Replay {
        log: &run.deps.log,
        source,
        newest,
        dates,
        span,
        only: None,
        at_once: settings.at_once(),
        deadline: run.deadline,
    })
}

type Done = Result<RebuiltSource, AggregateError>;

/// Folds a source's partials of these dates anew and writes those that differ from what is stored. Nothing of a date that
/// the source has nothing of.
async fn fold_anew<S: AggregatorStore>(
    run: &Run<'_, S>,
    source: &Source,
    newest: u64,
    dates: &BTreeSet<NaiveDate>,
) -> Result<Vec<(NaiveDate, Done)>, AggregateError> {
    let (mut open, mut done) = (dates.clone(), Vec::new());
    let mut newest = newest;
    for round in 0..MAX_ROUNDS {
        if open.is_empty() {
            return Ok(done);
        }
        if round > 0 {
            if !run.deps.jitter.pause_until(round, run.deadline).await {
                break;
            }
            newest = survey::newest(run, source).await?;
        }
        // Read before the log: what is folded from then on is in the log, and changes the version.
        let mut stored = BTreeMap::new();
        for date in &open {
            let read = || run.deps.store.read_partial(run.table.id, *date, source);
            stored.insert(*date, retry(&run.deps.jitter, run.deadline, read).await?);
        }
        // Read after the partials: one that is damaged may have all that the checkpoint covers by now, and nobody folds that again. If a
        // follower came between, it wrote its partial first, and ours is refused.
        let followed = followed(run, source).await?;
        let must = stored.values().flatten().map(|record| record.as_of).max().unwrap_or(0);
        let limits =
            open.iter().map(|date| (*date, limit(followed, stored.get(date).and_then(Option::as_ref)))).collect();
        let Folded { partials, damaged } = fold(run, source, newest, &open, &limits, must).await?;
        for (date, partial) in partials {
            let events = partial.counters.events;
            let stored = stored.remove(&date).flatten();
            if partial.as_of == 0 && stored.is_none() {
                open.remove(&date);
                continue;
            }
            let Some(changed) = write(run, partial, stored).await? else { continue };
            open.remove(&date);
            let damaged = damaged.clone();
            done.push((date, Ok(RebuiltSource { source: source.to_string(), events, changed, damaged })));
        }
    }
    let contended = |date| AggregateError::Contended { date, source_name: source.to_string() };
    done.extend(open.into_iter().map(|date| (date, Err(contended(date)))));
    Ok(done)
}

/// The last entry whose users' first days are in their profiles for certain: a follower writes these before the partials. What
/// comes later is left to it, or the day's new users would miss some.
async fn followed<S: AggregatorStore>(run: &Run<'_, S>, source: &Source) -> Result<u64, AggregateError> {
    let read = || run.deps.store.read_checkpoint(run.table.id, Follower::Figures, source);
    let checkpoint = retry(&run.deps.jitter, run.deadline, read).await?;
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.entry))
}

/// Up to which entry a partial is folded anew: it may be ahead of the checkpoint, also a damaged one. Who wrote it so far may be about
/// to write the checkpoint, and does not look at the partial again.
fn limit(followed: u64, stored: Option<&PartialRecord>) -> u64 {
    stored.map_or(followed, |record| record.as_of.max(followed))
}

/// Writes a partial over what was read, unless it is the same: whether it was written. `None` where somebody else wrote
/// meanwhile.
async fn write<S: AggregatorStore>(
    run: &Run<'_, S>,
    mut partial: Partial,
    stored: Option<PartialRecord>,
) -> Result<Option<bool>, AggregateError> {
    let expected = stored.as_ref().map_or(0, |record| record.version);
    partial.version = expected;
    if stored.is_some_and(|stored| stored == partial.encode()) {
        return Ok(Some(false));
    }
    partial.version = expected + 1;
    let record = partial.encode();
    let now_ms = run.deps.clock.now_ms();
    let expires_s = expiry_s(run.deployment(), record.date, now_ms, PARTIAL_TTL_DAYS);
    let (store, jitter, table) = (&run.deps.store, &run.deps.jitter, run.table.id);
    let put = || store.write_partial(table, &record, expected, Stamp { now_ms, expires_s });
    if retry(jitter, run.deadline, put).await? == Put::Written {
        return Ok(Some(true));
    }
    let read = || store.read_partial(table, record.date, &record.source);
    let found = retry(jitter, run.deadline, read).await?;
    // An earlier attempt whose outcome was unknown had taken effect.
    Ok(found.is_some_and(|found| found == record).then_some(true))
}
