//! The thread that writes the journal: gathers what waits, writes it as one frame, syncs once, answers all.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use headcount_core::origin::SequenceNumber;
use tokio::sync::{mpsc, oneshot};

use super::tail::TailFile;
use super::{Processed, segment};
use crate::data_dir::sync_directory;

/// What is written at once, at most by one put more.
const WRITE_BYTES: usize = 8 << 20;

/// A file in use of fewer bytes stays although all of it is processed: it costs less than another one.
const WORTH_FORGETTING_BYTES: u64 = 1 << 20;

/// What the thread is asked.
pub(super) enum Message {
    /// To write the content of a frame.
    Append {
        bytes: Vec<u8>,
        /// The highest sequence number in it of each shard.
        highest: BTreeMap<String, SequenceNumber>,
        done: oneshot::Sender<Result<(), String>>,
    },
    /// To remove files that are processed.
    Forget { processed: Processed, done: oneshot::Sender<()> },
}

type Waiting = Vec<oneshot::Sender<Result<(), String>>>;

/// A file of this run.
struct Segment {
    path: PathBuf,
    file: File,
    /// What is written and synced.
    bytes: u64,
    /// Whether more may be in the file than that.
    is_unsure: bool,
    highest: BTreeMap<String, SequenceNumber>,
}

/// The state of the thread.
pub(super) struct Writer {
    dir: PathBuf,
    arn: String,
    segment_bytes: u64,
    next: u64,
    /// Files of earlier runs.
    found: Vec<PathBuf>,
    closed: Vec<Segment>,
    current: Option<Segment>,
    tail: TailFile,
}

impl Writer {
    pub(super) fn new(
        dir: PathBuf,
        arn: String,
        segment_bytes: u64,
        next: u64,
        found: Vec<PathBuf>,
        tail: TailFile,
    ) -> Self {
        Self { dir, arn, segment_bytes, next, found, closed: Vec::new(), current: None, tail }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut kept_back = None;
        while let Some(message) = kept_back.take().or_else(|| messages.blocking_recv()) {
            let (mut content, mut highest, first) = match message {
                Message::Append { bytes, highest, done } => (bytes, highest, done),
                Message::Forget { processed, done } => {
                    self.forget(&processed);
                    // Nobody may be waiting any more.
                    let _ = done.send(());
                    continue;
                }
            };
            let mut waiting = vec![first];
            while content.len() < WRITE_BYTES {
                match messages.try_recv() {
                    Ok(Message::Append { bytes, highest: more, done }) => {
                        content.extend(bytes);
                        raise(&mut highest, more);
                        waiting.push(done);
                    }
                    Ok(other) => {
                        kept_back = Some(other);
                        break;
                    }
                    Err(_) => break,
                }
            }
            answer(waiting, self.append(&content, highest));
        }
    }

    /// Writes and syncs one frame.
    fn append(&mut self, content: &[u8], highest: BTreeMap<String, SequenceNumber>) -> io::Result<()> {
        if let Some(full) = self.current.take_if(|segment| segment.bytes >= self.segment_bytes && !segment.is_unsure) {
            self.closed.push(full);
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(Segment::create(segment::path(&self.dir, self.next), &self.arn)?),
        };
        self.next = segment::number(&current.path).unwrap_or(self.next) + 1;
        current.append(&segment::frame(content))?;
        raise(&mut current.highest, highest);
        self.tail.set(segment::number(&current.path).unwrap_or_default(), Some(current.bytes));
        Ok(())
    }

    /// Removes the files all records of which are processed. What cannot be removed is found again, and not delivered,
    /// for the checkpoints are beyond it.
    fn forget(&mut self, processed: &Processed) {
        let tail = &mut self.tail;
        if processed.backlog {
            self.found.retain(|path| !remove(path, tail));
        }
        self.closed.retain(|segment| !(segment.is_processed(processed) && remove(&segment.path, tail)));
        let least = if processed.finally { 0 } else { WORTH_FORGETTING_BYTES };
        let goes = |segment: &mut Segment| {
            segment.bytes >= least && segment.is_processed(processed) && remove(&segment.path, tail)
        };
        drop(self.current.take_if(goes));
    }
}

impl Segment {
    fn create(path: PathBuf, arn: &str) -> io::Result<Self> {
        let header = segment::header(arn);
        // Over what an earlier try may have left: nothing in it was answered.
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        file.write_all(&header)?;
        file.sync_all()?;
        sync_directory(&path)?;
        Ok(Self { path, file, bytes: header.len() as u64, is_unsure: false, highest: BTreeMap::new() })
    }

    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.is_unsure {
            self.repair()?;
        }
        self.is_unsure = true;
        self.file.write_all(frame)?;
        self.file.sync_data()?;
        self.bytes += frame.len() as u64;
        self.is_unsure = false;
        Ok(())
    }

    /// Cuts off what a failed write may have left.
    fn repair(&mut self) -> io::Result<()> {
        use std::io::Seek as _;
        self.file.set_len(self.bytes)?;
        self.file.seek(io::SeekFrom::Start(self.bytes))?;
        self.file.sync_all()
    }

    fn is_processed(&self, processed: &Processed) -> bool {
        self.highest.iter().all(|(shard, highest)| processed.shards.get(shard).is_some_and(|done| highest <= done))
    }
}

fn raise(highest: &mut BTreeMap<String, SequenceNumber>, more: BTreeMap<String, SequenceNumber>) {
    for (shard, sequence) in more {
        let known = highest.entry(shard).or_insert_with(|| sequence.clone());
        if *known < sequence {
            *known = sequence;
        }
    }
}

fn answer(waiting: Waiting, outcome: io::Result<()>) {
    if let Err(error) = &outcome {
        tracing::error!(%error, puts = waiting.len(), "accepted records could not be written to the journal");
    }
    let outcome = outcome.map_err(|error| error.to_string());
    for done in waiting {
        // A sender that went away does not wait for its answer.
        let _ = done.send(outcome.clone());
    }
}

/// Whether the file is gone. That it may go is noted before.
fn remove(path: &Path, tail: &mut TailFile) -> bool {
    tail.set(segment::number(path).unwrap_or_default(), None);
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a file of the journal could not be removed");
            false
        }
    }
}
