//! A table made whole from the log: one that was restored to an earlier moment, lost or damaged.
//!
//! The table gets a new number, so that checkpoints, partials and proofs that are in it count as absent. Then the newest proofs
//! are put back, every source is followed from its first entry on, and every day that has something is rolled up. All of it may
//! be repeated: an interrupted run leaves nothing that the next one does not do again.
//!
//! Of a day whose entries have expired the proof tells the figures. It is put back together with partials that hold what each
//! source had counted up to the proof, so that later entries of the day, and weeks and months, are added as ever.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::exact::Proof;
use headcount_core::keys::Follower;
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_follow::days::expiry_s;
use headcount_follow::figures::Write;
use headcount_follow::{Backlog, FollowError};
use headcount_log::LogError;
use headcount_runtime::retry::{Retryable as _, retry};
use headcount_store::rows::Put;
use headcount_store::traits::{AggregatorStore, Stamp};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::{Duration, Instant};

use crate::calendar_window::MAX_DATES;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Care, Following, follow};
use crate::history::is_beyond_proof;
use crate::prove;
use crate::roll_up::{DayRollUp, Outcome, roll_up_in};
use crate::run::Run;

/// How long one source is followed at a time: progress is told, and what is folded is written.
const TURN: Duration = Duration::from_secs(20);

/// Turns in a row in which a source did not advance, before the run gives up.
const MAX_FRUITLESS_TURNS: u32 = 5;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// What a restore is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Reading what each entry has.
    Looking,
    /// Putting proofs back.
    Proofs,
    /// Folding entries into profiles and partials.
    Figures,
    /// Writing the items of entries.
    Items,
    /// Rolling days up.
    Days,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreProgress {
    /// What it is doing.
    pub step: Step,
    /// Entries of the log, proofs or days that are done; entries that were found so far, while it is looking.
    pub done: u64,
    /// Of how many; 0 while it is looking.
    pub of: u64,
    /// Events in the entries that are done.
    pub events: u64,
    /// Events in all entries, as far as they are known.
    pub of_events: u64,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The log's sources, in order.
    pub sources: Vec<RestoredSource>,
    /// Entries that the log has.
    pub entries: u64,
    /// Events in them.
    pub events: u64,
    /// Proofs that were put back.
    pub proofs: usize,
    /// Days whose entries have expired, or are about to: their figures are the proof's.
    pub from_proofs: Vec<NaiveDate>,
    /// Days that may lack expired entries, and were never proven: their figures are those of the entries that are left, or those
    /// that the table had if these were made of more.
    pub unproven: Vec<NaiveDate>,
    /// What is followed.
    pub following: Following,
    /// The days that were rolled up.
    pub days: Vec<DayRollUp>,
}

/// What the log has of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoredSource {
    /// The source.
    pub source: String,
    /// Entries.
    pub entries: u64,
    /// Events in them.
    pub events: u64,
    /// The oldest entry. What came before it has expired: users who were seen only there have no profile unless the table had it,
    /// and event items of these entries are not written again.
    pub oldest: u64,
}

impl Restored {
    /// Whether every entry was followed and every day rolled up.
    pub fn is_complete(&self) -> bool {
        let is_followed = self.following.sources.iter().all(|source| {
            source.error.is_none() && source.figures.entries_behind == 0 && source.items.entries_behind == 0
        });
        let is_failed = |day: &DayRollUp| matches!(day.outcome, Outcome::Failed { .. });
        is_followed && self.following.error.is_none() && !self.days.iter().any(is_failed)
    }

    /// The sources whose first entries have expired.
    pub fn cut(&self) -> impl Iterator<Item = &RestoredSource> {
        self.sources.iter().filter(|source| source.oldest > 1)
    }
}

