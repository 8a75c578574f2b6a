//! Records into a stream by `PutRecords`: batched, several requests at once, and of each answer only the refused
//! records sent again.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_store::retry::Jitter;
use tokio::task::JoinSet;

use crate::failure::Failure;

mod batch;
pub(crate) mod kinesis;
mod refused;

use batch::Batcher;
use refused::{Split, split};

/// Records in one `PutRecords` (Kinesis's own limit).
pub(crate) const MAX_REQUEST_RECORDS: usize = 500;

/// Bytes of the data and partition keys of one `PutRecords`: 5 MiB, where the embedded stream stops. Kinesis takes 10.
pub(crate) const MAX_REQUEST_BYTES: usize = 5 << 20;

/// Bytes of one record's data and partition key: 1 MiB, what a stream of Kinesis takes unless configured otherwise.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;

/// Requests in flight at once.
const MAX_IN_FLIGHT: usize = 4;

/// Tries of one batch in a row of which none had a single record accepted.
const MAX_FRUITLESS_TRIES: u32 = 10;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What chooses the shard.
    pub(crate) partition_key: String,
    /// The event.
    pub(crate) data: Vec<u8>,
}

impl Record {
    /// What counts towards the limits.
    pub(crate) fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// What became of one record in a request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The stream has it.
    Accepted,
    /// The stream refused it for this reason, Kinesis's error code; it may take it later.
    Refused(String),
}

/// Why a request as a whole was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// It may go better later; the reason in a word. The records may have been accepted all the same.
    Passing(String),
    /// It will not.
    Final {
        /// The reason in a word.
        reason: String,
        /// For a person.
        failure: Failure,
    },
}

/// What takes records: Kinesis, or a test's script.
pub(crate) trait Target: Send + Sync + 'static {
    /// One request. One answer a record, in order.
    fn put(&self, records: &[Record]) -> impl Future<Output = Result<Vec<Answer>, RequestError>> + Send;
}

/// How many records the stream has, and how many it did not take in the end, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Accepted.
    pub(crate) sent: u64,
    /// Given up, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Records that were given up.
    pub(crate) fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Records whose fate is known.
    pub(crate) fn settled(&self) -> u64 {
        self.sent + self.refused_in_all()
    }
}

/// Sends records. What the stream kept refusing is handed back: never dropped, never sent twice by intent.
pub(crate) struct Sender<T> {
    target: Arc<T>,
    jitter: Jitter,
    batcher: Batcher,
    in_flight: JoinSet<Delivery>,
    tally: Tally,
    given_up: Vec<Record>,
    failure: Option<Failure>,
}

impl<T: Target> Sender<T> {
    /// Sends to `target`, pausing as `jitter` draws.
    pub(crate) fn new(target: T, jitter: Jitter) -> Self {
        Self {
            target: Arc::new(target),
            jitter,
            batcher: Batcher::default(),
            in_flight: JoinSet::new(),
            tally: Tally::default(),
            given_up: Vec::new(),
            failure: None,
        }
    }

    /// Takes a record of at most [`MAX_RECORD_BYTES`]; waits while [`MAX_IN_FLIGHT`] requests are under way. An error
    /// says that nothing more will pass: call [`Self::finish`] and give up.
    pub(crate) async fn push(&mut self, record: Record) -> Result<(), Failure> {
        if let Some(batch) = self.batcher.push(record) {
            self.start(batch).await;
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Sends what waits for company.
    pub(crate) async fn flush(&mut self) {
        let batch = self.batcher.take();
        if !batch.is_empty() {
            self.start(batch).await;
        }
    }

    /// Sends what is left and waits until the fate of every record is known.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        self.flush().await;
        while self.settle_one().await {}
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// What is known so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The records that were given up since the last call.
    pub(crate) fn take_given_up(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.given_up)
    }

    async fn start(&mut self, batch: Vec<Record>) {
        while self.in_flight.len() >= MAX_IN_FLIGHT {
            self.settle_one().await;
        }
        // Take what has ended meanwhile, so that progress is shown and given-up records do not pile up.
        while let Some(ended) = self.in_flight.try_join_next() {
            self.settle(ended);
        }
        if self.failure.is_some() {
            self.give_up(batch, "NotTried");
            return;
        }
        let (target, jitter) = (Arc::clone(&self.target), self.jitter.clone());
        self.in_flight.spawn(async move { deliver(&*target, &jitter, batch).await });
    }

    async fn settle_one(&mut self) -> bool {
        match self.in_flight.join_next().await {
            Some(ended) => {
                self.settle(ended);
                true
            }
            None => false,
        }
    }

    fn settle(&mut self, ended: Result<Delivery, tokio::task::JoinError>) {
        match ended {
            Ok(delivery) => {
                self.tally.sent += delivery.accepted;
                for (record, reason) in delivery.given_up {
                    *self.tally.refused.entry(reason).or_default() += 1;
                    self.given_up.push(record);
                }
                self.failure = self.failure.take().or(delivery.failure);
            }
            Err(error) => {
                let failure = Failure::new(format!("sending broke off ({error})"), "report this");
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn give_up(&mut self, batch: Vec<Record>, reason: &str) {
        *self.tally.refused.entry(reason.to_owned()).or_default() += batch.len() as u64;
        self.given_up.extend(batch);
    }
}

/// What became of one batch.
struct Delivery {
    accepted: u64,
    given_up: Vec<(Record, String)>,
    failure: Option<Failure>,
}

/// Sends the batch until all of it is accepted, nothing of it has been for [`MAX_FRUITLESS_TRIES`] tries, or nothing will be.
/// Each try but the fruitless ones makes the batch smaller, so this ends.
async fn deliver<T: Target>(target: &T, jitter: &Jitter, mut batch: Vec<Record>) -> Delivery {
    let (mut accepted, mut fruitless) = (0, 0);
    loop {
        let reasons = match target.put(&batch).await {
            Ok(answers) => {
                let Split { accepted: now, refused, reasons } = split(batch, &answers);
                batch = refused;
                accepted += now;
                if batch.is_empty() {
                    return Delivery { accepted, given_up: Vec::new(), failure: None };
                }
                fruitless = if now > 0 { 0 } else { fruitless + 1 };
                reasons
            }
            Err(RequestError::Passing(reason)) => {
                fruitless += 1;
                vec![reason; batch.len()]
            }
            Err(RequestError::Final { reason, failure }) => {
                let given_up = batch.into_iter().map(|record| (record, reason.clone())).collect();
                return Delivery { accepted, given_up, failure: Some(failure) };
            }
        };
        if fruitless >= MAX_FRUITLESS_TRIES {
            return Delivery { accepted, given_up: batch.into_iter().zip(reasons).collect(), failure: None };
        }
        tokio::time::sleep(jitter.pause(fruitless)).await;
    }
}

#[cfg(test)]
mod tests;
