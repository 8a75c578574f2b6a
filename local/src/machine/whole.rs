//! Before anything runs: the table is what the event log says, or is restored from it.

use std::path::Path;
use std::time::Duration;

use headcount_aggregator::AggregateError;
use headcount_aggregator::restore::{RestoreProgress, Restored, restore};
use headcount_core::deployment::TableMeta;
use headcount_log::Log;
use headcount_runtime::retry::{Jitter, retry};
use headcount_store::dynamo::DynamoStore;
use headcount_store::meta;
use headcount_store::rows::CheckpointRow;
use headcount_store::traits::CheckpointStore as _;
use tokio::time::Instant;

use super::{Aggregator, MachineError};
use crate::data_dir;
use crate::error::LocalError;

/// How long a restore may take.
const RESTORE_TIMEOUT: Duration = Duration::from_hours(48);

/// Time between two lines that tell how far it is.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// In the data directory while the table is being restored: a run that is killed meanwhile is made again.
const MARK: &str = "table.restoring";

/// Restores a table that has no record although the log has entries; refuses one that has counted more than the log has.
pub(super) async fn make_whole(
    aggregator: &Aggregator,
    folder: &Path,
    data_dir: Option<&Path>,
    deadline: Instant,
) -> Result<(), MachineError> {
    let headcount_aggregator::Deps { log, store, jitter, .. } = aggregator;
    let Some(deployment) = log.deployment(deadline).await? else { return Ok(()) };
    let mark = data_dir.map(|dir| dir.join(MARK));
    let is_unfinished = mark.as_deref().map(data_dir::read).transpose()?.flatten().is_some();
    match meta::read(store, jitter, deadline).await? {
        // Another deployment's is refused by the consumer.
        Some(meta) if !is_unfinished && meta.deployment.id == deployment.id => {
            return check_not_ahead(log, store, jitter, &meta, folder, deadline).await;
        }
        Some(_) if !is_unfinished => return Ok(()),
        None if log.sources(deadline).await?.is_empty() && log.proven_dates(deadline).await?.is_empty() => {
            return Ok(());
        }
        _ => {}
    }
    let why =
        if is_unfinished { "an earlier restore did not end" } else { "the table is new and the event log is not" };
    tracing::warn!(why, log = %folder.display(), "restoring the table from the event log");
    if let Some(mark) = &mark {
        data_dir::replace(mark, "The table is being restored from the event log.\n")?;
    }
    let mut told = Instant::now();
    let on_progress = |progress: RestoreProgress| {
        if told.elapsed() >= LINE_INTERVAL {
            told = Instant::now();
            tracing::warn!(step = ?progress.step, done = progress.done, of = progress.of, "restoring the table");
        }
    };
    let restored = Box::pin(restore(aggregator, on_progress, Instant::now() + RESTORE_TIMEOUT)).await?;
    tell(&restored)?;
    if let Some(mark) = &mark {
        std::fs::remove_file(mark).map_err(|source| data_dir::failed(mark, "removed", source))?;
    }
    Ok(())
}

fn tell(restored: &Restored) -> Result<(), MachineError> {
    let Restored { entries, events, proofs, days, .. } = restored;
    for source in restored.cut() {
        let (source, oldest) = (&source.source, source.oldest);
        tracing::warn!(
            source,
            oldest,
            "older entries have expired: users and event items of these alone do not come back"
        );
    }
    for date in &restored.unproven {
        tracing::warn!(%date, "this day may lack events of expired entries, for it was never proven");
    }
    if !restored.is_complete() {
        let detail = "an entry was not followed or a day was not rolled up, which the lines above name".to_owned();
        return Err(LocalError::Failed { what: "restoring of the table", detail }.into());
    }
    tracing::warn!(entries, events, proofs, days = days.len(), "the table is restored from the event log");
    Ok(())
}

/// Entries that the table has counted must be in the log, or have been: the log was set back, or is another one's.
async fn check_not_ahead(
    log: &Log,
    store: &DynamoStore,
    jitter: &Jitter,
    meta: &TableMeta,
    folder: &Path,
    deadline: Instant,
) -> Result<(), MachineError> {
    let mut after = None;
    loop {
        let page = retry(jitter, deadline, || store.checkpoints_page(meta.table, after.as_ref())).await?;
        for CheckpointRow { source, checkpoint, .. } in page.items {
            let is_there = !log.list_after(&source, checkpoint.entry.saturating_sub(1), 1, deadline).await?.is_empty();
            let head = if is_there { None } else { log.head(&source, deadline).await? };
            // Entries expire; the head, which tells how far the log was, does not.
            if !is_there && head.is_none_or(|head| head.entry < checkpoint.entry) {
                let (log, entry) = (folder.to_owned(), checkpoint.entry);
                return Err(LocalError::TableAhead { log, source_name: source.to_string(), entry }.into());
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

impl From<AggregateError> for MachineError {
    fn from(error: AggregateError) -> Self {
        Self::Restore(error)
    }
}
