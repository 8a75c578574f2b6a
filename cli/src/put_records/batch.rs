//! Records gathered into requests.

use super::{MAX_REQUEST_BYTES, MAX_REQUEST_RECORDS, Record};

/// Gathers records until a request is full.
#[derive(Debug, Default)]
pub(super) struct Batcher {
    records: Vec<Record>,
    bytes: usize,
}

impl Batcher {
    /// Takes a record. Where it no longer fits with those before it, they are handed out; where it makes the request
    /// full, it is handed out with them.
    pub(super) fn push(&mut self, record: Record) -> Option<Vec<Record>> {
        let bytes = record.bytes();
        let full = (self.bytes + bytes > MAX_REQUEST_BYTES && !self.records.is_empty()).then(|| self.take());
        self.records.push(record);
        self.bytes += bytes;
        full.or_else(|| (self.records.len() >= MAX_REQUEST_RECORDS).then(|| self.take()))
    }

    /// Hands out what there is.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::put_records::MAX_RECORD_BYTES;

    fn record(bytes: usize) -> Record {
        Record { partition_key: "k".into(), data: vec![b'x'; bytes - 1] }
    }

    fn sizes(records: impl IntoIterator<Item = Record>) -> Vec<usize> {
        let mut batcher = Batcher::default();
        let mut batches: Vec<_> = records.into_iter().filter_map(|record| batcher.push(record)).collect();
        batches.push(batcher.take());
        for batch in &batches {
            let bytes: usize = batch.iter().map(Record::bytes).sum();
            assert!(batch.len() <= MAX_REQUEST_RECORDS && bytes <= MAX_REQUEST_BYTES, "{} of {bytes}", batch.len());
        }
        batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_request_has_at_most_500_records() {
        assert_eq!(sizes((0..499).map(|_| record(10))), [499]);
        assert_eq!(sizes((0..500).map(|_| record(10))), [500, 0]);
        assert_eq!(sizes((0..1_201).map(|_| record(10))), [500, 500, 201]);
    }

    #[test]
    fn a_request_has_at_most_5_mebibytes() {
        assert_eq!(sizes((0..5).map(|_| record(MAX_RECORD_BYTES))), [5]);
        assert_eq!(sizes((0..11).map(|_| record(MAX_RECORD_BYTES))), [5, 5, 1]);
        let uneven = [MAX_RECORD_BYTES, 10, MAX_RECORD_BYTES, MAX_RECORD_BYTES, MAX_RECORD_BYTES, MAX_RECORD_BYTES];
        assert_eq!(sizes(uneven.map(record)), [5, 1]);
    }

    #[test]
    fn the_bytes_start_anew_with_each_request() {
        let mut batcher = Batcher::default();
        for _ in 0..3 {
            assert_eq!(batcher.push(record(MAX_RECORD_BYTES)), None);
            assert_eq!(batcher.take().len(), 1);
            assert_eq!(batcher.bytes, 0);
        }
    }
}
