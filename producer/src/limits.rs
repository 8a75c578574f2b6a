//! The bounds of Kinesis that sending must keep, each with its unit and its source (Kinesis Data Streams, "Quotas and
//! limits" and the reference of `PutRecords`).

/// Records in one `PutRecords`.
pub const MAX_REQUEST_RECORDS: usize = 500;

/// Bytes of the data and partition keys of one `PutRecords`: 5 MiB, where the embedded stream stops. Kinesis takes 10.
pub const MAX_REQUEST_BYTES: usize = 5 << 20;

/// Bytes of one record's data and partition key: 1 MiB, what a stream of Kinesis takes unless configured otherwise.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Characters of a partition key.
pub const MAX_PARTITION_KEY_CHARS: usize = 256;

/// Bytes a second that one shard takes (1 MB).
pub const SHARD_BYTES_PER_SECOND: f64 = 1_000_000.0;

/// Records a second that one shard takes.
pub const SHARD_RECORDS_PER_SECOND: f64 = 1_000.0;

/// Bytes of JSON that are packed into one record at most. Even events that do not compress at all then stay below
/// [`MAX_RECORD_BYTES`], and a reader's bound of 4 MiB decompressed is far.
pub const MAX_PACKED_BYTES: usize = 1_000_000;

/// Partition groups at most: beyond the shards of any stream they only make records smaller.
pub const MAX_PARTITION_GROUPS: u32 = 4_096;
