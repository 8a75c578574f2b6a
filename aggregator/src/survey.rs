//! Where each source's log ends, and how far it is followed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_follow::figures::is_current;
use headcount_log::{EntryRef, LogError};
use headcount_runtime::retry::retry;
use headcount_store::rows::{Checkpoint, CheckpointRow};
use headcount_store::traits::AggregatorStore;

use crate::error::AggregateError;
use crate::follow::{BEHIND_AFTER_MS, Care, HELD_BACK_MS};
use crate::run::Run;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// All sources that the log has entries of.
pub(crate) struct Survey {
    sources: Vec<Looked>,
}

/// One source.
pub(crate) struct Looked {
    pub(crate) source: Source,
    /// The number of the newest entry; 0 where nothing was ever there.
    pub(crate) newest: u64,
    /// The larger one of the followers' checkpoints.
    pub(crate) checkpoint: Option<Checkpoint>,
    figures: Seen,
    items: Seen,
}

/// How far one follower is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The last entry that it followed; 0 before the first.
    pub(crate) entry: u64,
    /// Entries behind that one.
    pub(crate) entries: u64,
    /// When the oldest of them was appended, milliseconds since the epoch.
    pub(crate) oldest_ms: Option<i64>,
    /// Whether the follower of the source's own consumer still has time to write them.
    is_held_back: bool,
    is_finished: bool,
}

type Checkpoints = BTreeMap<(Source, Follower), CheckpointRow>;

impl Survey {
    /// Lists the log's sources and what is behind their checkpoints. The light run leaves out what is marked as finished.
    pub(crate) async fn take<S: AggregatorStore>(run: &Run<'_, S>, care: Care) -> Result<Self, AggregateError> {
        let mut sources = run.deps.log.sources(run.deadline).await?;
        let checkpoints = checkpoints(run).await?;
        if care == Care::Light {
            let is_finished = |source: &Source, follower| {
                checkpoints.get(&(source.clone(), follower)).is_some_and(|row| row.is_finished)
            };
            sources.retain(|source| !Follower::ALL.into_iter().all(|follower| is_finished(source, follower)));
        }
        Ok(Self { sources: look_at(run, sources, &checkpoints).await? })
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Looked> {
        self.sources.iter()
    }

    /// The most behind first.
    pub(crate) fn sort_by_age(&mut self) {
        let oldest = |looked: &Looked| [looked.figures, looked.items].iter().filter_map(|seen| seen.oldest_ms).min();
        self.sources.sort_by_key(|looked| oldest(looked).unwrap_or(i64::MAX));
    }

    /// The sources that a follower must follow.
    pub(crate) fn due(&self, care: Care, now_ms: i64, follower: Follower) -> impl Iterator<Item = &Looked> {
        self.sources.iter().filter(move |looked| match (care, looked.seen(follower)) {
            (_, Seen { oldest_ms: None, .. }) => false,
            (Care::Full, _) => true,
            (Care::Light, seen) => is_older(seen.oldest_ms, now_ms, BEHIND_AFTER_MS) && !seen.is_held_back,
        })
    }

    /// Looks at these sources again, which were followed.
    pub(crate) async fn look_again<S: AggregatorStore>(
        &mut self,
        run: &Run<'_, S>,
        sources: &BTreeSet<Source>,
    ) -> Result<(), AggregateError> {
        let checkpoints = checkpoints(run).await?;
        for looked in look_at(run, sources.iter().cloned().collect(), &checkpoints).await? {
            if let Some(known) = self.sources.iter_mut().find(|known| known.source == looked.source) {
                *known = looked;
            }
        }
        Ok(())
    }
}

impl Looked {
    pub(crate) fn seen(&self, follower: Follower) -> Seen {
        match follower {
            Follower::Figures => self.figures,
            Follower::Items => self.items,
        }
    }

