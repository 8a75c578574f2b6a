//! KPL aggregated records: many small records in one, as the Kinesis Producer Library writes them.
//!
//! A magic number, a protobuf message, and the MD5 of the message ("KPL Aggregated Record Format", awslabs). The message
//! has a table of partition keys, a table of explicit hash keys, and the records, which point into the tables.

use std::fmt;

use md5::{Digest as _, Md5};
use prost::Message;

use super::{MAX_SPOILT_PARTS, RecordError};
use crate::limits::MAX_EVENTS_PER_RECORD;

/// What an aggregated record begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Bytes of the MD5 at its end.
const DIGEST_BYTES: usize = 16;

/// Records in an aggregated record, and entries of its tables, at most: each record holds an event, if it holds anything.
pub const MAX_SUB_RECORDS: usize = MAX_EVENTS_PER_RECORD;

/// The message.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_keys: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<SubRecord>,
}

/// One record in it. Its tags (field 4) mean nothing to us, and are not kept.
#[derive(Clone, PartialEq, Message)]
struct SubRecord {
    #[prost(uint64, required, tag = "1")]
    partition_key: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// What keeps an aggregated record from being taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Too short for a magic number and an MD5.
    Short,
    /// The MD5 is another's.
    Checksum,
    /// No protobuf message, or not this one; what the decoder said.
    Message(String),
    /// A table with more than [`MAX_SUB_RECORDS`] entries.
    Table,
    /// More than [`super::MAX_SPOILT_PARTS`] of its records cannot be taken apart.
    Parts,
    /// A record that points outside of a table.
    Index {
        /// Which record, from 0.
        record: usize,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it is too short"),
            Self::Checksum => f.write_str("its MD5 does not match its content"),
            Self::Message(detail) => write!(f, "its message cannot be read: {detail}"),
            Self::Table => write!(f, "a table of its keys has more than {MAX_SUB_RECORDS} entries"),
            Self::Parts => write!(f, "more than {MAX_SPOILT_PARTS} of its records cannot be decompressed"),
            Self::Index { record } => write!(f, "its record {record} names a key that is not in its tables"),
        }
    }
}

/// The data of the records in an aggregated record, in order. Which shard their keys belong to is not asked: what arrived in
/// a shard arrives in no other one, and after a reshard the keys of a record that was on its way belong elsewhere.
///
/// # Errors
/// It is damaged, or has more than [`MAX_SUB_RECORDS`] records.
pub fn take_apart(data: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
    let damaged = |damage| RecordError::Aggregate { damage };
    let rest = data.strip_prefix(&MAGIC).ok_or_else(|| damaged(Damage::Short))?;
    let (message, digest) = rest.split_last_chunk::<DIGEST_BYTES>().ok_or_else(|| damaged(Damage::Short))?;
    if Md5::digest(message).as_slice() != digest {
        return Err(damaged(Damage::Checksum));
    }
    check_counts(message)?;
    let unreadable = |error: prost::DecodeError| damaged(Damage::Message(error.to_string()));
    let aggregate = AggregatedRecord::decode(message).map_err(unreadable)?;
    let has = |table: &[String], index: u64| usize::try_from(index).is_ok_and(|index| index < table.len());
    for (number, record) in aggregate.records.iter().enumerate() {
        let is_placed = has(&aggregate.partition_keys, record.partition_key)
            && record.explicit_hash_key.is_none_or(|index| has(&aggregate.explicit_hash_keys, index));
        if !is_placed {
            return Err(damaged(Damage::Index { record: number }));
        }
    }
    Ok(aggregate.records.into_iter().map(|record| record.data).collect())
}

