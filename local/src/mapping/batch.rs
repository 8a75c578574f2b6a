//! Batches: records as the function receives them, cut to count and payload, and what the function's answer means.

use std::collections::{HashMap, VecDeque};
use std::io;

use aws_lambda_events::event::kinesis::{KinesisEventRecord, KinesisRecord};
use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_sdk_kinesis::types::Record;

use crate::stream::accepted::arrived_at;

/// The longest payload of a call, in bytes of JSON with base64 (the service's "6 MB").
pub(super) const MAX_PAYLOAD_BYTES: usize = 6 << 20;

/// The payload around the records: `{"Records":[]}`.
const ENVELOPE_BYTES: usize = 14;

/// The role that the service would call the function as.
const INVOKE_IDENTITY_ARN: &str = "arn:aws:iam::000000000000:role/headcount-local";

/// Where the records of one shard come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The stream's ARN.
    pub(super) arn: String,
    /// The shard's id.
    pub(super) shard: String,
}

/// A record as the function receives it, and the bytes that it takes in the payload.
#[derive(Clone, Debug)]
pub(super) struct Item {
    record: KinesisEventRecord,
    bytes: usize,
}

impl Source {
    pub(super) fn item(&self, record: Record) -> Item {
        let arrival = record.approximate_arrival_timestamp();
        let arrival = arrival.map(arrived_at).unwrap_or_default();
        let mut kinesis = KinesisRecord::default();
        kinesis.approximate_arrival_timestamp.0 = arrival;
        kinesis.kinesis_schema_version = Some("1.0".into());
        let mut event = KinesisEventRecord::default();
        event.event_id = Some(format!("{}:{}", self.shard, record.sequence_number));
        event.event_name = Some("aws:kinesis:record".into());
        event.event_source = Some("aws:kinesis".into());
        event.event_source_arn = Some(self.arn.clone());
        event.event_version = Some("1.0".into());
        event.invoke_identity_arn = Some(INVOKE_IDENTITY_ARN.into());
        event.aws_region = self.arn.split(':').nth(3).map(str::to_owned);
        kinesis.partition_key = record.partition_key.unwrap_or_default();
        kinesis.sequence_number = record.sequence_number;
        event.kinesis = kinesis;
        // Measured before the data is in it: base64 takes four bytes for every three, and a comma parts two records.
        let data = record.data.into_inner();
        let bytes = written_bytes(&event) + data.len().div_ceil(3) * 4 + 1;
        event.kinesis.data.0 = data;
        Item { record: event, bytes }
    }
}

/// The bytes of the record's JSON.
fn written_bytes(record: &KinesisEventRecord) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and the record has nothing that JSON cannot say.
    serde_json::to_writer(&mut count, record).map_or(0, |()| count.0)
}

/// The records of a shard that were read and not yet handed to the function, in order.
#[derive(Debug, Default)]
pub(super) struct Pending {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Pending {
    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.bytes;
        self.items.push_back(item);
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether no further record would fit into the batch.
    pub(super) fn is_full(&self, batch_size: usize) -> bool {
        self.len() >= batch_size || self.bytes + ENVELOPE_BYTES >= MAX_PAYLOAD_BYTES
    }

    /// The first records that make a batch: at least one, and no more than count and payload allow.
    pub(super) fn take(&mut self, batch_size: usize) -> Vec<KinesisEventRecord> {
        let mut payload = ENVELOPE_BYTES;
        let mut batch = Vec::with_capacity(self.len().min(batch_size));
        while let Some(item) = self.items.pop_front() {
            let fits = batch.len() < batch_size && payload + item.bytes <= MAX_PAYLOAD_BYTES;
            if !fits && !batch.is_empty() {
                self.items.push_front(item);
                break;
            }
            payload += item.bytes;
            self.bytes -= item.bytes;
            batch.push(item.record);
        }
        batch
    }
}

/// What a function's answer means for its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every record was processed.
    All,
    /// The records before this one were processed; it goes on from this one.
    From(usize),
    /// Nothing counts as processed.
    Whole(String),
}