/// Makes the table whole. No function may run meanwhile: what it writes with the table's earlier number would count as absent.
///
/// # Errors
///
/// [`AggregateError`]: the log has no deployment, the table is another one's, log or table fail, or the time runs out. It can be run
/// again.
pub async fn restore<S: AggregatorStore>(
    deps: &Deps<S>,
    on_progress: impl FnMut(RestoreProgress) + Send,
    deadline: Instant,
) -> Result<Restored, AggregateError> {
    let run = Box::pin(Run::begin_anew(deps, deadline)).await?;
    let telling = Telling::new(on_progress);
    let looked = Box::pin(look(&run, &telling)).await?;
    let (proofs, from_proofs) = Box::pin(put_proofs(&run, &looked, &telling)).await?;
    for (step, follower) in [(Step::Figures, Follower::Figures), (Step::Items, Follower::Items)] {
        telling.begin(step, looked.entries(), looked.events());
        let turns: Vec<_> = looked.sources.iter().map(|looked| follow_out(&run, looked, follower, &telling)).collect();
        stream::iter(turns).buffer_unordered(deps.settings.at_once()).try_collect::<()>().await?;
    }
    // Nothing is left to follow: heads are written, and sources that are finished are marked.
    let following = Box::pin(follow(&run, Care::Full, deadline)).await?;
    let dates: BTreeSet<_> = looked.dates.iter().chain(&proofs).copied().collect();
    let days = Box::pin(roll_up_all(&run, &following, &dates, &telling)).await?;
    let is_cut = looked.sources.iter().any(|source| source.oldest() > 1);
    let may_lack = |date: &&NaiveDate| is_cut && is_beyond_proof(run.deployment(), **date, run.now_ms);
    Ok(Restored {
        entries: looked.entries(),
        events: looked.events(),
        proofs: proofs.len(),
        from_proofs,
        unproven: looked.dates.iter().filter(may_lack).filter(|date| !proofs.contains(date)).copied().collect(),
        sources: looked.sources.iter().map(LookedThrough::report).collect(),
        following,
        days,
    })
}

/// Tells how far the run is, whichever source advanced.
struct Telling<F>(Mutex<(F, RestoreProgress)>);

impl<F: FnMut(RestoreProgress)> Telling<F> {
    fn new(on_progress: F) -> Self {
        let progress = RestoreProgress { step: Step::Looking, done: 0, of: 0, events: 0, of_events: 0 };
        Self(Mutex::new((on_progress, progress)))
    }

    fn begin(&self, step: Step, of: u64, of_events: u64) {
        self.tell(|progress| *progress = RestoreProgress { step, done: 0, of, events: 0, of_events });
    }

    fn add(&self, done: u64, events: u64) {
        self.tell(|progress| {
            progress.done += done;
            progress.events += events;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut RestoreProgress)) {
        let (on_progress, progress) = &mut *self.0.lock();
        change(progress);
        on_progress(*progress);
    }
}

/// What the log has.
struct LookedAt {
    sources: Vec<LookedThrough>,
    dates: BTreeSet<NaiveDate>,
}

impl LookedAt {
    fn entries(&self) -> u64 {
        self.sources.iter().map(|source| source.entries.len() as u64).sum()
    }

    fn events(&self) -> u64 {
        self.sources.iter().filter_map(|source| source.entries.last()).map(|(_, events)| events).sum()
    }

    /// Whether entries of `source` that were appended at this time may have expired.
    fn is_cut(&self, source: &Source, appended_ms: i64) -> bool {
        match self.sources.iter().find(|looked| looked.source == *source) {
            Some(looked) => looked.oldest() > 1 && appended_ms <= looked.since_ms,
            None => true,
        }
    }
}

/// What the log has of one source.
struct LookedThrough {
    source: Source,
    /// Each entry, with the events up to its end.
    entries: Vec<(u64, u64)>,
    /// When the oldest entry was appended.
    since_ms: i64,
}

impl LookedThrough {
    fn oldest(&self) -> u64 {
        self.entries.first().map_or(0, |(entry, _)| *entry)
    }

    /// Entries and events up to an entry.
    fn up_to(&self, entry: u64) -> (u64, u64) {
        let count = self.entries.partition_point(|(listed, _)| *listed <= entry);
        let events = count.checked_sub(1).map_or(0, |last| self.entries[last].1);
        (count as u64, events)
    }