/// How many records an aggregated record has that cannot be taken apart, as far as its message tells: at least one.
pub(crate) fn count_records(data: &[u8]) -> u64 {
    let message = data.strip_prefix(&MAGIC).unwrap_or_default();
    let message = message.split_last_chunk::<DIGEST_BYTES>().map_or(message, |(message, _)| message);
    let mut counts = [0; 4];
    // What was counted until the damage is known to be there.
    let _ = count_fields(message, &mut counts);
    counts[3].clamp(1, MAX_SUB_RECORDS) as u64
}

/// Counts what the message has of each field before anything is made of it: an empty record costs two bytes on the wire
/// and dozens in memory.
fn check_counts(message: &[u8]) -> Result<(), RecordError> {
    let mut counts = [0; 4];
    count_fields(message, &mut counts)?;
    match counts {
        [_, _, _, records] if records > MAX_SUB_RECORDS => Err(RecordError::TooManyEvents { count: records as u64 }),
        [_, keys, hash_keys, _] if keys.max(hash_keys) > MAX_SUB_RECORDS => {
            Err(RecordError::Aggregate { damage: Damage::Table })
        }
        _ => Ok(()),
    }
}

fn count_fields(message: &[u8], counts: &mut [usize; 4]) -> Result<(), RecordError> {
    let damaged = |damage| RecordError::Aggregate { damage };
    let unreadable = || damaged(Damage::Message("it ends within a field".to_owned()));
    let mut rest = message;
    while !rest.is_empty() {
        let key = prost::decode_length_delimiter(&mut rest).map_err(|_| unreadable())?;
        let skip = match key & 7 {
            0 => {
                prost::decode_length_delimiter(&mut rest).map_err(|_| unreadable())?;
                0
            }
            1 => 8,
            2 => prost::decode_length_delimiter(&mut rest).map_err(|_| unreadable())?,
            5 => 4,
            _ => return Err(damaged(Damage::Message("it has a field of no known kind".to_owned()))),
        };
        rest = rest.get(skip..).ok_or_else(unreadable)?;
        if let Some(count) = counts.get_mut(key >> 3) {
            *count += 1;
        }
    }
    Ok(())
}

/// Records that become one aggregated record.
///
/// ```
/// use headcount_core::wire::kpl::{Aggregate, take_apart};
/// let mut aggregate = Aggregate::new("170141183460469231731687303715884105728");
/// aggregate.push("user-1", b"{}".to_vec());
/// aggregate.push("user-2", b"[]".to_vec());
/// assert_eq!(take_apart(&aggregate.finish()).unwrap(), [b"{}", b"[]"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate(AggregatedRecord);

impl Aggregate {
    /// An empty one. All its records get this explicit hash key, that of the record which they make together: readers that drop
    /// what belongs to another shard then keep them all.
    pub fn new(explicit_hash_key: &str) -> Self {
        let explicit_hash_keys = vec![explicit_hash_key.to_owned()];
        Self(AggregatedRecord { partition_keys: Vec::new(), explicit_hash_keys, records: Vec::new() })
    }

    /// Adds a record.
    pub fn push(&mut self, partition_key: &str, data: Vec<u8>) {
        let keys = &mut self.0.partition_keys;
        // Neighbours often share their key; a search through all would take longer than the bytes are worth.
        if keys.last().is_none_or(|last| last != partition_key) {
            keys.push(partition_key.to_owned());
        }
        let record = SubRecord { partition_key: keys.len() as u64 - 1, explicit_hash_key: Some(0), data };
        self.0.records.push(record);
    }

    /// Bytes that a record of this key and so many bytes adds at most.
    pub fn cost(partition_key: &str, data_bytes: usize) -> usize {
        /// Field keys and lengths of the record, its data and its key, and two indexes.
        const FRAMING: usize = 24;
        partition_key.len() + data_bytes + FRAMING
    }

    /// The aggregated record's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        // A vector takes whatever is written into it.
        let _ = self.0.encode(&mut bytes);
        let digest = Md5::digest(&bytes[MAGIC.len()..]);
        bytes.extend_from_slice(&digest);
        bytes
    }
}

#[cfg(test)]
mod tests;
