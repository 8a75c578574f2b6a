//! The mapping over the embedded stream, through the SDK and sockets, with scripted functions.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEventRecord;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use headcount_runtime::retry::Jitter;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::*;
use crate::clients;
use crate::stream::{Stream, StreamOptions};

mod batches;
mod failures;
mod giving_up;
mod killed;
mod lasting;
mod resharding;
mod trouble;

const PATIENCE: Duration = Duration::from_mins(1);

/// What a scripted function does with a batch.
enum Reply {
    /// Answers that all is processed.
    Done,
    /// Answers with these item identifiers.
    Failures(Vec<String>),
    Error,
    Panic,
    /// Never answers.
    Hang,
    /// Answers that all is processed once the switch is on.
    WhenOn,
}

/// A batch as the function saw it.
#[derive(Clone, Debug)]
struct Seen {
    shard: String,
    numbers: Vec<String>,
    data: Vec<String>,
    at: Instant,
}

type Script = Box<dyn FnMut(&Seen, usize) -> Reply + Send>;

/// Records every batch, answers by its script (of the batch and the number of the call).
#[derive(Clone)]
struct Scripted {
    seen: watch::Sender<Vec<Seen>>,
    script: Arc<Mutex<Script>>,
    on: watch::Sender<bool>,
}

impl Scripted {
    fn new(script: impl FnMut(&Seen, usize) -> Reply + Send + 'static) -> Self {
        let (seen, on) = (watch::Sender::new(Vec::new()), watch::Sender::new(false));
        Self { seen, script: Arc::new(Mutex::new(Box::new(script))), on }
    }

    fn done() -> Self {
        Self::new(|_, _| Reply::Done)
    }

    /// The batches so far.
    fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// The data of all batches so far, one after the other.
    fn data(&self) -> Vec<String> {
        self.seen().into_iter().flat_map(|seen| seen.data).collect()
    }

    /// The sizes of the batches so far.
    fn sizes(&self) -> Vec<usize> {
        self.seen().iter().map(|seen| seen.data.len()).collect()
    }

    /// Waits for so many batches.
    async fn batches(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let there = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() >= count)).await;
        there.expect("the batches come").unwrap().clone()
    }
}

impl Function for Scripted {
    async fn invoke(&self, event: KinesisEvent, _deadline: Instant) -> Result<KinesisEventResponse, FunctionError> {
        let seen = Seen::of(&event.records);
        let mut call = 0;
        self.seen.send_modify(|all| {
            all.push(seen.clone());
            call = all.len() - 1;
        });
        let reply = (self.script.lock())(&seen, call);
        let mut answer = KinesisEventResponse::default();
        match reply {
            Reply::Done => {}
            Reply::Failures(identifiers) => answer.set_failures(identifiers),
            Reply::Error => return Err(FunctionError::new("scripted")),
            Reply::Panic => panic!("scripted"),
            Reply::Hang => pending().await,
            Reply::WhenOn => {
                let _ = self.on.subscribe().wait_for(|on| *on).await;
            }
        }
        Ok(answer)
    }
}

impl Seen {
    fn of(records: &[KinesisEventRecord]) -> Self {
        let first = records[0].event_id.clone().unwrap();
        let number = |record: &KinesisEventRecord| record.kinesis.sequence_number.clone();
        let data = |record: &KinesisEventRecord| String::from_utf8_lossy(&record.kinesis.data.0).into_owned();
        Self {
            shard: first.split(':').next().unwrap().to_owned(),
            numbers: records.iter().map(number).collect(),
            data: records.iter().map(data).collect(),
            at: Instant::now(),
        }
    }
}

/// A stream to read from.
struct World {
    stream: Stream,
    client: Client,
}

impl World {
    async fn new(shards: u32) -> Self {
        let stream = Stream::start(StreamOptions::new("events", shards)).await.unwrap();
        let client = clients::kinesis(&stream.endpoint());
        Self { stream, client }
    }

    /// Puts one record of each data, under its place in the half of the key space that `half` names (0 or 1).
    async fn put(&self, half: u128, data: impl IntoIterator<Item = String>) {
        put(&self.client, half, data).await;
    }

    async fn map(&self, function: &Scripted, change: impl FnOnce(&mut MappingOptions)) -> Mapping {
        let mut options = quick();
        change(&mut options);
        Mapping::start(self.client.clone(), options, function.clone()).await.unwrap()
    }
}

async fn put(client: &Client, half: u128, data: impl IntoIterator<Item = String>) {
    let place = (half << 127) + 17;
    let entry = |data: String| {
        let entry = PutRecordsRequestEntry::builder().partition_key("k").explicit_hash_key(place.to_string());
        entry.data(Blob::new(data)).build().unwrap()
    };
    let entries: Vec<_> = data.into_iter().map(entry).collect();
    for some in entries.chunks(500) {
        let put = client.put_records().stream_name("events").set_records(Some(some.to_vec()));
        assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
    }
}

/// Options that lose no time.
fn quick() -> MappingOptions {
    let failure = FailurePolicy::retry_without_end(Jitter::from_seed(1));
    let (poll_interval, list_interval) = (Duration::from_millis(10), Duration::from_millis(500));
    MappingOptions { poll_interval, list_interval, failure, ..MappingOptions::new("events") }
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// Starts a mapping on a directory that another one has just left, or is about to.
async fn started_again(client: &Client, change: impl Fn(&mut MappingOptions), function: &Scripted) -> Mapping {
    in_time(async {
        loop {
            let mut options = quick();
            change(&mut options);
            match Mapping::start(client.clone(), options, function.clone()).await {
                Err(LocalError::Locked { .. }) => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    })
    .await
}
