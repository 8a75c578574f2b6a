//! The followers of the aggregator: they bring the table up to date with sources whose own consumer does not, because it
//! was slow, died, or has nothing more to append.

mod report;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use futures_util::{StreamExt as _, stream};
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_follow::figures::{LATE_SNAPSHOT_INTERVAL, Write};
use headcount_follow::{Backlog, FollowError, Followed};
use headcount_log::{Head, LogError};
use headcount_runtime::retry::{Retryable as _, retry};
use headcount_runtime::telemetry;
use headcount_store::traits::AggregatorStore;
use tokio::time::{Duration, Instant};

use crate::calendar_window::expires_soon;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::rebuild::refold;
use crate::run::Run;
use crate::survey::{Looked, Survey};

pub use report::{DamagedEntry, Following, Position, SourceFollowing};

/// How long one run may follow.
pub const FOLLOW_TIME: Duration = Duration::from_mins(5);

/// How long a light run may follow. The next one begins a minute after it: two at once would write the same items, and spend
/// twice the write units.
pub const LIGHT_TIME: Duration = Duration::from_secs(55);

pub use headcount_follow::items::TAKEN_OVER_AFTER_MS as BEHIND_AFTER_MS;

/// How far behind figures may be of a source whose consumer is at work, where partials of past days are to be written: it does that
/// this seldom.
pub const HELD_BACK_MS: i64 = LATE_SNAPSHOT_INTERVAL.as_millis() as i64 + BEHIND_AFTER_MS;

/// Damaged partials of one source that one run folds anew.
const MAX_REFOLDS: usize = 64;

/// Which sources a run takes care of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Those that are behind for a while. Sources marked as finished are not even listed.
    Light,
    /// All. Heads are written, and sources that can deliver no more are marked as finished.
    Full,
}

impl Care {
    fn time(self) -> Duration {
        match self {
            Self::Light => LIGHT_TIME,
            Self::Full => FOLLOW_TIME,
        }
    }
}

/// The light run: follows the sources whose oldest entry that is not followed is over two minutes old, the most behind
/// first. Where partials of past days are to be written and the source still gets entries, figures have [`HELD_BACK_MS`]. A log that was never used has none.
///
/// # Errors
///
/// [`AggregateError`] where the run as a whole cannot begin. What fails of one source is in its own report.
pub async fn follow_behind<S: AggregatorStore>(deps: &Deps<S>, deadline: Instant) -> Result<Following, AggregateError> {
    let run = match Box::pin(Run::begin(deps, deadline)).await {
        Err(AggregateError::NoDeployment) => return Ok(Following::default()),
        begun => begun?,
    };
    Box::pin(follow(&run, Care::Light, deadline)).await
}

/// Follows until `until` at the longest, [`FOLLOW_TIME`] or [`LIGHT_TIME`] at most.
pub(crate) async fn follow<S: AggregatorStore>(
    run: &Run<'_, S>,
    care: Care,
    until: Instant,
) -> Result<Following, AggregateError> {
    let began = Instant::now();
    let until = until.min(began + care.time());
    let mut survey = Survey::take(run, care).await?;
    survey.sort_by_age();
    let mut following = Following::default();
    // Figures first, and items in what is left: at least a fifth of the time.
    let figures_until = began + until.saturating_duration_since(began) * 4 / 5;
    let at_once = run.deps.settings.at_once();
    let figures = survey.due(care, run.now_ms, Follower::Figures);
    let figures = figures.map(|looked| follow_figures(run, looked, figures_until));
    let figures: Vec<_> = stream::iter(figures.collect::<Vec<_>>()).buffered(at_once).collect().await;
    let items = survey.due(care, run.now_ms, Follower::Items);
    let items = items.map(|looked| follow_items(run, looked, until));
    let items: Vec<_> = stream::iter(items.collect::<Vec<_>>()).buffered(at_once).collect().await;
    let touched: BTreeSet<Source> = figures.iter().chain(&items).map(|done| done.source.clone()).collect();
    if !touched.is_empty() {
        survey.look_again(run, &touched).await?;
    }
    for looked in survey.sources() {
        following.sources.push(SourceFollowing::of(looked, run.now_ms));
    }
    following.sources.sort_by(|a, b| a.source.cmp(&b.source));
    for done in figures.into_iter().chain(items) {
        following.add(done);
    }
    if care == Care::Full {
        // What a finished run would do next time as well: its failure stops nothing.
        for looked in survey.sources() {
            if let Err(error) = take_care(run, looked).await {
                tracing::warn!(source = %looked.source, %error, "a source's head or mark was not written");
                following.fail(&looked.source, &error);
            }
        }
    }
    following.log();
    following.measure();
    tell_of_expiry(run, &survey);
    Ok(following)
}

