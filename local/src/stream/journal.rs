//! The journal: what makes an accepted record outlive the process, although the stream itself lives in memory.
//!
//! Before a put is answered with success, its records are appended to a file and the file is synced; puts at the same
//! time share one write and one sync. When all records of a file have been processed, the file goes. A start reads what
//! is left: the [`Backlog`], each record under the shard and the sequence number that it was accepted under.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::Record;
use headcount_core::origin::SequenceNumber;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::data_dir;
use crate::error::LocalError;
use segment::Entry;
use tail::{Tail, TailFile};
use writer::{Message, Writer};

mod segment;
mod tail;
mod writer;

/// The folder in the data directory.
pub(super) const FOLDER: &str = "journal";

/// A file of this many bytes is followed by another.
pub(super) const SEGMENT_BYTES: u64 = 64 << 20;

/// Puts that wait for the file. Beyond, further ones wait for a place.
const QUEUE: usize = 256;

/// A record that the stream accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// When it came, in milliseconds since the epoch.
    pub arrival_ms: i64,
    /// Its partition key.
    pub partition_key: String,
    /// Its data.
    pub data: Vec<u8>,
}

/// Without the data, which is personal.
impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accepted({}, {} bytes)", self.sequence, self.data.len())
    }
}

impl Accepted {
    /// As the stream would hand it out.
    pub(crate) fn into_record(self) -> Record {
        Record::builder()
            .sequence_number(self.sequence.as_str())
            .approximate_arrival_timestamp(DateTime::from_millis(self.arrival_ms))
            .partition_key(self.partition_key)
            .data(Blob::new(self.data))
            .build()
            .expect("a number, a key and data are all that is needed")
    }
}

/// What earlier runs accepted and this one found in the journal, processed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Shard by shard, in the order in which the shards first appear.
    pub lanes: Vec<BacklogLane>,
}

/// The records of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogLane {
    /// The stream's ARN.
    pub arn: String,
    /// The shard's id.
    pub shard: String,
    /// Its records, in the order of their sequence numbers, each once.
    pub records: Vec<Accepted>,
}

impl Backlog {
    fn of(entries: Vec<(String, Entry)>) -> Self {
        let mut places = BTreeMap::new();
        let mut lanes: Vec<BacklogLane> = Vec::new();
        for (arn, Entry { shard, record }) in entries {
            let place = *places.entry((arn.clone(), shard.clone())).or_insert_with(|| {
                lanes.push(BacklogLane { arn, shard, records: Vec::new() });
                lanes.len() - 1
            });
            lanes[place].records.push(record);
        }
        for lane in &mut lanes {
            // Puts at the same time may be written in another order than they were numbered in.
            lane.records.sort_by(|a, b| a.sequence.cmp(&b.sequence));
            lane.records.dedup_by(|a, b| a.sequence == b.sequence);
        }
        Self { lanes }
    }
}

/// What may be forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Processed {
    /// Whether all that was found at the start is processed.
    pub(super) backlog: bool,
    /// How far each shard was processed.
    pub(super) shards: BTreeMap<String, SequenceNumber>,
    /// Whether the file in use may go as well, however short.
    pub(super) finally: bool,
}

/// The journal of one stream. A thread of its own writes it.
#[derive(Debug)]
pub(super) struct Journal {
    messages: mpsc::Sender<Message>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Journal {
    /// Opens the journal of the stream `arn` in `dir`, with what earlier runs left in it.
    ///
    /// # Errors
    /// When the directory cannot be used, another process uses it, or what was accepted is not there as it was written. A put
    /// that was never answered may be torn, at the very end.
    pub(super) fn open(dir: &Path, arn: &str, segment_bytes: u64) -> Result<(Self, Backlog), LocalError> {
        let lock = data_dir::lock(dir, "journal")?;
        data_dir::sync_directory(dir).map_err(|source| data_dir::failed(dir, "synced", source))?;
        let found = segment::list(dir)?;
        let tail = tail::read(dir).unwrap_or_else(|error| {
            tracing::error!(error, dir = %dir.display(), "tail.json is damaged: the journal's files are read as far as they go");
            Tail::default()
        });
        segment::check_all_are_there(dir, &tail, &found)?;
        let (mut entries, mut lengths) = (Vec::new(), Tail::default());
        for (at, path) in found.iter().enumerate() {
            let number = segment::number(path).unwrap_or_default();
            let answered = tail.files.get(&number).copied().unwrap_or_default();
            let segment = segment::read(path, at + 1 == found.len(), answered)?;
            lengths.files.insert(number, segment.bytes);
            let arn = segment.arn;
            entries.extend(segment.entries.into_iter().map(|entry| (arn.clone(), entry)));
        }
        let next = found.last().and_then(|path| segment::number(path)).map_or(0, |last| last + 1);
        let (messages, received) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let tail_file = TailFile::create(dir, lengths).map_err(|source| data_dir::failed(dir, "written", source))?;
        let writer = Writer::new(dir.to_owned(), arn.to_owned(), segment_bytes, next, found, tail_file);
        let run = move || {
            writer.run(received);
            drop(lock);
            // Nobody may be waiting for it.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("journal".into()).spawn(run).map_err(|source| LocalError::DataDir {
            path: dir.to_owned(),
            action: "written by a thread",
            source,
        })?;
        Ok((Self { messages, ended: Mutex::new(Some(ended)) }, Backlog::of(entries)))
    }

    /// Writes accepted records with their shards; when this returns, they are on the disk.
    ///
    /// # Errors
    /// When they could not be written: then their put has not succeeded.
    pub(super) async fn append(&self, records: &[(String, Accepted)]) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut highest: BTreeMap<String, SequenceNumber> = BTreeMap::new();
        let mut shards = BTreeSet::new();
        for (shard, record) in records {
            segment::write_entry(&mut bytes, shard, record)?;
            if shards.insert(shard) || highest.get(shard).is_none_or(|known| *known < record.sequence) {
                highest.insert(shard.clone(), record.sequence.clone());
            }
        }
        let (done, outcome) = oneshot::channel();
        let stopped = || "the journal's writer has stopped".to_owned();
        self.messages.send(Message::Append { bytes, highest, done }).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    /// Removes the files all records of which are processed.
    pub(super) async fn forget(&self, processed: Processed) {
        let (done, outcome) = oneshot::channel();
        if self.messages.send(Message::Forget { processed, done }).await.is_ok() {
            // A writer that has stopped forgets nothing, and the next start finds it.
            let _ = outcome.await;
        }
    }

    /// Waits until all is written, and lets go of the directory.
    pub(super) async fn close(self) {
        let Self { messages, ended } = self;
        drop(messages);
        let ended = ended.lock().take();
        if let Some(ended) = ended {
            // An error means the same: the thread has ended.
            let _ = ended.await;
        }
    }
}

#[cfg(test)]
mod tests;
