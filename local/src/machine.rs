//! The whole pipeline on one machine: stream, mapping, consumer, table, and the aggregator at its times.

mod condition;
mod following;
mod functions;
mod in_process;
mod log_folder;
mod options;
mod upkeep;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::AppName;
use aws_sdk_kinesis::Client;
use futures_util::future::join_all;
use headcount_aggregator::prove::{Asked, ProofRun, prove_days};
use headcount_aggregator::roll_up::{RollUp, roll_up};
use headcount_aggregator::verify::{Verification, verify};
use headcount_aggregator::{AggregateError, Alarms};
use headcount_core::deployment::Deployment;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, DEFAULT_LOG_RETENTION_DAYS};
use headcount_core::prices::PriceTable;
use headcount_core::validate::Rules;
use headcount_doors::Load;
use headcount_log::{Log, LogError};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::error::StoreError;
use headcount_store::meta::OpenError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::clients;
use crate::error::LocalError;
use crate::failures::Failures;
use crate::lambda::fleet::Fleet;
use crate::lambda::functions::ConsumerProcesses;
use crate::mapping::options::GIVE_UP_AGE;
use crate::mapping::{FailurePolicy, Mapping, MappingOptions, Progress};
use crate::schedule::Schedule;
use crate::stream::{Stream, StreamOptions};
use crate::table::{TTL_INTERVAL, Table, TableOptions};

pub use condition::Condition;
pub use following::{Lag, TableLag};
pub use functions::{Consumer, Functions};
pub use in_process::InProcess;
pub use log_folder::LOG_FOLDER;
pub use options::MachineOptions;

use condition::Looking;
use log_folder::LogFolder;
use upkeep::{
    aggregate_regularly, expire_regularly, follow_regularly, forget, prove_regularly, settle_regularly, trim_regularly,
};

/// How long making the table and reading its record may take.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// How long one roll-up may take.
const ROLL_UP_TIMEOUT: Duration = Duration::from_mins(15);

/// How long the last roll-up of a pipeline that stops may take.
const LAST_ROLL_UP_TIMEOUT: Duration = Duration::from_secs(20);

/// Days that lateness must stay below the log's retention: one that a record waits in the stream, 10 before the end of the
/// retention in which a day takes no more events, and 3 for safety.
const LATENESS_MARGIN_DAYS: i64 = 14;

/// The failure destination in the data directory.
pub const FAILURES_FOLDER: &str = "failures";

