//! Events into a stream through the producer library: several batches at once, and every event's fate known.

use std::collections::{BTreeMap, BTreeSet};

use headcount_producer::{KinesisStream, Packing, Producer, ProducerError, Refusal, StreamProblem, Unchecked};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// Events of a batch that go one a record: those of one request.
const PLAIN_BATCH: usize = 500;

/// Events of a batch that are packed: enough for each partition group to compress well.
const PACKED_BATCH: usize = 5_000;

/// Batches on their way at once.
const MAX_IN_FLIGHT: usize = 8;

/// How many events the stream has, and how many it did not take in the end, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Accepted.
    pub(crate) sent: u64,
    /// Given up, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Events that were given up.
    pub(crate) fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Events whose fate is known.
    pub(crate) fn settled(&self) -> u64 {
        self.sent + self.refused_in_all()
    }
}

/// A batch's first line, and the fates of its events.
type Settled = (u64, Vec<Result<(), ProducerError>>);

/// Sends events. What the stream kept refusing is handed back: never dropped, never sent twice by intent.
pub(crate) struct Sender {
    producer: Producer,
    batch_events: usize,
    batch: Vec<Unchecked>,
    batch_line: u64,
    in_flight: JoinSet<Settled>,
    /// The first lines of the batches on their way.
    lines: BTreeSet<u64>,
    tally: Tally,
    given_up: Vec<String>,
    /// The first line of the first batch of which something was given up.
    given_up_line: Option<u64>,
    failure: Option<Failure>,
}

impl Sender {
    /// Sends to this stream.
    pub(crate) fn over(stream: KinesisStream, packing: Packing) -> Result<Self, Failure> {
        let producer = Producer::builder().queue_packing(packing).build_on(stream).map_err(Failure::said)?;
        Ok(Self::new(producer, packing))
    }

    /// Sends by this producer, in batches that suit this packing.
    pub(crate) fn new(producer: Producer, packing: Packing) -> Self {
        let batch_events = match packing {
            Packing::Off => PLAIN_BATCH,
            Packing::Zstd | Packing::Kpl => PACKED_BATCH,
        };
        Self {
            producer,
            batch_events,
            batch: Vec::new(),
            batch_line: 0,
            in_flight: JoinSet::new(),
            lines: BTreeSet::new(),
            tally: Tally::default(),
            given_up: Vec::new(),
            given_up_line: None,
            failure: None,
        }
    }

    /// Takes the event of a line; waits while [`MAX_IN_FLIGHT`] batches are under way. An error says that nothing more will
    /// pass: call [`Self::finish`] and give up.
    pub(crate) async fn push(&mut self, event: Unchecked, line: u64) -> Result<(), Failure> {
        if self.batch.is_empty() {
            self.batch_line = line;
        }
        self.batch.push(event);
        if self.batch.len() >= self.batch_events {
            self.flush().await;
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Sends what waits for company.
    pub(crate) async fn flush(&mut self) {
        // Take what has ended meanwhile, so that progress is shown and given-up events do not pile up.
        while let Some(ended) = self.in_flight.try_join_next() {
            self.settle(ended);
        }
        while self.in_flight.len() >= MAX_IN_FLIGHT && self.settle_one().await {}
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        let line = self.batch_line;
        if self.failure.is_some() {
            *self.tally.refused.entry("NotTried".to_owned()).or_default() += batch.len() as u64;
            self.given_up.extend(batch.into_iter().map(|event| event.json));
            self.keep_line(line);
            return;
        }
        self.lines.insert(line);
        let producer = self.producer.clone();
        self.in_flight.spawn(async move { (line, producer.pass_on(batch).await) });
    }

    /// Sends what is left and waits until the fate of every event is known.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        self.flush().await;
        while self.settle_one().await {}
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// What is known so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The first line that may hold an event which the stream does not have, if there is one; with `but_given_up`, apart
    /// from those that were handed back.
    pub(crate) fn first_open_line(&self, but_given_up: bool) -> Option<u64> {
        let waiting = (!self.batch.is_empty()).then_some(self.batch_line);
        let given_up = self.given_up_line.filter(|_| !but_given_up);
        [self.lines.first().copied(), waiting, given_up].into_iter().flatten().min()
    }

    /// The events that were given up since the last call, as they were sent.
    pub(crate) fn take_given_up(&mut self) -> Vec<String> {
        std::mem::take(&mut self.given_up)
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

    fn settle(&mut self, ended: Result<Settled, tokio::task::JoinError>) {
        match ended {
            Ok((line, fates)) => {
                self.lines.remove(&line);
                for fate in fates {
                    match fate {
                        Ok(()) => self.tally.sent += 1,
                        Err(error) => self.give_up(line, error),
                    }
                }
            }
            Err(error) => {
                let failure = Failure::new(format!("sending broke off ({error})"), "report this");
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn give_up(&mut self, line: u64, error: ProducerError) {
        let reason = match error {
            ProducerError::Refused(returned) => {
                self.given_up.push(returned.event.into_json());
                if let Refusal::Stream(problem) = &returned.refusal {
                    self.failure.get_or_insert_with(|| failed(problem));
                }
                returned.refusal.reason().to_owned()
            }
            error => {
                self.failure.get_or_insert_with(|| Failure::said(&error));
                "NotTried".to_owned()
            }
        };
        *self.tally.refused.entry(reason).or_default() += 1;
        self.keep_line(line);
    }

    fn keep_line(&mut self, line: u64) {
        self.given_up_line = Some(self.given_up_line.map_or(line, |first| first.min(line)));
    }
}

/// What a problem of the stream means to whoever ran the command.
pub(crate) fn failed(problem: &StreamProblem) -> Failure {
    Failure::new(problem.problem.clone(), problem.remedy.clone())
}

#[cfg(test)]
mod tests;
