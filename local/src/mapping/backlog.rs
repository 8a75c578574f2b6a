//! What an earlier stream accepted and nobody processed: it goes before the stream's own records.
//!
//! Its records keep the lane and the sequence number that they were accepted under, for an event without an id is known
//! by these. A lane's earlier records must be passed before its later ones, and a stream made anew hands out higher
//! numbers; so nothing of the stream is read until the backlog is done.

use std::sync::Arc;

use headcount_core::origin::SequenceNumber;

use super::Function;
use super::batch::{Pending, Source};
use super::delivery::{Delivery, Lane};
use super::progress::ShardState;
use super::shard::Shared;
use crate::stream::journal::{Accepted, Backlog};

/// The work on the backlog.
pub(super) struct Earlier<F> {
    shared: Arc<Shared<F>>,
    lanes: Vec<(Source, Vec<Accepted>)>,
}

impl<F: Function> Earlier<F> {
    /// The records that lie beyond the earlier stream's checkpoints.
    pub(super) fn new(shared: Arc<Shared<F>>, backlog: Backlog) -> Self {
        let mut lanes = Vec::new();
        for lane in backlog.lanes {
            let source = Source { arn: lane.arn, shard: lane.shard };
            let after = shared.checkpoints.before(&source.arn, &source.shard);
            let after = after.and_then(|after| after.parse::<SequenceNumber>().ok());
            let left = lane.records.into_iter().filter(|record| after.as_ref() < Some(&record.sequence));
            let left: Vec<_> = left.collect();
            if !left.is_empty() {
                lanes.push((source, left));
            }
        }
        let records: usize = lanes.iter().map(|(_, records)| records.len()).sum();
        if records > 0 {
            tracing::info!(records, lanes = lanes.len(), "records of an earlier run are left, and go first");
            shared.progress.send_modify(|progress| {
                progress.backlog = records as u64;
                for (source, _) in &lanes {
                    progress.shards.entry(source.shard.clone()).or_default().state = ShardState::Running;
                }
            });
        }
        Self { shared, lanes }
    }

    /// Hands all of it to the function, lane by lane; `false` when the mapping stops before.
    pub(super) async fn run(self) -> bool {
        let Self { shared, lanes } = self;
        let was_there = !lanes.is_empty();
        for (source, records) in lanes {
            if !lane(&shared, source, records).await {
                return false;
            }
        }
        shared.progress.send_modify(|progress| {
            if was_there {
                progress.shards.clear();
            }
            progress.backlog = 0;
            progress.is_backlog_passed = true;
        });
        true
    }
}

async fn lane<F: Function>(shared: &Arc<Shared<F>>, source: Source, records: Vec<Accepted>) -> bool {
    let mut delivery =
        Delivery { shared: Arc::clone(shared), ask: shared.ask.clone(), source, lane: Lane::Backlog, passed: 0 };
    let mut records = records.into_iter();
    let mut pending = Pending::default();
    let batch_size = shared.options.batch_size;
    loop {
        while !pending.is_full(batch_size)
            && let Some(record) = records.next()
        {
            pending.push(delivery.source.item(record.into_record()));
        }
        if pending.is_empty() {
            shared.update(&delivery.source.shard, |shard| shard.state = ShardState::Ended);
            return true;
        }
        let batch = pending.take(batch_size);
        if delivery.ask.borrow().stop || !delivery.deliver(&batch).await {
            return false;
        }
        shared.progress.send_modify(|progress| {
            progress.backlog = progress.backlog.saturating_sub(batch.len() as u64);
        });
    }
}
