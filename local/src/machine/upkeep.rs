//! What the pipeline does at its times: it aggregates, follows, expires, trims.

use std::sync::Arc;
use std::time::Duration;

use headcount_core::deployment::Deployment;
use headcount_core::limits::DAY_MS;
use headcount_runtime::clock::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Aggregator;
use super::following::TableLag;
use super::functions::{aggregate, follow, prove, prove_open};
use super::in_process::InProcess;
use crate::error::LocalError;
use crate::lambda::fleet::Fleet;
use crate::mapping::Progress;
use crate::schedule::{Schedule, ScheduleOptions};
use crate::stream::Stream;

/// How often what is folded is written while nothing comes, by the consumer in this process.
const SETTLE_INTERVAL: Duration = Duration::from_secs(5);

/// How long batches may wait for that.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often what nobody followed is followed, in this process.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// How often the aggregator's program does it: as often as on AWS.
const FUNCTION_FOLLOW_INTERVAL: Duration = Duration::from_mins(1);

/// How long that may take.
const FOLLOW_TIMEOUT: Duration = Duration::from_mins(6);

/// When expired entries are deleted after a start.
const FIRST_EXPIRY: Duration = Duration::from_mins(1);

/// How long one run of proofs may take.
const PROVE_TIMEOUT: Duration = Duration::from_hours(1);

/// How often they are deleted from then on.
const EXPIRE_INTERVAL: Duration = Duration::from_hours(24);

/// How long that may take.
const EXPIRE_TIMEOUT: Duration = Duration::from_mins(15);

/// How often records that were processed are removed from a stream that has grown large, and from the journal.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn aggregate_regularly(
    aggregator: &Arc<Aggregator>,
    fleets: Option<&[Arc<Fleet>; 2]>,
    interval: Duration,
) -> Result<Schedule, LocalError> {
    let (aggregator, fleet) = (aggregator.clone(), fleets.map(|[_, aggregator]| aggregator.clone()));
    let options = ScheduleOptions { interval, ..ScheduleOptions::hourly("roll-up") };
    Schedule::start(options, move || aggregate(aggregator.clone(), fleet.clone()))
}

/// Between batches: what the consumer folded is written.
pub(super) fn settle_regularly(consumer: Arc<InProcess>) -> Result<Schedule, LocalError> {
    let options = ScheduleOptions { interval: SETTLE_INTERVAL, ..ScheduleOptions::hourly("settling") };
    Schedule::start(options, move || {
        let consumer = consumer.clone();
        async move { consumer.settle(Instant::now() + SETTLE_TIMEOUT).await }
    })
}

/// Follows what nobody followed: sources whose shard is quiet, and what a stopped process left. Tells how far the table is
/// behind the log.
pub(super) fn follow_regularly(
    aggregator: &Arc<Aggregator>,
    fleets: Option<&[Arc<Fleet>; 2]>,
    seen: watch::Sender<TableLag>,
) -> Result<Schedule, LocalError> {
    let (aggregator, fleet) = (aggregator.clone(), fleets.map(|[_, aggregator]| aggregator.clone()));
    let interval = if fleet.is_some() { FUNCTION_FOLLOW_INTERVAL } else { FOLLOW_INTERVAL };
    let options = ScheduleOptions { interval, ..ScheduleOptions::hourly("follow run") };
    let seen = Arc::new(seen);
    Schedule::start(options, move || {
        let (aggregator, fleet, seen) = (aggregator.clone(), fleet.clone(), seen.clone());
        async move {
            let deadline = Instant::now() + FOLLOW_TIMEOUT;
            let following = follow(&aggregator, fleet.as_deref(), deadline).await?;
            let lag = TableLag::of(following, &aggregator.log, deadline).await;
            seen.send_replace(lag.map_err(|error| error.to_string())?);
            Ok::<(), String>(())
        }
    })
}

/// Proves the days that changed: every hour today and yesterday, in the night all that are open.
pub(super) fn prove_regularly(
    aggregator: &Arc<Aggregator>,
    fleets: Option<&[Arc<Fleet>; 2]>,
    interval: Duration,
) -> Result<Schedule, LocalError> {
    let (aggregator, fleet) = (aggregator.clone(), fleets.map(|[_, aggregator]| aggregator.clone()));
    // Half way between two roll-ups: these need not wait for a proof.
    let first_after = Some(interval / 2);
    let options = ScheduleOptions { interval, first_after, ..ScheduleOptions::hourly("proofs") };
    Schedule::start(options, move || {
        let (aggregator, fleet) = (aggregator.clone(), fleet.clone());
        async move { prove(&aggregator, fleet.as_deref(), Instant::now() + PROVE_TIMEOUT).await }
    })
}

/// Deletes expired entries: on AWS the bucket's lifecycle rule does. A machine may have slept through its nights, so the days are
/// proven before; where that fails, the entries stay.
pub(super) fn expire_regularly(aggregator: &Arc<Aggregator>, deployment: &Deployment) -> Result<Schedule, LocalError> {
    let (aggregator, retention_ms) = (aggregator.clone(), i64::from(deployment.log_retention_days) * DAY_MS);
    let options = ScheduleOptions {
        interval: EXPIRE_INTERVAL,
        first_after: Some(FIRST_EXPIRY),
        ..ScheduleOptions::hourly("expiry of the log")
    };
    Schedule::start(options, move || {
        let aggregator = aggregator.clone();
        async move {
            let before_ms = Clock::system().now_ms() - retention_ms;
            let log = &aggregator.log;
            if !log.has_expired(before_ms, Instant::now() + EXPIRE_TIMEOUT).await.map_err(|error| error.to_string())? {
                return Ok(());
            }
            prove_open(&aggregator, Instant::now() + PROVE_TIMEOUT).await?;
            let expired = log.expire(before_ms, Instant::now() + EXPIRE_TIMEOUT).await;
            let expired = expired.map_err(|error| error.to_string())?;
            tracing::info!(expired, "entries of the log have expired");
            Ok::<(), String>(())
        }
    })
}

/// Tells the journal how far the mapping has come.
pub(super) async fn forget(stream: &Stream, progress: &watch::Receiver<Progress>, finally: bool) {
    let (checkpoints, backlog) = {
        let progress = progress.borrow();
        (progress.checkpoints(), progress.is_backlog_passed)
    };
    stream.forget(&checkpoints, backlog, finally).await;
}

pub(super) fn trim_regularly(
    stream: &Arc<Stream>,
    progress: watch::Receiver<Progress>,
) -> Result<Schedule, LocalError> {
    let stream = stream.clone();
    let options = ScheduleOptions { interval: TRIM_INTERVAL, ..ScheduleOptions::hourly("trim") };
    Schedule::start(options, move || {
        let (stream, progress) = (stream.clone(), progress.clone());
        async move {
            let checkpoints = progress.borrow().checkpoints();
            stream.trim(&checkpoints).await;
            forget(&stream, &progress, false).await;
            Ok::<(), LocalError>(())
        }
    })
}