/// Why the pipeline cannot start, or stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A stand-in.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The embedded table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The table's deployment.
    #[error(transparent)]
    Deployment(#[from] OpenError),
    /// The table could not be restored from the log.
    #[error("the table cannot be restored from the event log: {0}; start again to try again")]
    Restore(#[source] AggregateError),
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
    kinesis: Client,
    mapping: Mapping,
    aggregation: Schedule,
    /// Trimming the stream, following the log, expiring its entries.
    upkeep: Vec<Schedule>,
    aggregator: Arc<Aggregator>,
    deployment: Arc<Deployment>,
    log_folder: LogFolder,
    lag: watch::Receiver<TableLag>,
    condition: watch::Receiver<Condition>,
    watching: JoinHandle<()>,
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
        check_doors(&options)?;
        let data_dir = options.data_dir.clone();
        let table = Table::start(TableOptions {
            data_dir: data_dir.clone(),
            addr: options.dynamodb_addr,
            keys: options.aws_keys.clone(),
            limits: options.limits,
            ttl_interval: TTL_INTERVAL,
        })
        .await?;
        let mut stream = Stream::start(StreamOptions {
            data_dir: data_dir.clone(),
            addr: options.kinesis_addr,
            keys: options.aws_keys.clone(),
            limits: options.limits,
            count_within: options.count_within,
            ..StreamOptions::new(&options.stream, options.shards)
        })
        .await?;
        let backlog = stream.take_backlog();
        let stream = Arc::new(stream);

        let deadline = Instant::now() + START_TIMEOUT;
        let local = ConnectOptions::local(table.endpoint());
        let credentials = options.aws_keys.clone().or(local.credentials.clone());
        let connection = connect(&ConnectOptions { credentials, ..local }).await;
        let tables = Tables::one(&options.table);
        create_tables(&connection, &tables, deadline).await?;
        let store = DynamoStore::new(connection, tables);
        let log_folder = LogFolder::choose(data_dir.as_deref())?;
        let log = Log::in_folder(log_folder.path(), Jitter::from_entropy())?;
        let aggregator = Arc::new(aggregator(log.clone(), store.clone(), &options));
        Box::pin(whole::make_whole(&aggregator, log_folder.path(), data_dir.as_deref(), deadline)).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        let consumer = consumer(log.clone(), store, &options);
        let deployment = consumer.deployment(deadline).await?;
        check_retention(options.log_retention_days, &options.rules, &deployment)?;
        if let Some((name, json)) = options.rules.prices().and_then(PriceTable::file) {
            // Where functions that are processes find it.
            log.put_price_table(name, json.to_vec().into(), deadline).await?;
        }
        let table_id = consumer.table(&deployment, deadline).await?.id;

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
        let kinesis = Client::new(&clients::config(&stream.endpoint(), options.aws_keys.as_ref()));
        let fleets = Functions::fleets(&options, &table.endpoint(), log_folder.path())?;
        let (function, in_process) = if let Some([consumer, _]) = &fleets {
            (Consumer::Processes(ConsumerProcesses(consumer.clone())), None)
        } else {
            let consumer = Arc::new(InProcess::new(consumer));
            (Consumer::InProcess(consumer.clone()), Some(consumer))
        };
        let mapping = Mapping::start(kinesis.clone(), mapping, function).await?;
        let aggregation = aggregate_regularly(&aggregator, fleets.as_ref(), options.roll_up_interval)?;
        let (seen, lag) = watch::channel(TableLag::default());
        let mut upkeep = vec![
            trim_regularly(&stream, mapping.progress())?,
            follow_regularly(&aggregator, fleets.as_ref(), seen)?,
            prove_regularly(&aggregator, fleets.as_ref(), options.roll_up_interval)?,
            expire_regularly(&aggregator, &deployment)?,
        ];
        let (condition, watching) = condition::watch_over(Looking {
            stream: Arc::downgrade(&stream),
            progress: mapping.progress(),
            consumer: in_process.clone(),
            store: aggregator.store.clone(),
            table: table_id,
            log,
            folder: log_folder.path().to_owned(),
        });
        if let Some(consumer) = in_process {
            upkeep.push(settle_regularly(consumer)?);
        }
        Ok(Self {
            table,
            stream,
            kinesis,
            mapping,
            aggregation,
            upkeep,
            aggregator,
            deployment,
            log_folder,
            lag,
            condition,
            watching,
            fleets,
        })
    }

    /// Where SDK clients find the stream, as `http://127.0.0.1:4567`.
    pub fn kinesis_endpoint(&self) -> String {
        self.stream.endpoint()
    }

    /// Where SDK clients find the table, as `http://127.0.0.1:8000`.
    pub fn dynamodb_endpoint(&self) -> String {
        self.table.endpoint()
    }

    /// The stream, through the SDK.
    pub fn kinesis(&self) -> &Client {
        &self.kinesis
    }

    /// The stream's name.
    pub fn stream_name(&self) -> &str {
        self.stream.name()
    }

    /// The table, through the SDK.
    pub fn store(&self) -> &DynamoStore {
        &self.aggregator.store
    }

    /// What is fixed for log and table: zone, project, retention.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The folder that the log lies in, for other processes.
    pub fn log_folder(&self) -> &Path {
        self.log_folder.path()
    }

    /// How far the table is behind the log, as of some seconds ago; a minute where the functions are processes.
    pub fn lag(&self) -> watch::Receiver<TableLag> {
        self.lag.clone()
    }

    /// How the pipeline is, as of less than two seconds ago.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// How much may be accepted now. Who asks this before, and then puts by [`Self::admitted_kinesis`], is not asked again.
    pub fn load(&self) -> impl Fn() -> Load + Send + Sync + 'static {
        let meter = Arc::clone(self.stream.meter());
        move || meter.load(Clock::system().now_ms())
    }

    /// A client of the stream for events that [`Self::load`] let in.
    pub fn admitted_kinesis(&self) -> Client {
        let config = self.kinesis.config().to_builder();
        let agent = AppName::new(self.stream.admitted_agent().to_owned()).expect("letters, digits and hyphens");
        Client::from_conf(config.app_name(agent).build())
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

    /// Proves these days now, as code of this process.
    ///
    /// # Errors
    /// [`AggregateError`], where the run as a whole could not begin.
    pub async fn prove(&self, dates: Vec<chrono::NaiveDate>) -> Result<ProofRun, AggregateError> {
        prove_days(&self.aggregator, &Asked::Dates(dates), Instant::now() + ROLL_UP_TIMEOUT).await
    }

    /// Compares a day's counters with its raw events.
    ///
    /// # Errors
    /// [`AggregateError`], where the table could not be read.
    pub async fn verify(&self, date: chrono::NaiveDate) -> Result<Verification, AggregateError> {
        verify(&self.aggregator, date, Instant::now() + ROLL_UP_TIMEOUT).await
    }

    /// Takes no more records, processes those that are in the stream, rolls up, and stops: `patience` is how long the
    /// records may take. The rest takes a minute at most.
    ///
    /// # Errors
    /// [`LocalError::NotDrained`], where records were left; everything is stopped all the same.
    pub async fn drain_and_stop(self, patience: Duration) -> Result<(), MachineError> {
        self.stream.close().await;
        let progress = self.mapping.progress();
        let drained = self.mapping.drain_and_stop(Instant::now() + patience).await;
        forget(&self.stream, &progress, true).await;
        match timeout(LAST_ROLL_UP_TIMEOUT, self.aggregation.run_now()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last roll-up failed; the next start makes up for it"),
            Err(_) => tracing::warn!("the last roll-up took too long; the next start makes up for it"),
        }
        self.watching.abort();
        // It holds the stream while it looks.
        let _ = self.watching.await;
        join_all(self.upkeep.into_iter().chain([self.aggregation]).map(Schedule::stop)).await;
        for fleet in self.fleets.iter().flatten() {
            fleet.stop().await;
        }
        if let Some(stream) = Arc::into_inner(self.stream) {
            stream.stop().await;
        }
        self.table.stop().await;
        self.log_folder.remove();
        drained?;
        Ok(())
    }
}