/// Reads the batch item failures of an answer: on from the lowest one; an answer that names none of the batch's records
/// is no answer, and the whole batch has failed.
pub(super) fn judge(batch: &[KinesisEventRecord], answer: &KinesisEventResponse) -> Verdict {
    let failures = &answer.batch_item_failures;
    if failures.is_empty() {
        return Verdict::All;
    }
    let places: HashMap<&str, usize> =
        batch.iter().enumerate().map(|(at, record)| (record.kinesis.sequence_number.as_str(), at)).collect();
    let mut lowest = batch.len();
    for failure in failures {
        match failure.item_identifier.as_deref() {
            None | Some("") => return Verdict::Whole("the function answered with an empty item identifier".into()),
            Some(named) => match places.get(named) {
                None => {
                    return Verdict::Whole(
                        "the function answered with an item identifier that is not of the batch".into(),
                    );
                }
                Some(&at) => lowest = lowest.min(at),
            },
        }
    }
    Verdict::From(lowest)
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::kinesis::KinesisEvent;
    use aws_sdk_kinesis::primitives::Blob;

    use super::*;

    fn source() -> Source {
        let arn = "arn:aws:kinesis:eu-central-1:000000000000:stream/events".into();
        Source { arn, shard: "shardId-000000000003".into() }
    }

    fn item(number: u32, data: &[u8]) -> Item {
        let record = Record::builder()
            .sequence_number(number.to_string())
            .partition_key("ключ \"k\"\n")
            .data(Blob::new(data))
            .approximate_arrival_timestamp(aws_sdk_kinesis::primitives::DateTime::from_millis(1_700_000_000_250));
        source().item(record.build().unwrap())
    }

    fn pending(sizes: impl IntoIterator<Item = usize>) -> Pending {
        let mut pending = Pending::default();
        for (number, size) in sizes.into_iter().enumerate() {
            pending.push(item(number as u32, &vec![b'x'; size]));
        }
        pending
    }

    #[test]
    fn a_record_carries_what_the_service_sends() {
        let record = item(7, b"data").record;
        assert_eq!(record.event_id.as_deref(), Some("shardId-000000000003:7"));
        assert_eq!(record.event_source_arn, Some(source().arn));
        assert_eq!(record.aws_region.as_deref(), Some("eu-central-1"));
        assert_eq!(record.event_name.as_deref(), Some("aws:kinesis:record"));
        assert!(record.invoke_identity_arn.is_some());
        assert_eq!(record.kinesis.approximate_arrival_timestamp.timestamp_millis(), 1_700_000_000_250);
        assert_eq!(record.kinesis.sequence_number, "7");
        assert_eq!(record.kinesis.data.0, b"data");
    }

    #[test]
    fn the_payload_is_measured_to_the_byte() {
        for sizes in [vec![0], vec![1, 2, 3, 4], vec![1000, 65, 64, 63]] {
            let mut pending = pending(sizes.clone());
            let mut event = KinesisEvent::default();
            let measured = pending.bytes + ENVELOPE_BYTES;
            event.records = pending.take(100);
            let written = serde_json::to_vec(&event).unwrap().len();
            assert_eq!(measured - 1, written, "one comma less than records: {sizes:?}");
        }
    }

    #[test]
    fn a_batch_is_cut_to_count_and_payload() {
        let lengths = |mut pending: Pending, batch_size| {
            let mut lengths = Vec::new();
            while !pending.is_empty() {
                lengths.push(pending.take(batch_size).len());
            }
            assert_eq!(pending.bytes, 0);
            lengths
        };
        assert_eq!(lengths(pending([10; 7]), 3), [3, 3, 1]);
        assert_eq!(lengths(pending([10; 7]), 7), [7]);
        // 1 MiB is 1.33 MiB as base64: four of them fit into 6 MiB, five do not.
        assert_eq!(lengths(pending([1 << 20; 9]), 100), [4, 4, 1]);
        // A record that is too large by itself still goes, alone.
        assert_eq!(lengths(pending([10, 5 << 20, 10]), 100), [1, 1, 1]);
        assert!(!pending([1 << 20; 4]).is_full(100) && pending([1 << 20; 5]).is_full(100));
    }

    #[test]
    fn an_answer_is_judged() {
        let batch = pending([1; 12]).take(100);
        let check = |failures: &[Option<&str>], verdict: Verdict| {
            let mut answer = KinesisEventResponse::default();
            for failure in failures {
                answer.add_failure(failure.unwrap_or_default());
                if failure.is_none() {
                    answer.batch_item_failures.last_mut().unwrap().item_identifier = None;
                }
            }
            assert_eq!(judge(&batch, &answer), verdict, "{failures:?}");
        };
        check(&[], Verdict::All);
        check(&[Some("0")], Verdict::From(0));
        check(&[Some("11")], Verdict::From(11));
        // The lowest as a number, not as text.
        check(&[Some("10"), Some("9"), Some("11")], Verdict::From(9));
        let empty = Verdict::Whole("the function answered with an empty item identifier".into());
        check(&[Some("")], empty.clone());
        check(&[None], empty.clone());
        check(&[Some("3"), Some("")], empty);
        let foreign = Verdict::Whole("the function answered with an item identifier that is not of the batch".into());
        check(&[Some("12")], foreign.clone());
        check(&[Some("3"), Some("shardId-000000000003:4")], foreign);
    }
}
