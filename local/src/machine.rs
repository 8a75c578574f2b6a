//! The whole pipeline on one machine: stream, mapping, consumer, table, and the aggregator at its times.

mod functions;
mod options;

use std::sync::Arc;
use std::time::Duration;

use headcount_aggregator::AggregateError;
use headcount_aggregator::roll_up::{RollUp, roll_up};
use headcount_aggregator::verify::{Verification, verify};
use headcount_core::deployment::Deployment;
use headcount_core::limits::DEFAULT_LATENESS_MS;
use headcount_runtime::clock::Clock;
use headcount_store::deployment::OpenError;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{ConnectOptions, connect};
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::error::StoreError;
use headcount_runtime::retry::Jitter;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clients;
use crate::error::LocalError;
use crate::failures::Failures;
use crate::lambda::fleet::Fleet;
use crate::lambda::functions::ConsumerProcesses;
use crate::mapping::options::GIVE_UP_AGE;
use crate::mapping::{FailurePolicy, Mapping, MappingOptions, Progress};
use crate::schedule::{Schedule, ScheduleOptions};
use crate::stream::{Stream, StreamOptions};
use crate::table::{TTL_INTERVAL, Table, TableOptions};

pub use functions::{Consumer, Functions};
pub use options::MachineOptions;

use functions::aggregate;

/// How long making the table and reading its record may take.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// How long one roll-up may take.
const ROLL_UP_TIMEOUT: Duration = Duration::from_mins(15);

/// The failure destination in the data directory.
pub const FAILURES_FOLDER: &str = "failures";

/// How often records that were processed are removed from a stream that has grown large, and from the journal.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// Why the pipeline cannot start, or stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A stand-in.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The embedded table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table's deployment.
    #[error(transparent)]
    Deployment(#[from] OpenError),
}

/// The running pipeline.
///
/// ```no_run
/// use headcount_local::machine::{Machine, MachineOptions};
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let machine = Machine::start(MachineOptions::default()).await?;
/// println!("PutRecords to {} of {}", machine.stream_name(), machine.kinesis_endpoint());
/// machine.drain_and_stop(std::time::Duration::from_secs(30)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Machine {
    table: Table,
    stream: Arc<Stream>,
    mapping: Mapping,
    aggregation: Schedule,
    trimming: Schedule,
    aggregator: Aggregator,
    deployment: Arc<Deployment>,
    /// The consumer's processes and the aggregator's, where the functions run as such.
    fleets: Option<[Arc<Fleet>; 2]>,
}

type Aggregator = headcount_aggregator::Deps<DynamoStore>;

impl Machine {
    /// Starts everything: makes the table and its record if they are new, and hands records to the consumer from now on.
    ///
    /// # Errors
    /// [`MachineError`]: a port is in use, the data directory cannot be used, or its table is another deployment's.
    pub async fn start(options: MachineOptions) -> Result<Self, MachineError> {
        let data_dir = options.data_dir.clone();
        let table = Table::start(TableOptions {
            data_dir: data_dir.clone(),
            addr: options.dynamodb_addr,
            ttl_interval: TTL_INTERVAL,
        })
        .await?;
        let mut stream = Stream::start(StreamOptions {
            data_dir: data_dir.clone(),
            addr: options.kinesis_addr,
            ..StreamOptions::new(&options.stream, options.shards)
        })
        .await?;
        let backlog = stream.take_backlog();
        let stream = Arc::new(stream);

        let deadline = Instant::now() + START_TIMEOUT;
        let connection = connect(&ConnectOptions::local(table.endpoint())).await;
        let tables = Tables::one(&options.table);
        create_tables(&connection, &tables, deadline).await?;
        let store = DynamoStore::new(connection, tables);
        let consumer = headcount_consumer::deps::Deps::new(
            store.clone(),
            Clock::system(),
            Jitter::from_entropy(),
            headcount_consumer::deps::Settings {
                rules: options.rules.clone(),
                zone: options.zone,
                project: options.project.clone(),
                feed: headcount_consumer::deps::Feed::Mapping,
            },
        );
        let deployment = consumer.deployment(deadline).await?;

        let mapping = MappingOptions {
            batch_size: options.batch_size,
            function_timeout: options.function_timeout,
            window: options.window,
            doorbell: Some(stream.doorbell()),
            failure: failure_policy(&options)?,
            backlog,
            data_dir,
            ..MappingOptions::new(&options.stream)
        };
        let fleets = Functions::fleets(&options, &table.endpoint())?;
        let consumer = match &fleets {
            Some([consumer, _]) => Consumer::Processes(ConsumerProcesses(consumer.clone())),
            None => Consumer::InProcess(Box::new(consumer)),
        };
        let mapping = Mapping::start(clients::kinesis(&stream.endpoint()), mapping, consumer).await?;
        let trimming = trim_regularly(&stream, mapping.progress())?;
        let aggregator = aggregator(store, &options);
        let aggregation = aggregate_regularly(&aggregator, fleets.as_ref(), options.roll_up_interval)?;
        Ok(Self { table, stream, mapping, aggregation, trimming, aggregator, deployment, fleets })
    }

