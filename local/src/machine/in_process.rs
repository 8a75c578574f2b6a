//! The consumer as code of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use headcount_consumer::batch::Batch;
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::{HandleError, respond};
use headcount_core::origin::Source;
use headcount_follow::figures::Write;
use headcount_follow::{Backlog, Setup};
use headcount_store::dynamo::DynamoStore;
use parking_lot::Mutex;
use tokio::sync::RwLock;
use tokio::time::Instant;

/// The consumer and all it remembers. Unlike a function of Lambda it also works between two batches: see
/// [`Self::settle`].
#[derive(Debug)]
pub struct InProcess {
    deps: Deps<DynamoStore>,
    /// Sources that were appended to since they were last settled.
    unsettled: Mutex<BTreeSet<Source>>,
    /// The newest entry of each source that was appended to.
    appended: Mutex<BTreeMap<Source, u64>>,
    /// Held for reading by batches, and for writing by [`Self::settle`]: two followers of one source would only make each
    /// other begin again.
    working: RwLock<()>,
}

impl InProcess {
    /// With these.
    pub fn new(deps: Deps<DynamoStore>) -> Self {
        Self { deps, unsettled: Mutex::default(), appended: Mutex::default(), working: RwLock::default() }
    }

    /// The newest entry of a source's log, as far as this consumer knows.
    fn tail(&self, source: &Source) -> Option<u64> {
        Some(self.deps.tails.get(source, self.deps.clock.now_ms())?.entry)
    }

    pub(super) async fn handle(
        &self,
        event: KinesisEvent,
        deadline: Instant,
    ) -> Result<KinesisEventResponse, HandleError> {
        let _working = self.working.read().await;
        let batch = Batch::parse(event, self.deps.settings.stream_generation.as_deref())?;
        let source = batch.as_ref().map(|batch| batch.source.clone());
        self.unsettled().extend(source.clone());
        // Without its type, which is too deep for the compiler to look through again.
        let handled: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(respond(&self.deps, batch, deadline));
        let answer = handled.await;
        if let Some((source, tail)) = source.and_then(|source| Some((source.clone(), self.tail(&source)?))) {
            self.appended.lock().insert(source, tail);
        }
        answer
    }

    /// Whether the last request to the table failed.
    pub(super) fn table_is_failing(&self) -> bool {
        self.deps.table.is_failing()
    }

    /// The newest entry of each source that was appended to since the start.
    pub(super) fn appended(&self) -> BTreeMap<Source, u64> {
        self.appended.lock().clone()
    }

    /// Writes what was folded in memory and waits for more, unless a batch is under way: after the last batch of a burst
    /// figures would otherwise wait for the aggregator.
    ///
    /// # Errors
    ///
    /// Why a follower stopped; the aggregator goes on from there.
    pub async fn settle(&self, deadline: Instant) -> Result<(), String> {
        let deps = &self.deps;
        // Batches must not wait for a table that does not answer.
        let Some(_working) = self.working.try_write().ok().filter(|_| !deps.table.is_failing()) else { return Ok(()) };
        let sources = std::mem::take(&mut *self.unsettled());
        if sources.is_empty() {
            return Ok(());
        }
        let deployment = deps.deployment(deadline).await.map_err(|error| error.to_string())?;
        let table = deps.table(&deployment, deadline).await.map_err(|error| error.to_string())?;
        for source in sources {
            let setup =
                Setup { log: &deps.log, store: &deps.store, table: &table, clock: &deps.clock, jitter: &deps.jitter };
            let tail = self.tail(&source);
            let figures = deps.figures.follow(setup, &source, &[], tail, Write::Always, deadline);
            figures.await.map_err(|error| format!("the figures of {source}: {error}"))?;
            let items = deps.items.follow(setup, &source, &[], tail, Backlog::Follow, deadline);
            items.await.map_err(|error| format!("the items of {source}: {error}"))?;
        }
        Ok(())
    }

    fn unsettled(&self) -> parking_lot::MutexGuard<'_, BTreeSet<Source>> {
        self.unsettled.lock()
    }
}
