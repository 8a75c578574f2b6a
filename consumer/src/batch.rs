//! The records of one invocation, and the source that they are of.

use aws_lambda_events::event::kinesis::KinesisEvent;
use headcount_core::origin::{OriginError, SequenceNumber, Source};

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

/// Records of one source, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose log they are appended to.
    pub source: Source,
    /// Where they came from first: the shard, also of a redriven batch. Events without an id take theirs from it.
    pub origin: Source,
    /// The records, in the order of their sequence numbers, none twice.
    pub records: Vec<Record>,
}

/// What was delivered is not the payload of an event source mapping of a Kinesis stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A record does not say which shard of which stream it is of, or its sequence number.
    #[error(
        "not a Kinesis event source mapping payload: {field} of record {index} is {value:?}; invoke this function only by \
         an event source mapping of a Kinesis stream"
    )]
    Field {
        /// The record's index in the batch.
        index: usize,
        /// The field of the record.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// It cannot be read at all.
    #[error("not a Kinesis event source mapping payload: {0}")]
    Unreadable(String),
    /// Records of two shards.
    #[error("the batch mixes records of {0} and {1}: an event source mapping delivers one shard at a time")]
    Mixed(Source, Source),
    /// The stream has a name that the log keeps for other sources.
    #[error(transparent)]
    Source(#[from] OriginError),
}

impl Batch {
    /// Records of one shard as a mapping delivers them.
    pub fn of_shard(source: Source, records: Vec<Record>) -> Self {
        Self::new(source.clone(), source, records)
    }

    /// Records that came from `origin` first, for the log of `source`.
    pub fn new(source: Source, origin: Source, mut records: Vec<Record>) -> Self {
        // A mapping delivers in order and once a batch; records that are replayed by hand may come otherwise.
        records.sort_by(|a, b| a.sequence.cmp(&b.sequence));
        records.dedup_by(|later, earlier| later.sequence == earlier.sequence);
        Self { source, origin, records }
    }

    /// The batch of one invocation; `None` where it has no records. `generation` tells a stream that was deleted and created
    /// again under its old name from the first one.
    ///
    /// # Errors
    ///
    /// [`BatchError`], where a record does not name its shard or sequence number, or names another shard.
    pub fn parse(event: KinesisEvent, generation: Option<&str>) -> Result<Option<Self>, BatchError> {
        let mut gathered = Gathered::new(generation);
        for delivered in event.records {
            let kinesis = delivered.kinesis;
            gathered.add(
                delivered.event_source_arn.as_deref().unwrap_or_default(),
                delivered.event_id.as_deref().unwrap_or_default(),
                &kinesis.sequence_number,
                kinesis.approximate_arrival_timestamp.timestamp_millis(),
                kinesis.data.0,
            )?;
        }
        Ok(gathered.into_batch())
    }
}

/// Records that are added one by one, all of one shard.
#[derive(Debug)]
pub(crate) struct Gathered<'a> {
    generation: Option<&'a str>,
    /// The source, and the stream's ARN and the shard that named it.
    source: Option<(Source, String, String)>,
    records: Vec<Record>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(generation: Option<&'a str>) -> Self {
        Self { generation, source: None, records: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        stream_arn: &str,
        event_id: &str,
        sequence: &str,
        arrived_ms: i64,
        data: Vec<u8>,
    ) -> Result<(), BatchError> {
        let index = self.records.len();
        let field = |field, value: &str| BatchError::Field { index, field, value: value.chars().take(200).collect() };
        let shard = event_id.rsplit_once(':').map(|(shard, _)| shard).ok_or_else(|| field("eventID", event_id))?;
        let is_known = |(_, arn, name): &(Source, String, String)| arn == stream_arn && name == shard;
        if !self.source.as_ref().is_some_and(is_known) {
            let stream = stream_arn.rsplit_once(":stream/").map(|(_, name)| name);
            let stream = stream.ok_or_else(|| field("eventSourceARN", stream_arn))?;
            let source = Source::shard(stream, self.generation, shard)?;
            match &self.source {
                Some((first, ..)) if *first != source => return Err(BatchError::Mixed(first.clone(), source)),
                _ => self.source = Some((source, stream_arn.to_owned(), shard.to_owned())),
            }
        }
        let sequence = sequence.parse().map_err(|_| field("kinesis.sequenceNumber", sequence))?;
        self.records.push(Record { sequence, arrived_ms, data });
        Ok(())
    }

    pub(crate) fn into_batch(self) -> Option<Batch> {
        let records = self.records;
        self.source.map(|(source, ..)| Batch::of_shard(source, records))
    }
}
