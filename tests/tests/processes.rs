//! The consumer as its real program, killed (SIGKILL) again and again in the middle of its work, its way to the table
//! throttled in bursts; and one that hangs is killed when its time is up. Nothing is lost, and nothing counts twice.

#[path = "world/model.rs"]
mod model;
#[path = "world/state.rs"]
mod state;

use std::process::Command;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use headcount_local::clients;
use headcount_local::lambda::fleet::FunctionProcess;
use headcount_local::machine::{Functions, Machine, MachineOptions};
use headcount_tests::binaries;
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Burst, Rates, seed_of_run};
use tokio::time::{Instant, timeout};

use model::{Model, Record, Shape};
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

async fn put(endpoint: &str, stream: &str, records: &[Record]) {
    let client = clients::kinesis(endpoint);
    for some in records.chunks(250) {
        let entry = |(key, data): &Record| {
            let entry = PutRecordsRequestEntry::builder().partition_key(key.to_string()).data(Blob::new(data.clone()));
            entry.build().expect("all is there")
        };
        let entries = some.iter().map(entry).collect();
        let put = client.put_records().stream_name(stream).set_records(Some(entries)).send().await;
        assert_eq!(put.expect("the stream takes it").failed_record_count(), Some(0));
    }
}

/// Sends a signal; whether there was still somebody to take it.
fn signal(process: FunctionProcess, name: &str) -> bool {
    let sent = Command::new("kill").args([format!("-{name}"), process.id.to_string()]).output();
    sent.expect("there is a command `kill`").status.success()
}

/// Kills busy processes at random moments, told by the requests that they have made.
async fn strike(machine: &Machine, proxy: &FaultProxy, seed: u64) -> u32 {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut requests, mut progress) = (proxy.requests(), machine.progress());
    let consumer = machine.consumer_fleet().expect("it runs as processes");
    let mut kills = 0;
    while kills < KILLS {
        let moment = *requests.borrow() + random.u64(1..50);
        requests.wait_for(|requests| *requests >= moment).await.expect("the proxy lives");
        let busy: Vec<_> = consumer.processes().into_iter().filter(|process| process.is_busy).collect();
        let Some(process) = random.choice(busy) else { continue };
        if HANGS.contains(&kills) {
            assert!(signal(process, "STOP"));
            // Whoever does not answer in time is killed, by the machine and not by us.
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
    let proxy = FaultProxy::start(seed, rates, Some(Burst { every: 300, length: 25 })).await.unwrap();
    let mut functions = Functions::in_folder(&binaries::folder()).unwrap();
    if let Functions::Processes { dynamodb_endpoint, .. } = &mut functions {
        *dynamodb_endpoint = Some(proxy.endpoint());
    }
    let machine = Machine::start(MachineOptions {
        functions,
        shards: 2,
        batch_size: BATCH,
        function_timeout: FUNCTION_TIMEOUT,
        roll_up_interval: Duration::from_secs(20),
        ..MachineOptions::default()
    })
    .await
    .unwrap();
    proxy.forward_to(&machine.dynamodb_endpoint());

    let model = Model::new(seed, SHAPE);
    let (endpoint, stream, records) = (machine.kinesis_endpoint(), machine.stream_name().to_owned(), model.records(0));
    let sending = tokio::spawn(async move { put(&endpoint, &stream, &records).await });
    let kills = timeout(PATIENCE, strike(&machine, &proxy, seed)).await.expect("there are processes to kill");
    sending.await.unwrap();
    timeout(PATIENCE, machine.caught_up()).await.expect("all is counted in time").unwrap();

    let progress = machine.progress().borrow().clone();
    let (occurrences, rejected, took) = (model.occurrences, model.rejected[0], began.elapsed());
    eprintln!("{occurrences} valid and {rejected} invalid occurrences, {} events; {kills} kills", model.events.len());
    eprintln!(
        "{} batches, {} failed, in {took:?}; requests: {:?}",
        progress.batches,
        progress.failures,
        proxy.counts()
    );
    assert_eq!(progress.records, SHAPE.records as u64, "no record is passed twice");
    assert!(progress.failures >= 30, "they were killed at work: {progress:?}");

    let state = State::read(machine.store().clone(), &model).await;
    state.equals(&model);
    machine.drain_and_stop(PATIENCE).await.unwrap();
    eprintln!("{:?} in all", began.elapsed());
}
