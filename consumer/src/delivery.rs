//! The JSON of an invocation, read into records in one go: what it says with every record is compared, not copied.

mod quick;
mod raw;

use aws_lambda_events::event::kinesis::KinesisEvent;
use headcount_core::origin::Source;

use crate::batch::{Batch, BatchError, Record, source_of};
use raw::Invocation;

pub(crate) use raw::ArrivedMs;

/// What an event source mapping delivered: a source's records, or why it is no such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery(pub(crate) Result<Option<Batch>, BatchError>);

impl From<KinesisEvent> for Delivery {
    fn from(event: KinesisEvent) -> Self {
        Self(Batch::parse(event))
    }
}

impl Delivery {
    /// Reads what Lambda hands a function.
    pub fn from_json(json: &[u8]) -> Self {
        let records = quick::read(json).unwrap_or_else(|| {
            let invocation: Invocation =
                serde_json::from_slice(json).map_err(|error| BatchError::Unreadable(error.to_string()))?;
            invocation.records.0
        });
        Self(records.map(|gathered| gathered.source.map(|source| Batch::new(source, gathered.records))))
    }
}

/// Records of one source.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gathered {
    source: Option<Source>,
    /// How the last record wrote it: the stream's ARN, and the shard.
    written: (String, String),
    records: Vec<Record>,
}

impl Gathered {
    fn add(&mut self, raw: Delivered<'_>) -> Result<(), BatchError> {
        let index = self.records.len();
        let shard = raw.event_id.rsplit_once(':').map_or("", |(shard, _)| shard);
        if self.source.is_none() || self.written.0 != raw.stream || self.written.1 != shard {
            let of = source_of(index, raw.stream, raw.event_id)?;
            match &self.source {
                None => self.source = Some(of),
                Some(first) if *first == of => {}
                Some(first) => return Err(BatchError::Mixed(first.clone(), of)),
            }
            self.written = (raw.stream.to_owned(), shard.to_owned());
        }
        let sequence = raw.sequence.parse().map_err(|_| BatchError::Field {
            index,
            field: "kinesis.sequenceNumber",
            value: raw.sequence.to_owned(),
        })?;
        self.records.push(Record { sequence, arrived_ms: raw.arrived.0, data: raw.data });
        Ok(())
    }
}

/// What is read of one record.
struct Delivered<'a> {
    /// `eventSourceARN`, empty where it is not there; so are all texts here.
    stream: &'a str,
    event_id: &'a str,
    sequence: &'a str,
    arrived: ArrivedMs,
    data: Vec<u8>,
}

#[cfg(test)]
mod tests;
