//! The consumer as its real program, killed (SIGKILL) again and again in the middle of its work, its ways to table and bucket
//! failing in bursts; and one that hangs is killed when its time is up. Nothing is lost, and nothing is there twice.
//!
//! The bucket is on a server that nobody here wrote.

#[path = "world/model.rs"]
mod model;
#[path = "infra/scripts.rs"]
#[expect(dead_code, reason = "shared with the tests of the template")]
mod scripts;
#[path = "infra/stand_in.rs"]
#[expect(dead_code, reason = "shared with the tests of the template")]
mod stand_in;
#[path = "world/state.rs"]
mod state;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use headcount_local::clients;
use headcount_local::lambda::fleet::{Fleet, FleetOptions, FunctionProcess};
use headcount_local::lambda::functions::{CONSUMER, ConsumerProcesses};
use headcount_local::mapping::{FailurePolicy, Mapping, MappingOptions};
use headcount_local::stream::{Stream, StreamOptions};
use headcount_local::table::{Table, TableOptions};
use headcount_log::{Log, s3};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_tests::binaries;
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Burst, Rates, seed_of_run};
use tokio::time::{Instant, timeout};

use model::{Model, Record, Shape};
use stand_in::StandIn;
use state::State;

/// About 50,000 occurrences, some of them of events that occurred before, and some that break a rule.
const SHAPE: Shape = Shape { sources: 1, records: 5_000, most_events: 19, pool: 200_000 };

/// Records of a batch: few, so that there are many batches to be killed in.
const BATCH: usize = 20;

/// How often a busy process is killed.
const KILLS: u32 = 36;

/// Which of the blows let the process hang instead.
const HANGS: [u32; 2] = [9, 21];

/// How long the consumer may take for a batch.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(6);

const PATIENCE: Duration = Duration::from_mins(4);

const TABLE: &str = "headcount";
const STREAM: &str = "headcount-events";
const BUCKET: &str = "headcount-log";

async fn put(endpoint: &str, records: &[Record]) {
    let client = clients::kinesis(endpoint);
    for some in records.chunks(250) {
        let entry = |(key, data): &Record| {
            let entry = PutRecordsRequestEntry::builder().partition_key(key.to_string()).data(Blob::new(data.clone()));
            entry.build().expect("all is there")
        };
        let entries = some.iter().map(entry).collect();
        let put = client.put_records().stream_name(STREAM).set_records(Some(entries)).send().await;
        assert_eq!(put.expect("the stream takes it").failed_record_count(), Some(0));
    }
}

/// Sends a signal; whether there was still somebody to take it.
fn signal(process: FunctionProcess, name: &str) -> bool {
    let sent = Command::new("kill").args([format!("-{name}"), process.id.to_string()]).output();
    sent.expect("there is a command `kill`").status.success()
}

/// Kills busy processes at random moments, told by the requests that they have made.
async fn strike(consumer: &Fleet, mapping: &Mapping, table: &FaultProxy, bucket: &FaultProxy, seed: u64) -> u32 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut progress = mapping.progress();
    let mut kills = 0;
    while kills < KILLS {
        // In the middle of an append as well as in the middle of following.
        let mut requests = if random.bool() { table.requests() } else { bucket.requests() };
        let moment = *requests.borrow() + random.u64(1..25);
        requests.wait_for(|requests| *requests >= moment).await.expect("the proxy lives");
        let busy: Vec<_> = consumer.processes().into_iter().filter(|process| process.is_busy).collect();
        let Some(process) = random.choice(busy) else { continue };
        if HANGS.contains(&kills) {
            assert!(signal(process, "STOP"));
            // What does not answer in time is killed, by the machine and not by us.
            while consumer.processes().iter().any(|running| running.id == process.id) {
                progress.changed().await.expect("the mapping goes on");
            }
            kills += 1;
        } else if signal(process, "KILL") {
            kills += 1;
        }
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_counted_twice_whenever_the_consumer_is_killed() {
    let seed = seed_of_run("processes");
    let began = Instant::now();
    // What is late may take effect after its sender has died.
    let longest_delay = Duration::from_millis(200);
    let rates = Rates { throttle: 0.01, delay: 0.03, longest_delay, ..Rates::default() };
    let of_table = FaultProxy::start(seed, rates, Some(Burst { every: 300, length: 25 })).await.unwrap();
    let rates = Rates { throttle: 0.03, server_error: 0.03, reset_before: 0.01, reset_after: 0.02, ..rates };
    let of_bucket = FaultProxy::start(!seed, rates, Some(Burst { every: 400, length: 20 })).await.unwrap();

    let stand_in = StandIn::start();
    scripts::create_bucket(&stand_in.endpoint, BUCKET);
    of_bucket.forward_to(&stand_in.endpoint);
    let table = Table::start(TableOptions::default()).await.unwrap();
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    let tables = Tables::one(TABLE);
    create_tables(&connection, &tables, Instant::now() + PATIENCE).await.unwrap();
    of_table.forward_to(&table.endpoint());
    let stream = Stream::start(StreamOptions::new(STREAM, 2)).await.unwrap();

    let environment = [
        ("EVENTS_TABLE", TABLE.to_owned()),
        ("LOG", format!("s3://{BUCKET}")),
        ("AWS_ENDPOINT_URL_DYNAMODB", of_table.endpoint()),
        ("AWS_ENDPOINT_URL_S3", of_bucket.endpoint()),
        ("RUST_LOG", "error".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let consumer = Arc::new(Fleet::new(FleetOptions {
        environment,
        ..FleetOptions::new(CONSUMER, binaries::folder().join(CONSUMER))
    }));
    let options = MappingOptions {
        batch_size: BATCH,
        function_timeout: FUNCTION_TIMEOUT,
        doorbell: Some(stream.doorbell()),
        failure: FailurePolicy::retry_without_end(Jitter::from_seed(seed)),
        ..MappingOptions::new(STREAM)
    };
    let client = clients::kinesis(&stream.endpoint());
    let mapping = Mapping::start(client, options, ConsumerProcesses(consumer.clone())).await.unwrap();

    let model = Model::new(seed, SHAPE);
    let (endpoint, records) = (stream.endpoint(), model.records(0));
    let sending = tokio::spawn(async move { put(&endpoint, &records).await });
    let kills = timeout(PATIENCE, strike(&consumer, &mapping, &of_table, &of_bucket, seed)).await;
    let kills = kills.expect("there are processes to kill");
    sending.await.unwrap();
    timeout(PATIENCE, mapping.drain()).await.expect("all is appended in time").unwrap();

    let progress = mapping.progress().borrow().clone();
    let (occurrences, rejected, took) = (model.occurrences, model.rejected[0], began.elapsed());
    eprintln!("{occurrences} valid and {rejected} invalid occurrences, {} events; {kills} kills", model.events.len());
    eprintln!(
        "{} batches, {} failed, in {took:?}; requests to the table: {:?}; to the bucket: {:?}",
        progress.batches,
        progress.failures,
        of_table.counts(),
        of_bucket.counts()
    );
    assert_eq!(progress.records, SHAPE.records as u64, "no record is passed twice");
    assert!(progress.failures >= 30, "they were killed at work: {progress:?}");
    consumer.stop().await;

    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
    let bucket = s3::of(BUCKET, credentials, Some("us-east-1".into()), Some(stand_in.endpoint.clone())).unwrap();
    let state = State::read(Log::new(bucket, Jitter::from_seed(seed)), DynamoStore::new(connection, tables), &model);
    state.await.equals(&model);
    table.stop().await;
    eprintln!("{:?} in all", began.elapsed());
}
