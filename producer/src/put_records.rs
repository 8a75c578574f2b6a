//! One `PutRecords`: what goes in, what comes out, and which records must be sent again.

pub mod kinesis;
pub(crate) mod refused;

use crate::error::StreamProblem;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What records are ordered by, and what chooses the shard unless `explicit_hash_key` does.
    pub(crate) partition_key: String,
    /// A place in the hash space of the shards, 0 to 2^128 - 1 in decimal.
    pub(crate) explicit_hash_key: Option<String>,
    /// The events.
    pub(crate) data: Vec<u8>,
}

impl Record {
    /// What counts towards the limits.
    pub(crate) fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// What became of one record in a request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This shard has it.
    Accepted(String),
    /// The stream refused it; it may take it later.
    Refused {
        /// Kinesis's error code.
        code: String,
        /// The shard, where the message names it.
        shard: Option<String>,
    },
}

/// Why a request as a whole was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// It may go better later; the reason in a word. The records may have been accepted all the same.
    Passing(String),
    /// It will not.
    Final(StreamProblem),
}

/// What takes records: Kinesis, or a test's script.
pub(crate) trait Target: Send + Sync + 'static {
    /// One request. One answer a record, in order.
    fn put<'a>(
        &self,
        records: impl Iterator<Item = &'a Record> + Send,
    ) -> impl Future<Output = Result<Vec<Answer>, RequestError>> + Send;
}