fn consumer(log: Log, store: DynamoStore, options: &MachineOptions) -> headcount_consumer::deps::Deps<DynamoStore> {
    let settings = headcount_consumer::deps::Settings {
        rules: options.rules.clone(),
        zone: options.zone,
        project: options.project.clone(),
        log_retention_days: options.log_retention_days.unwrap_or(DEFAULT_LOG_RETENTION_DAYS),
        stream_generation: options.stream_generation.clone(),
        items: options.items,
    };
    headcount_consumer::deps::Deps::new(log, store, Clock::system(), Jitter::from_entropy(), settings)
}

/// What other machines reach takes signed requests only.
fn check_doors(options: &MachineOptions) -> Result<(), LocalError> {
    let open = [options.kinesis_addr, options.dynamodb_addr].into_iter().find(|addr| !addr.ip().is_loopback());
    match open {
        Some(addr) if options.aws_keys.is_none() => {
            let rule = format!("other machines reach {addr}: give the key pair that requests must be signed with");
            Err(LocalError::Option { field: "--aws-keys", rule })
        }
        _ => Ok(()),
    }
}

/// The log's retention is fixed when the log is made, and events must come well before it ends.
fn check_retention(asked: Option<u32>, rules: &Rules, deployment: &Deployment) -> Result<(), LocalError> {
    let fixed = deployment.log_retention_days;
    if let Some(days) = asked.filter(|days| *days != fixed) {
        let rule =
            format!("the event log of this data directory keeps its entries {fixed} days, not {days}; give {fixed}");
        return Err(LocalError::Option { field: "--event-retention-days", rule });
    }
    let most_days = i64::from(fixed) - LATENESS_MARGIN_DAYS;
    match rules.lateness_ms().filter(|late_ms| *late_ms > most_days * DAY_MS) {
        None => Ok(()),
        Some(late_ms) => {
            let days = late_ms / DAY_MS;
            let rule = format!(
                "the event log keeps its entries {fixed} days, so events may be at most {most_days} days old on arrival, not \
                 {days}; give a new data directory with --event-retention-days {}",
                days + LATENESS_MARGIN_DAYS
            );
            Err(LocalError::Option { field: "--lateness-days", rule })
        }
    }
}

fn aggregator(log: Log, store: DynamoStore, options: &MachineOptions) -> Aggregator {
    let settings = headcount_aggregator::Settings {
        lateness_ms: options.rules.lateness_ms().unwrap_or(DEFAULT_LATENESS_MS),
        items: options.items,
        ..headcount_aggregator::Settings::default()
    };
    Aggregator::new(log, store, Clock::system(), Jitter::from_entropy(), settings).with_alarms(Alarms::Log)
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

#[cfg(test)]
mod tests {
    use headcount_core::ip_policy::IpPolicy;
    use headcount_core::limits::MAX_EARLINESS_MS;

    use super::*;

    #[test]
    fn the_retention_is_fixed_and_longer_than_events_are_late() {
        let deployment = Deployment::new("d-1".to_owned(), chrono_tz::Tz::UTC, "shop");
        let check = |asked, late: Option<i64>| {
            let late_ms = late.map(|days| days * DAY_MS);
            let rules = Rules::new(Vec::new(), late_ms, MAX_EARLINESS_MS, IpPolicy::Keep).unwrap();
            check_retention(asked, &rules, &deployment).map_err(|error| error.to_string())
        };
        for (asked, late) in [(None, Some(7)), (Some(90), Some(76)), (None, None)] {
            assert_eq!(check(asked, late), Ok(()));
        }
        let other = check(Some(30), Some(7)).unwrap_err();
        assert!(other.contains("--event-retention-days") && other.contains("90 days, not 30"), "{other}");
        let late = check(None, Some(80)).unwrap_err();
        assert!(late.contains("at most 76 days") && late.contains("--event-retention-days 94"), "{late}");
    }
}