    fn report(&self) -> RestoredSource {
        let (entries, events) = self.up_to(u64::MAX);
        RestoredSource { source: self.source.to_string(), entries, events, oldest: self.oldest() }
    }
}

/// Reads every entry's header: how much there is, and of which dates.
async fn look<S: AggregatorStore>(
    run: &Run<'_, S>,
    telling: &Telling<impl FnMut(RestoreProgress)>,
) -> Result<LookedAt, AggregateError> {
    let (log, mut dates, mut sources) = (&run.deps.log, BTreeSet::new(), Vec::new());
    for source in log.sources(run.deadline).await? {
        let mut looked = LookedThrough { source, entries: Vec::new(), since_ms: i64::MAX };
        let (mut after, mut total) = (0, 0);
        loop {
            let page = log.list_after(&looked.source, after, LISTED_AT_ONCE, run.deadline).await?;
            let source = &looked.source;
            let read = page.iter().map(|listed| async move {
                match log.read_header(source, listed.entry, run.deadline).await {
                    Ok(header) => Ok((*listed, Some(header))),
                    // The followers name it.
                    Err(LogError::Damaged { .. }) => Ok((*listed, None)),
                    Err(error) => Err(error),
                }
            });
            let read: Vec<_> = read.collect();
            let headers: Vec<_> = stream::iter(read).buffered(run.deps.settings.at_once()).try_collect().await?;
            for (listed, header) in headers {
                let (mut events, mut appended_ms) = (0, listed.modified_ms);
                if let Some(header) = header {
                    events = header.dates.values().map(|counts| counts.events).sum();
                    appended_ms = header.facts.appended_ms;
                    dates.extend(header.dates.into_keys());
                }
                total += events;
                looked.since_ms = looked.since_ms.min(appended_ms);
                looked.entries.push((listed.entry, total));
                telling.add(1, events);
            }
            match page.last() {
                Some(last) if page.len() == LISTED_AT_ONCE => after = last.entry,
                _ => break,
            }
        }
        sources.push(looked);
    }
    Ok(LookedAt { sources, dates })
}

/// Puts the newest proof of every proven day back: the days, and those among them whose entries have expired.
async fn put_proofs<S: AggregatorStore>(
    run: &Run<'_, S>,
    looked: &LookedAt,
    telling: &Telling<impl FnMut(RestoreProgress)>,
) -> Result<(BTreeSet<NaiveDate>, Vec<NaiveDate>), AggregateError> {
    let dates = run.deps.log.proven_dates(run.deadline).await?;
    telling.begin(Step::Proofs, dates.len() as u64, 0);
    let (mut put, mut expired) = (BTreeSet::new(), Vec::new());
    for date in dates {
        if let Some(proof) = run.deps.log.proof(date, run.deadline).await? {
            prove::put(run, &proof.proven, &proof.sources).await?;
            if put_partials(run, looked, &proof).await? {
                expired.push(date);
            }
            put.insert(date);
        }
        telling.add(1, 0);
    }
    Ok((put, expired))
}

/// Writes what the log no longer tells of the day, where a source lost entries of it: partials as of the
/// proof. The day's sketches and session sample are not kept by source, and lie in the first one; so no partial of the day
/// may be folded from what is left, or a session's events would be in both.
async fn put_partials<S: AggregatorStore>(
    run: &Run<'_, S>,
    looked: &LookedAt,
    proof: &Proof,
) -> Result<bool, AggregateError> {
    let date = proof.proven.date;
    if !is_beyond_proof(run.deployment(), date, run.now_ms) {
        return Ok(false);
    }
    let counted = proof.sources.iter().filter_map(|(source, proven)| Some((source, proven.entry, proven.raw.clone()?)));
    let counted: Vec<_> = counted.collect();
    if !counted.iter().any(|(source, ..)| looked.is_cut(source, proof.proven.first_ms)) {
        return Ok(false);
    }
    let mut is_first = true;
    for (source, entry, counters) in counted {
        let mut partial =
            Partial::new(date, source.clone(), run.deployment().precision).map_err(AggregateError::Precision)?;
        // Its own first entry is not known; the source's has expired, and stands for it.
        (partial.version, partial.first, partial.as_of, partial.counters) = (1, 1, entry, counters);
        if std::mem::take(&mut is_first) {
            let bad =
                |detail: String| LogError::Unusable { detail: format!("the proof of {date} is damaged: {detail}") };
            partial.users = UserSketch::decode(&proof.users).map_err(|error| bad(error.to_string()))?;
            partial.sessions = SessionSample::decode(&proof.sessions).map_err(|error| bad(error.to_string()))?;
            partial.accounts = UserSketch::decode(&proof.accounts).map_err(|error| bad(error.to_string()))?;
        }
        let record = partial.encode();
        let (store, jitter, table) = (&run.deps.store, &run.deps.jitter, run.table.id);
        let stamp =
            Stamp { now_ms: run.now_ms, expires_s: expiry_s(run.deployment(), date, run.now_ms, PARTIAL_TTL_DAYS) };
        let put = retry(jitter, run.deadline, || store.write_partial(table, &record, 0, stamp)).await?;
        if put == Put::Refused {
            // An earlier try of ours, or a function that runs.
            let found = retry(jitter, run.deadline, || store.read_partial(table, date, source)).await?;
            if found.as_ref() != Some(&record) {
                return Err(AggregateError::Contended { date, source_name: source.to_string() });
            }
        }
    }
    Ok(true)
}

/// Follows a source to the end that was seen, turn by turn.
async fn follow_out<S: AggregatorStore>(
    run: &Run<'_, S>,
    looked: &LookedThrough,
    follower: Follower,
    telling: &Telling<impl FnMut(RestoreProgress)>,
) -> Result<(), AggregateError> {
    let Deps { figures, items, jitter, .. } = run.deps;
    let source = &looked.source;
    let (mut reached, mut fruitless) = ((0, 0), 0);
    while reached.0 < looked.entries.len() as u64 {
        run.check_time(|| format!("the log of {source} was followed"))?;
        let until = run.deadline.min(Instant::now() + TURN);
        // The next turn begins at what the table holds.
        let followed = match follower {
            Follower::Figures => {
                figures.forget(source);
                figures.follow(run.setup(), source, &[], None, Write::Always, until).await
            }
            Follower::Items => {
                items.forget(source);
                items.follow(run.setup(), source, &[], None, Backlog::Follow, until).await
            }
        };
        let now = match followed {
            Ok(followed) => looked.up_to(followed.entry),
            Err(error) if error.is_retryable() && fruitless + 1 < MAX_FRUITLESS_TURNS => {
                tracing::warn!(%source, %error, "a follower stopped; it goes on from where it was");
                reached
            }
            Err(FollowError::Store(error)) => return Err(error.into()),
            Err(FollowError::Log(error)) => return Err(error.into()),
            Err(FollowError::Precision(error)) => return Err(AggregateError::Precision(error)),
            Err(FollowError::DamagedPartial { date, .. }) => {
                return Err(AggregateError::Contended { date, source_name: source.to_string() });
            }
            Err(FollowError::Conflict { .. } | FollowError::OtherTable | FollowError::Deadline) => {
                return Err(AggregateError::Deadline { what: format!("the log of {source} was followed") });
            }
        };
        if now.0 > reached.0 {
            telling.add(now.0 - reached.0, now.1 - reached.1);
            (reached, fruitless) = (now, 0);
            continue;
        }
        fruitless += 1;
        if fruitless >= MAX_FRUITLESS_TURNS || !jitter.pause_until(fruitless, run.deadline).await {
            return Err(AggregateError::Deadline { what: format!("the log of {source} was followed") });
        }
    }
    Ok(())
}

/// Rolls the days up, in order: a week is made of the days before.
async fn roll_up_all<S: AggregatorStore>(
    run: &Run<'_, S>,
    following: &Following,
    dates: &BTreeSet<NaiveDate>,
    telling: &Telling<impl FnMut(RestoreProgress)>,
) -> Result<Vec<DayRollUp>, AggregateError> {
    telling.begin(Step::Days, dates.len() as u64, 0);
    // A day that follows two chunks is in both reports; the later one stands.
    let mut days = BTreeMap::new();
    for chunk in dates.iter().copied().collect::<Vec<_>>().chunks(MAX_DATES) {
        let rolled_up = Box::pin(roll_up_in(run, following.clone(), Some(chunk))).await?;
        days.extend(rolled_up.days.into_iter().map(|day| (day.date, day)));
        telling.add(chunk.len() as u64, 0);
    }
    Ok(days.into_values().collect())
}
