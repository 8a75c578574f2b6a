//! The functions of a deployment, invoked as the template has it: one mapping with a batching window and one batch at a
//! time for each shard, the light run every minute, the roll-up at five past every hour.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use headcount_aggregator::Deps;
use headcount_aggregator::deps::DEFAULT_PARALLEL_REQUESTS;
use headcount_aggregator::handler::handle;
use headcount_consumer::handler::consume;
use headcount_log::Log;
use headcount_runtime::retry::Jitter;
use headcount_testkit::process::Process;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::faults::FaultyStore;
use crate::functions::{Answer, Sandbox, Work, start};
use crate::stream::{Found, Record, source};
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::world::World;
use crate::{aggregators, chance};

/// `MaximumBatchingWindowInSeconds`, as the template sets it by default.
const WINDOW: Duration = Duration::from_secs(10);

/// `BatchSize`.
const BATCH_SIZE: usize = 10_000;

/// `Timeout` of the consumer.
const CONSUMER_TIMEOUT: Duration = Duration::from_mins(5);

/// `Timeout` of the aggregator.
const AGGREGATOR_TIMEOUT: Duration = Duration::from_mins(15);

/// `ReservedConcurrentExecutions` of the aggregator.
const AGGREGATORS_AT_ONCE: usize = 2;

/// `MaximumRetryAttempts` of the aggregator; the service waits a minute before the first, two before the second
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const AGGREGATOR_RETRIES: u64 = 2;

/// `MaximumEventAgeInSeconds` of the aggregator.
const MAX_EVENT_AGE: Duration = Duration::from_hours(1);

/// When the roll-up begins, after the hour.
const ROLL_UP_MS: i64 = 5 * MINUTE_MS;

/// How long a mapping waits before it hands over a failed batch again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The deployment's functions.
pub(super) struct Service {
    world: Arc<World>,
    sandboxes: Mutex<Sandboxes>,
    /// Of each shard, how many records were handed to the consumer.
    handed: Vec<AtomicUsize>,
    is_over: AtomicBool,
    aggregators: Semaphore,
    warm_aggregators: Mutex<Vec<Deps<FaultyStore>>>,
}

#[derive(Default)]
struct Sandboxes {
    idle: Vec<Arc<Sandbox>>,
    started: u64,
    /// All that may still be alive.
    processes: Vec<Process>,
    random: fastrand::Rng,
}