    /// Whether both followers' checkpoints carry the mark.
    pub(crate) fn is_finished(&self) -> bool {
        self.figures.is_finished && self.items.is_finished
    }
}

/// The number of a source's newest entry; 0 where nothing was ever there.
pub(crate) async fn newest<S: AggregatorStore>(run: &Run<'_, S>, source: &Source) -> Result<u64, AggregateError> {
    let mut newest = 0;
    for follower in Follower::ALL {
        let read = || run.deps.store.read_checkpoint(run.table.id, follower, source);
        let checkpoint = retry(&run.deps.jitter, run.deadline, read).await?;
        newest = newest.max(checkpoint.map_or(0, |checkpoint| checkpoint.entry));
    }
    Ok(run.deps.log.newest(source, newest, run.deadline).await?)
}

async fn checkpoints<S: AggregatorStore>(run: &Run<'_, S>) -> Result<Checkpoints, AggregateError> {
    let rows = run.checkpoints().await?;
    Ok(rows.into_iter().map(|row| ((row.source.clone(), row.follower), row)).collect())
}

async fn look_at<S: AggregatorStore>(
    run: &Run<'_, S>,
    sources: Vec<Source>,
    checkpoints: &Checkpoints,
) -> Result<Vec<Looked>, AggregateError> {
    let looks: Vec<_> = sources.into_iter().map(|source| look(run, source, checkpoints)).collect();
    stream::iter(looks).buffered(run.deps.settings.at_once()).try_collect().await
}

async fn look<S: AggregatorStore>(
    run: &Run<'_, S>,
    source: Source,
    checkpoints: &Checkpoints,
) -> Result<Looked, AggregateError> {
    let seen = |follower| match checkpoints.get(&(source.clone(), follower)) {
        Some(row) => Seen { entry: row.checkpoint.entry, is_finished: row.is_finished, ..Seen::default() },
        None => Seen::default(),
    };
    let (mut figures, mut items) = (seen(Follower::Figures), seen(Follower::Items));
    let rows = Follower::ALL.into_iter().filter_map(|follower| checkpoints.get(&(source.clone(), follower)));
    let checkpoint = rows.map(|row| row.checkpoint.clone()).max_by_key(|checkpoint| checkpoint.entry);
    let mut after = figures.entry.min(items.entry);
    let mut newest = figures.entry.max(items.entry);
    let (mut oldest_of_figures, mut oldest_of_items): (Option<EntryRef>, Option<EntryRef>) = (None, None);
    let mut newest_listed = None;
    loop {
        let page = run.deps.log.list_after(&source, after, LISTED_AT_ONCE, run.deadline).await?;
        for listed in &page {
            for (seen, oldest) in [(&mut figures, &mut oldest_of_figures), (&mut items, &mut oldest_of_items)] {
                if listed.entry > seen.entry {
                    seen.entries += 1;
                    oldest.get_or_insert(*listed);
                }
            }
        }
        match page.last() {
            Some(last) => (after, newest_listed) = (last.entry, Some(*last)),
            None => break,
        }
        newest = newest.max(after);
        if page.len() < LISTED_AT_ONCE {
            break;
        }
    }
    let oldest = appended(run, &source, oldest_of_figures).await?;
    figures.oldest_ms = oldest.map(|oldest| oldest.at_ms);
    let is_behind = |after_ms| is_older(figures.oldest_ms, run.now_ms, after_ms);
    if oldest.is_some_and(|oldest| oldest.has_past_days) && is_behind(BEHIND_AFTER_MS) && !is_behind(HELD_BACK_MS) {
        let newest_ms = appended(run, &source, newest_listed).await?.map(|newest| newest.at_ms);
        figures.is_held_back = !is_older(newest_ms, run.now_ms, BEHIND_AFTER_MS);
    }
    items.oldest_ms = if oldest_of_items == oldest_of_figures {
        figures.oldest_ms
    } else {
        appended(run, &source, oldest_of_items).await?.map(|oldest| oldest.at_ms)
    };
    Ok(Looked { source, newest, checkpoint, figures, items })
}

/// Whether it was longer ago.
fn is_older(then_ms: Option<i64>, now_ms: i64, millis: i64) -> bool {
    then_ms.is_some_and(|then_ms| now_ms.saturating_sub(then_ms) > millis)
}

/// What is told of an entry.
#[derive(Clone, Copy)]
pub(crate) struct Appended {
    /// When it was appended, milliseconds since the epoch.
    pub(crate) at_ms: i64,
    /// Whether it has something of days whose partials are written more seldom.
    has_past_days: bool,
}

/// When an entry was appended, by the writer's clock; by the storage's where the entry is damaged.
pub(crate) async fn appended<S: AggregatorStore>(
    run: &Run<'_, S>,
    source: &Source,
    listed: Option<EntryRef>,
) -> Result<Option<Appended>, AggregateError> {
    let Some(listed) = listed else { return Ok(None) };
    match run.deps.log.read_header(source, listed.entry, run.deadline).await {
        Ok(header) => {
            let has_past_days = header.dates.keys().any(|date| !is_current(run.zone(), *date, run.now_ms));
            Ok(Some(Appended { at_ms: header.facts.appended_ms, has_past_days }))
        }
        Err(LogError::Damaged { .. }) => Ok(Some(Appended { at_ms: listed.modified_ms, has_past_days: false })),
        Err(error) => Err(error.into()),
    }
}
