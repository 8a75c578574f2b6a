//! Reading one shard: iterators, limits, and what a failed read means.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use tokio::time::{Instant, timeout};

use super::ANSWER_TIMEOUT;

/// The most records of a read (the service's own bound).
const MAX_READ: usize = 10_000;

/// The records of the first read, before anything is known about their size.
const FIRST_READ: usize = 500;

/// A read may become this much larger than the one before.
const GROWTH: usize = 4;

/// The data that a read should bring, in bytes; the service itself stops at 10 MiB, the embedded stream does not.
const READ_BYTES: usize = 8 << 20;

/// One shard's place in the stream.
#[derive(Debug)]
pub(super) struct Reader {
    client: Client,
    stream: String,
    shard: String,
    /// The last record read; `None` before the first.
    after: Option<String>,
    iterator: Option<String>,
    limit: usize,
    interval: Duration,
    next_at: Instant,
}

/// What a read brought.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    /// Whether nothing newer was in the shard.
    pub(super) tip: bool,
    /// Whether the shard is closed and this was its end.
    pub(super) ended: bool,
    pub(super) millis_behind: i64,
}

/// Why a read brought nothing.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The shard or its stream is not there any more.
    Gone,
    /// It may work later.
    Trouble(String),
}

impl Reader {
    /// Reads `shard` from the record after `after`, or from the oldest one.
    pub(super) fn new(client: Client, stream: &str, shard: &str, after: Option<String>, interval: Duration) -> Self {
        let (stream, shard) = (stream.to_owned(), shard.to_owned());
        let (limit, next_at) = (FIRST_READ, Instant::now());
        Self { client, stream, shard, after, iterator: None, limit, interval, next_at }
    }

    /// When the next read may be.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Reads up to `most` records.
    pub(super) async fn read(&mut self, most: usize) -> Result<Read, ReadError> {
        self.next_at = Instant::now() + self.interval;
        let answer = timeout(ANSWER_TIMEOUT, self.ask(most)).await;
        answer.unwrap_or_else(|_| Err(ReadError::Trouble(format!("no answer for {ANSWER_TIMEOUT:?}"))))
    }

    async fn ask(&mut self, most: usize) -> Result<Read, ReadError> {
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.fresh_iterator().await?,
        };
        let limit = most.clamp(1, self.limit);
        // Where the call fails, the iterator is gone: the next read takes a fresh one from the same place.
        let answer = self
            .client
            .get_records()
            .shard_iterator(iterator)
            .limit(limit as i32)
            .send()
            .await
            .map_err(|error| failed_read(&error))?;
        let millis_behind = answer.millis_behind_latest.unwrap_or(0);
        self.iterator = answer.next_shard_iterator;
        if let Some(last) = answer.records.last() {
            self.after = Some(last.sequence_number.clone());
        }
        self.fit(&answer.records);
        // The embedded stream always says that nothing is behind, so a read that brought all it could is not the tip.
        let tip = millis_behind <= 0 && answer.records.len() < limit;
        Ok(Read { tip, ended: self.iterator.is_none(), millis_behind, records: answer.records })
    }

    /// Makes the next read as large as the size of these records suggests.
    fn fit(&mut self, records: &[Record]) {
        let bytes: usize = records.iter().map(|record| record.data.as_ref().len()).sum();
        if let Some(each) = bytes.checked_div(records.len()) {
            self.limit = (READ_BYTES / each.max(1)).clamp(1, MAX_READ.min(self.limit * GROWTH));
        }
    }

    async fn fresh_iterator(&self) -> Result<String, ReadError> {
        let ask = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(&self.shard);
        let ask = match &self.after {
            None => ask.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(after) => {
                ask.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(after)
            }
        };
        let answer = ask.send().await.map_err(|error| failed_iterator(&error))?;
        answer.shard_iterator.ok_or_else(|| ReadError::Trouble("the stream gave no iterator".into()))
    }
}

fn failed_read(error: &SdkError<GetRecordsError>) -> ReadError {
    match error.as_service_error() {
        Some(error) if error.is_resource_not_found_exception() => ReadError::Gone,
        _ => ReadError::Trouble(DisplayErrorContext(error).to_string()),
    }
}

fn failed_iterator(error: &SdkError<GetShardIteratorError>) -> ReadError {
    match error.as_service_error() {
        Some(error) if error.is_resource_not_found_exception() => ReadError::Gone,
        _ => ReadError::Trouble(DisplayErrorContext(error).to_string()),
    }
}
