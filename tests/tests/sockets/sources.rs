//! A source as an event source mapping delivers it: in order, from where the last answer left off, to consumers that start
//! cold, stay warm, die, or go on running when nobody waits for them any more.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use headcount_consumer::batch::{self, Batch};
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::{HandleError, consume};
use headcount_consumer::outcome::Outcome;
use headcount_core::origin::Source;
use headcount_store::dynamo::DynamoStore;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::model::Record;

/// Most records of a batch.
const BATCH: usize = 8;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) invocations: u32,
    /// Those that answered with a failure, or could not begin.
    pub(crate) failed: u32,
    /// Those that were cut off in the middle.
    pub(crate) crashes: u32,
    /// Those that were given up and went on running.
    pub(crate) zombies: u32,
    pub(crate) cold_starts: u32,
}

impl Done {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            invocations: self.invocations + other.invocations,
            failed: self.failed + other.failed,
            crashes: self.crashes + other.crashes,
            zombies: self.zombies + other.zombies,
            cold_starts: self.cold_starts + other.cold_starts,
        }
    }
}

/// The source of a shard.
pub(crate) fn source(shard: u32) -> Source {
    Source::shard("events", None, &format!("shardId-{shard:012}")).expect("a shard's name")
}

fn batch(shard: u32, records: &[Record], arrived_ms: i64) -> Batch {
    let record =
        |(sequence, data): &Record| batch::Record { sequence: (*sequence).into(), arrived_ms, data: data.clone() };
    Batch::of_shard(source(shard), records.iter().map(record).collect())
}

type Handled = Pin<Box<dyn Future<Output = Result<Outcome, HandleError>> + Send>>;

/// Delivers a source's records until all are processed. `cold` makes a consumer that remembers nothing.
pub(crate) async fn drive(
    shard: u32,
    records: Vec<Record>,
    arrived_ms: i64,
    seed: u64,
    cold: impl Fn(u64) -> Deps<DynamoStore>,
) -> Done {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(shard + 1));
    let mut done = Done::default();
    let mut consumer = Arc::new(cold(random.u64(..)));
    let mut zombies = JoinSet::new();
    let mut next = 0;
    while next < records.len() {
        done.invocations += 1;
        assert!(done.invocations < 20_000, "it does not come to an end");
        let end = (next + random.usize(1..=BATCH)).min(records.len());
        let batch = batch(shard, &records[next..end], arrived_ms);
        let limit = Duration::from_millis(random.u64(1_500..8_000));
        let deps = consumer.clone();
        let handled: Handled = Box::pin(async move { consume(&deps, &batch, Instant::now() + limit).await });
        let patience = Duration::from_millis(random.u64(1..120));
        let answer = match random.u64(0..12) {
            // It dies at a random moment.
            0 => {
                let answer = timeout(patience, handled).await.ok();
                done.crashes += u32::from(answer.is_none());
                answer
            }
            // It is presumed dead, and is not.
            1 => {
                let (tell, told) = oneshot::channel();
                zombies.spawn(async move { drop(tell.send(handled.await)) });
                let answer = timeout(patience, told).await.ok().and_then(Result::ok);
                done.zombies += u32::from(answer.is_none());
                answer
            }
            _ => Some(handled.await),
        };
        if answer.is_none() || random.u64(0..15) == 0 {
            done.cold_starts += 1;
            consumer = Arc::new(cold(random.u64(..)));
        }
        let fate = answer.map(|answer| answer.map(|outcome| outcome.failed_from));
        match fate {
            Some(Ok(None)) => next = end,
            Some(Ok(Some(failed))) => {
                done.failed += 1;
                // Sequence numbers count from one.
                next = failed.as_str().parse::<usize>().expect("a number of ours") - 1;
            }
            Some(Err(_)) => done.failed += 1,
            None => {}
        }
    }
    zombies.join_all().await;
    done
}