    /// Where SDK clients find the stream, as `http://127.0.0.1:4567`.
    pub fn kinesis_endpoint(&self) -> String {
        self.stream.endpoint()
    }

    /// Where SDK clients find the table, as `http://127.0.0.1:8000`.
    pub fn dynamodb_endpoint(&self) -> String {
        self.table.endpoint()
    }

    /// The stream's name.
    pub fn stream_name(&self) -> &str {
        self.stream.name()
    }

    /// The table, through the SDK.
    pub fn store(&self) -> &DynamoStore {
        &self.aggregator.store
    }

    /// What is fixed for the table: its zone, its project.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// How far the consumer has come; changes can be waited for.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.mapping.progress()
    }

    /// The consumer's processes; `None` where it runs as code of this process.
    pub fn consumer_fleet(&self) -> Option<Arc<Fleet>> {
        self.fleets.as_ref().map(|[consumer, _]| consumer.clone())
    }

    /// Waits until every record that is in the stream now is processed.
    ///
    /// # Errors
    /// When the mapping stops meanwhile.
    pub async fn caught_up(&self) -> Result<(), LocalError> {
        self.mapping.drain().await
    }

    /// Aggregates the open days now, as code of this process.
    ///
    /// # Errors
    /// [`AggregateError`], where the run as a whole could not begin.
    pub async fn roll_up(&self) -> Result<RollUp, AggregateError> {
        roll_up(&self.aggregator, None, Instant::now() + ROLL_UP_TIMEOUT).await
    }

    /// Compares a day's counters with its raw events.
    ///
    /// # Errors
    /// [`AggregateError`], where the table could not be read.
    pub async fn verify(&self, date: chrono::NaiveDate) -> Result<Verification, AggregateError> {
        verify(&self.aggregator, date, Instant::now() + ROLL_UP_TIMEOUT).await
    }

    /// Takes no more records, processes those that are in the stream, rolls up, and stops: `patience` is how long the
    /// records may take.
    ///
    /// # Errors
    /// [`LocalError::NotDrained`], where records were left; everything is stopped all the same.
    pub async fn drain_and_stop(self, patience: Duration) -> Result<(), MachineError> {
        self.stream.close().await;
        let progress = self.mapping.progress();
        let drained = self.mapping.drain_and_stop(Instant::now() + patience).await;
        forget(&self.stream, &progress, true).await;
        if let Err(error) = self.aggregation.run_now().await {
            tracing::warn!(%error, "the last roll-up failed; the next start makes up for it");
        }
        self.aggregation.stop().await;
        self.trimming.stop().await;
        for fleet in self.fleets.iter().flatten() {
            fleet.stop().await;
        }
        if let Some(stream) = Arc::into_inner(self.stream) {
            stream.stop().await;
        }
        self.table.stop().await;
        drained?;
        Ok(())
    }
}

fn aggregator(store: DynamoStore, options: &MachineOptions) -> Aggregator {
    let settings = headcount_aggregator::Settings {
        lateness_ms: options.rules.lateness_ms().unwrap_or(DEFAULT_LATENESS_MS),
        verify_at_close: options.verify_at_close,
        ..headcount_aggregator::Settings::default()
    };
    Aggregator { store, clock: Clock::system(), jitter: Jitter::from_entropy(), settings }
}

fn aggregate_regularly(
    aggregator: &Aggregator,
    fleets: Option<&[Arc<Fleet>; 2]>,
    interval: Duration,
) -> Result<Schedule, LocalError> {
    let (aggregator, fleet) = (Arc::new(aggregator.clone()), fleets.map(|[_, aggregator]| aggregator.clone()));
    let options = ScheduleOptions { interval, ..ScheduleOptions::hourly("roll-up") };
    Schedule::start(options, move || aggregate(aggregator.clone(), fleet.clone()))
}

/// What is done with a batch that fails: with a place to keep it, it is given up in the end; without one, never.
fn failure_policy(options: &MachineOptions) -> Result<FailurePolicy, LocalError> {
    let jitter = Jitter::from_entropy();
    let in_data_dir = options.data_dir.as_ref().map(|dir| dir.join(FAILURES_FOLDER).display().to_string());
    match options.failures.clone().or(in_data_dir) {
        Some(place) => Ok(FailurePolicy::give_up_older_than(GIVE_UP_AGE, Failures::open(&place)?, jitter)),
        None => Ok(FailurePolicy::retry_without_end(jitter).bisecting()),
    }
}

/// Tells the journal how far the mapping has come.
async fn forget(stream: &Stream, progress: &watch::Receiver<Progress>, finally: bool) {
    let (checkpoints, backlog) = {
        let progress = progress.borrow();
        (progress.checkpoints(), progress.is_backlog_passed)
    };
    stream.forget(&checkpoints, backlog, finally).await;
}

fn trim_regularly(stream: &Arc<Stream>, progress: watch::Receiver<Progress>) -> Result<Schedule, LocalError> {
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