/// Tells of sources whose entries expire before they are followed, unless somebody does something.
fn tell_of_expiry<S: AggregatorStore>(run: &Run<'_, S>, survey: &Survey) {
    for looked in survey.sources() {
        let oldest_ms = Follower::ALL.into_iter().filter_map(|follower| looked.seen(follower).oldest_ms).min();
        if oldest_ms.is_some_and(|oldest_ms| expires_soon(run.deployment(), oldest_ms, run.now_ms)) {
            metrics::counter!(telemetry::EXPIRING_SOURCES).increment(1);
            tracing::error!(source = %looked.source, "entries that are not followed expire within a week");
        }
    }
}

/// What one follower did to one source.
pub(crate) struct Done {
    pub(crate) source: Source,
    pub(crate) followed: Result<Followed, FollowError>,
    /// Dates whose damaged partials were folded anew.
    pub(crate) refolded: Vec<NaiveDate>,
}

async fn follow_figures<S: AggregatorStore>(run: &Run<'_, S>, looked: &Looked, until: Instant) -> Done {
    let mut done = Done { source: looked.source.clone(), followed: Ok(Followed::default()), refolded: Vec::new() };
    let (figures, source) = (&run.deps.figures, &looked.source);
    for _ in 0..MAX_REFOLDS {
        // The table may have moved on since the last run: what is in memory of it is not asked.
        figures.forget(source);
        done.followed =
            retry(&run.deps.jitter, until, || figures.follow(run.setup(), source, &[], None, Write::Always, until))
                .await;
        let Err(FollowError::DamagedPartial { date, .. }) = &done.followed else { break };
        let date = *date;
        metrics::counter!(telemetry::DAMAGED_PARTIALS).increment(1);
        match Box::pin(refold(run, source, date)).await {
            Ok(()) => done.refolded.push(date),
            Err(error) => {
                tracing::error!(%source, %date, %error, "a damaged partial was not folded anew");
                break;
            }
        }
    }
    figures.forget(source);
    done
}

async fn follow_items<S: AggregatorStore>(run: &Run<'_, S>, looked: &Looked, until: Instant) -> Done {
    let (items, source) = (&run.deps.items, &looked.source);
    items.forget(source);
    let followed =
        retry(&run.deps.jitter, until, || items.follow(run.setup(), source, &[], None, Backlog::Follow, until)).await;
    items.forget(source);
    Done { source: source.clone(), followed, refolded: Vec::new() }
}

/// Writes the source's head, and marks it as finished where it can deliver no more and all of it is followed.
async fn take_care<S: AggregatorStore>(run: &Run<'_, S>, looked: &Looked) -> Result<(), AggregateError> {
    write_head(run, looked).await?;
    let is_followed = Follower::ALL.into_iter().all(|follower| looked.seen(follower).entries == 0);
    if looked.source.is_shard() || !is_followed || looked.newest == 0 || looked.is_finished() {
        return Ok(());
    }
    for follower in Follower::ALL {
        let mark = || run.deps.store.mark_finished(run.table.id, follower, &looked.source, looked.newest);
        // Refused: somebody appended and followed more meanwhile.
        retry(&run.deps.jitter, run.deadline, mark).await?;
    }
    Ok(())
}

/// `head/<source>` only moves forward.
async fn write_head<S: AggregatorStore>(run: &Run<'_, S>, looked: &Looked) -> Result<(), LogError> {
    let (log, source) = (&run.deps.log, &looked.source);
    let stored = log.head(source, run.deadline).await?;
    if stored.as_ref().is_some_and(|head| head.entry >= looked.newest) {
        return Ok(());
    }
    let head = match log.read_header(source, looked.newest, run.deadline).await {
        Ok(header) => {
            let facts = header.facts;
            Head { entry: facts.entry, last: facts.last, appended_ms: facts.appended_ms }
        }
        // A follower that passed a damaged or expired entry noted what is covered up to it.
        Err(LogError::Damaged { .. }) => match &looked.checkpoint {
            Some(checkpoint) if stored.as_ref().is_none_or(|head| head.entry < checkpoint.entry) => {
                Head { entry: checkpoint.entry, last: checkpoint.last.clone(), appended_ms: 0 }
            }
            _ => return Ok(()),
        },
        Err(error) => return Err(error),
    };
    log.put_head(source, &head, run.deadline).await
}

/// Whether the same step may succeed at the next run, without anybody doing anything.
pub(crate) fn is_passing(error: &FollowError) -> bool {
    error.is_retryable()
}
