//! How many records are worked on at once: opened, decoded and validated in parallel.

use headcount_core::limits::MAX_RECORD_BYTES;
use headcount_core::origin::Source;
use headcount_core::record::{DecodedRecord, OpenedRecord};
use headcount_core::validate::{Arrival, Rules};
use rayon::prelude::*;

use crate::batch::Record;

/// Records of one chunk: a batch of Lambda's largest size, one event a record, is one chunk.
pub const CHUNK_RECORDS: usize = 10_000;

/// Bytes of opened records (4 MiB, some 10,000 events of ordinary size): once a chunk holds this many, it is finished before
/// more records are opened. It bounds the memory of an invocation, and the size of an entry.
pub const CHUNK_BYTES: usize = 4 << 20;

/// Bytes of records that are opened at once (16 MiB), at most.
const GROUP_BYTES: usize = 16 << 20;

/// Records opened, in order.
#[derive(Debug)]
pub struct Chunk<'a> {
    origin: &'a Source,
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
    pub fn open(origin: &'a Source, records: &'a [Record]) -> Self {
        let (mut opened, mut bytes) = (Vec::new(), 0);
        while opened.len() < records.len().min(CHUNK_RECORDS) && bytes < CHUNK_BYTES {
            let rest = &records[opened.len()..];
            let group = &rest[..group_len(rest)];
            opened.par_extend(group.par_iter().map(|record| OpenedRecord::open(&record.data)));
            bytes += opened[opened.len() - group.len()..].iter().map(OpenedRecord::bytes).sum::<usize>();
        }
        Self { origin, records: &records[..opened.len()], opened }
    }

    /// Its records.
    pub fn records(&self) -> &'a [Record] {
        self.records
    }

    /// Bytes of what its records hold.
    pub fn bytes(&self) -> usize {
        self.opened.iter().map(OpenedRecord::bytes).sum()
    }

    /// Validates and sanitizes what the records hold, in parallel.
    pub fn decode(&self, rules: &Rules) -> Vec<Decoded<'_>> {
        let records = self.records.par_iter().zip(&self.opened);
        records.map(|(record, opened)| self.decode_one(record, opened, rules)).collect()
    }

    fn decode_one<'c>(&self, record: &Record, opened: &'c OpenedRecord<'a>, rules: &Rules) -> Decoded<'c> {
        let Record { sequence, arrived_ms, .. } = record;
        let arrival = Arrival { source: self.origin.clone(), sequence: sequence.clone(), arrived_ms: *arrived_ms };
        let content = opened.decode(&arrival, rules);
        Decoded { arrival, content }
    }
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