impl Service {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let random = chance(world.scenario.seed, "sandboxes", 0);
        Arc::new(Self {
            sandboxes: Mutex::new(Sandboxes { random, ..Sandboxes::default() }),
            handed: (0..world.params.shards).map(|_| AtomicUsize::new(0)).collect(),
            is_over: AtomicBool::new(false),
            aggregators: Semaphore::new(AGGREGATORS_AT_ONCE),
            warm_aggregators: Mutex::default(),
            world: Arc::clone(world),
        })
    }

    /// Begins to read the stream, and to follow the schedules until the end.
    pub(super) fn begin(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let read = |shard| {
            let service = Arc::clone(self);
            tokio::spawn(async move { service.read(shard).await })
        };
        let mut running: Vec<_> = (0..self.world.params.shards).map(read).collect();
        for (every_ms, after_ms, event) in [(MINUTE_MS, 0, json!({"task": "follow"})), (HOUR_MS, ROLL_UP_MS, json!({}))]
        {
            let service = Arc::clone(self);
            running.push(tokio::spawn(async move { service.schedule(every_ms, after_ms, event).await }));
        }
        running
    }

    /// The schedules start nothing more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// How many records of a shard were handed to the consumer.
    pub(super) fn handed(&self, shard: usize) -> usize {
        self.handed[shard].load(Ordering::SeqCst)
    }

    /// Processes of the consumer that were started so far.
    pub(super) fn started(&self) -> u64 {
        self.sandboxes().started
    }

    /// Ends every process of the consumer, also those in the middle of an invocation.
    pub(super) fn throw_away(&self) {
        let mut sandboxes = self.sandboxes();
        sandboxes.idle.clear();
        for process in sandboxes.processes.drain(..) {
            let _ = process.die::<()>().now_or_never();
        }
    }

    fn sandboxes(&self) -> MutexGuard<'_, Sandboxes> {
        self.sandboxes.lock()
    }

    /// Reads a shard to its end, one batch at a time.
    async fn read(&self, shard: usize) {
        let stream = &self.world.stream;
        let mut next = 0;
        loop {
            match stream.read(shard, next, 1).await {
                Found::UpTo(_) => sleep(WINDOW).await,
                Found::Nothing => continue,
                Found::End => return,
            }
            let Found::UpTo(to) = stream.read(shard, next, BATCH_SIZE).await else { continue };
            self.handed[shard].store(to, Ordering::SeqCst);
            self.process(shard, stream.records(shard, next, to)).await;
            next = to;
        }
    }

    /// Hands a batch over until each of its records is processed.
    async fn process(&self, shard: usize, batch: Vec<Record>) {
        let mut pieces = VecDeque::from([batch]);
        while let Some(mut piece) = pieces.pop_front() {
            match self.invoke(shard, &piece).await {
                Answer::All => continue,
                Answer::From(sequence) => piece.retain(|record| record.sequence >= sequence),
                // `BisectBatchOnFunctionError`.
                Answer::Failed(_) if piece.len() > 1 => {
                    let later = piece.split_off(piece.len() / 2);
                    pieces.push_front(later);
                }
                Answer::Failed(_) => {}
            }
            pieces.push_front(piece);
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn invoke(&self, shard: usize, records: &[Record]) -> Answer {
        let sandbox = self.sandbox();
        let source = source(shard);
        let work = Work { origin: source.clone(), source, records: records.to_vec(), is_history: false };
        let (batch, deadline) = (work.batch(), Instant::now() + CONSUMER_TIMEOUT);
        let handling = sandbox.process.until_crash(consume(&sandbox.deps, &batch, deadline));
        match timeout(CONSUMER_TIMEOUT, handling).await {
            Err(_) => {
                let _ = sandbox.process.die::<()>().now_or_never();
                self.world.mismatch(format!("a batch of shard {shard} was not answered in time"));
                Answer::Failed("it took too long and was killed")
            }
            Ok(Err(_)) => Answer::Failed("its process died"),
            Ok(Ok(Err(error))) => {
                self.world.mismatch(format!("a batch of shard {shard} failed: {error}"));
                Answer::Failed("it answered with an error")
            }
            Ok(Ok(Ok(outcome))) => {
                self.sandboxes().idle.push(sandbox);
                outcome.failed_from.map_or(Answer::All, |sequence| {
                    self.world.mismatch(format!("a batch of shard {shard} was not appended"));
                    Answer::From(sequence.as_str().parse().unwrap_or_default())
                })
            }
        }
    }

    /// Any of the warm processes, whatever shard it served before, or a new one.
    fn sandbox(&self) -> Arc<Sandbox> {
        let mut sandboxes = self.sandboxes();
        let Sandboxes { idle, started, processes, random } = &mut *sandboxes;
        if !idle.is_empty() {
            return idle.swap_remove(random.usize(..idle.len()));
        }
        *started += 1;
        let process = Process::default();
        processes.push(process.clone());
        Arc::new(start(&self.world, *started, process, false, random))
    }

    /// Starts the aggregator with this event whenever the clock says so.
    async fn schedule(self: &Arc<Self>, every_ms: i64, after_ms: i64, event: Value) {
        let time = self.world.time;
        let mut running = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let at_ms = (time.now_ms() - after_ms).div_euclid(every_ms) * every_ms + every_ms + after_ms;
            time.until(at_ms).await;
            let (service, event) = (Arc::clone(self), event.clone());
            running.push(tokio::spawn(async move { service.aggregate(&event, at_ms.unsigned_abs()).await }));
        }
        for run in running {
            crate::world::joined(run.await);
        }
    }

    fn warm_aggregators(&self) -> MutexGuard<'_, Vec<Deps<FaultyStore>>> {
        self.warm_aggregators.lock()
    }

    /// A warm process of the aggregator, or a new one.
    fn aggregator(&self, number: u64) -> Deps<FaultyStore> {
        if let Some(warm) = self.warm_aggregators().pop() {
            return warm;
        }
        let world = &self.world;
        let seed = chance(world.scenario.seed, "aggregator", number).u64(..);
        let log = Log::new(Arc::new(world.bucket.process()), Jitter::from_seed(seed));
        let mut deps = aggregators::deps(world, log, world.table().faulty.process(), seed);
        deps.settings.parallel_requests = DEFAULT_PARALLEL_REQUESTS;
        deps
    }

    /// One asynchronous invocation of the aggregator: it waits for its turn, and is tried again where it fails.
    async fn aggregate(&self, event: &Value, number: u64) {
        let begun = Instant::now();
        for attempt in 0..=AGGREGATOR_RETRIES {
            sleep(Duration::from_mins(attempt)).await;
            let turn = timeout(MAX_EVENT_AGE, self.aggregators.acquire()).await;
            if !matches!(turn, Ok(Ok(_))) || begun.elapsed() > MAX_EVENT_AGE {
                return;
            }
            let deps = self.aggregator(number + attempt);
            let handled = timeout(AGGREGATOR_TIMEOUT, handle(&deps, event, AGGREGATOR_TIMEOUT)).await;
            let is_done = matches!(handled, Ok(Ok(_)));
            if handled.is_ok() {
                self.warm_aggregators().push(deps);
            }
            if is_done {
                return;
            }
        }
    }
}
