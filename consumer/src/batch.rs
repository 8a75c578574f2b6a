//! The records of one invocation: which source they are of, and how many are worked on at once.

use aws_lambda_events::event::kinesis::KinesisEvent;
use headcount_core::limits::MAX_RECORD_BYTES;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_core::record::{DecodedRecord, OpenedRecord};
use headcount_core::validate::{Arrival, Rules};
use rayon::prelude::*;

/// Records of one chunk: a batch of Lambda's largest size, one event a record, is one chunk.
pub const CHUNK_RECORDS: usize = 10_000;

/// Bytes of opened records (4 MiB, some 10,000 events of ordinary size): once a chunk holds this many, it is finished
/// before more records are opened. It bounds the memory of an invocation, whatever its records were compressed to.
pub const CHUNK_BYTES: usize = 4 << 20;

/// Bytes of records that are opened at once (16 MiB), at most.
const GROUP_BYTES: usize = 16 << 20;

/// One record as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// When the stream took it, milliseconds since the epoch.
    pub arrived_ms: i64,
    /// Its data.
    pub data: Vec<u8>,
}

/// One source's records, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The source.
    pub source: Source,
    /// The records, in the order of their sequence numbers.
    pub records: Vec<Record>,
}

/// An invocation that is none of an event source mapping of a Kinesis stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A record that does not say which shard of which stream it is of.
    #[error(
        "record {index} has {field} {value:?}: invoke this function by an event source mapping of a Kinesis stream only"
    )]
    Field {
        /// The record's index in the batch.
        index: usize,
        /// The field of the record.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// No JSON of an invocation.
    #[error("this is no invocation by an event source mapping of a Kinesis stream: {0}")]
    Unreadable(String),
    /// Records of two sources.
    #[error("the batch mixes records of {0} and {1}: an event source mapping delivers one shard at a time")]
    Mixed(Source, Source),
}

impl Batch {
    /// The batch of one invocation; `None` where it has no records.
    ///
    /// # Errors
    ///
    /// [`BatchError`], where a record does not name its source or sequence number, or names another source.
    pub fn parse(event: KinesisEvent) -> Result<Option<Self>, BatchError> {
        let mut source = None;
        let mut records = Vec::with_capacity(event.records.len());
        for (index, delivered) in event.records.into_iter().enumerate() {
            let stream = delivered.event_source_arn.as_deref().unwrap_or_default();
            let of = source_of(index, stream, delivered.event_id.as_deref().unwrap_or_default())?;
            match &source {
                None => source = Some(of),
                Some(first) if *first == of => {}
                Some(first) => return Err(BatchError::Mixed(first.clone(), of)),
            }
            let kinesis = delivered.kinesis;
            let sequence = kinesis.sequence_number.parse().map_err(|_| BatchError::Field {
                index,
                field: "kinesis.sequenceNumber",
                value: kinesis.sequence_number.clone(),
            })?;
            let arrived_ms = kinesis.approximate_arrival_timestamp.timestamp_millis();
            records.push(Record { sequence, arrived_ms, data: kinesis.data.0 });
        }
        Ok(source.map(|source| Self::new(source, records)))
    }

    /// A source's records.
    pub(crate) fn new(source: Source, mut records: Vec<Record>) -> Self {
        // A mapping delivers in order and once a batch; whoever replays records by hand may not.
        records.sort_by(|a, b| a.sequence.cmp(&b.sequence));
        records.dedup_by(|later, earlier| later.sequence == earlier.sequence);
        Self { source, records }
    }
}

/// The source that a record of this event source and with this event id is of.
pub(crate) fn source_of(index: usize, event_source_arn: &str, event_id: &str) -> Result<Source, BatchError> {
    let field = |field, value: &str| BatchError::Field { index, field, value: value.chars().take(200).collect() };
    let stream = event_source_arn.rsplit_once(":stream/").map(|(_, name)| name).filter(|name| is_name(name));
    let shard = event_id.rsplit_once(':').map(|(shard, _)| shard).filter(|name| is_name(name));
    let stream = stream.ok_or_else(|| field("eventSourceARN", event_source_arn))?;
    Ok(Source::new(stream, shard.ok_or_else(|| field("eventID", event_id))?))
}

/// Names of streams and shards, which become parts of keys: letters, digits, `_`, `.` and `-`, at most 128.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Records opened, in order.
#[derive(Debug)]
pub struct Chunk<'a> {
    source: &'a Source,
    records: &'a [Record],
    opened: Vec<OpenedRecord<'a>>,
}

/// A record and what was in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// Where its events come from.
    pub arrival: Arrival,
    /// Its events and rejections.
    pub content: DecodedRecord<'a>,
}

impl<'a> Chunk<'a> {
    /// Opens records from the front of `records` until the chunk is full, in parallel: at least one, if there is one.
    pub fn open(source: &'a Source, records: &'a [Record]) -> Self {
        let (mut opened, mut bytes) = (Vec::new(), 0);
        while opened.len() < records.len().min(CHUNK_RECORDS) && bytes < CHUNK_BYTES {
            let rest = &records[opened.len()..];
            let group = &rest[..group_len(rest)];
            if has_help() {
                opened.par_extend(group.par_iter().map(|record| OpenedRecord::open(&record.data)));
            } else {
                opened.extend(group.iter().map(|record| OpenedRecord::open(&record.data)));
            }
            bytes += opened[opened.len() - group.len()..].iter().map(OpenedRecord::bytes).sum::<usize>();
        }
        Self { source, records: &records[..opened.len()], opened }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.opened.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
    }

    /// Validates and sanitizes what the records hold, in parallel.
    pub fn decode(&self, rules: &Rules) -> Vec<Decoded<'_>> {
        if has_help() {
            let records = self.records.par_iter().zip(&self.opened);
            records.map(|(record, opened)| self.decode_one(record, opened, rules)).collect()
        } else {
            let records = self.records.iter().zip(&self.opened);
            records.map(|(record, opened)| self.decode_one(record, opened, rules)).collect()
        }
    }

    fn decode_one<'c>(&self, record: &Record, opened: &'c OpenedRecord<'a>, rules: &Rules) -> Decoded<'c> {
        let arrival =
            Arrival { source: self.source.clone(), sequence: record.sequence.clone(), arrived_ms: record.arrived_ms };
        let content = opened.decode(&arrival, rules);
        Decoded { arrival, content }
    }
}

/// Whether other threads would help: handing work to a pool of one costs two changes of threads, and gains nothing.
fn has_help() -> bool {
    rayon::current_num_threads() > 1
}

/// How many records from the front may be decoded at once without knowing what is in them.
fn group_len(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take(CHUNK_RECORDS).take_while(|record| {
        bytes += if looks_like_text(&record.data) { record.data.len() } else { MAX_RECORD_BYTES };
        bytes <= GROUP_BYTES
    });
    fitting.count().max(1)
}

/// Whether the record holds its events as they are; compressed ones may grow to [`MAX_RECORD_BYTES`].
fn looks_like_text(data: &[u8]) -> bool {
    data.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}
