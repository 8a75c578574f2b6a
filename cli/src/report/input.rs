//! Where threads get their chunks from: the files, one after the other.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::chunks::{Chunk, Chunks};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// The files.
pub(crate) struct Input {
    /// Those that are not begun yet.
    files: VecDeque<PathBuf>,
    current: Option<Chunks>,
    /// Bytes of all files.
    bytes: u64,
    /// Bytes of the files that are done.
    done: u64,
    next_line: u64,
    progress: Option<Progress>,
    interrupt: Interrupt,
    /// Why there is no more before the end.
    stopped: Option<Stopped>,
}

/// Why reading ended early.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Somebody asked.
    Interrupted,
    /// A file cannot be read.
    Failed(Failure),
}

impl Input {
    /// Opens each file once, to see that it is there.
    pub(crate) fn new(files: &[PathBuf], interrupt: &Interrupt) -> Result<Self, Failure> {
        let mut bytes = 0;
        for file in files {
            bytes += Chunks::open(file, 1)?.size();
        }
        Ok(Self {
            files: files.iter().cloned().collect(),
            current: None,
            bytes,
            done: 0,
            next_line: 1,
            progress: Some(Progress::start("reading bytes", Some(bytes))),
            interrupt: interrupt.clone(),
            stopped: None,
        })
    }

    /// Bytes of all files, as they are on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes `chunk` the next one; whether there is one. After a failure there is none.
    pub(crate) fn next(&mut self, chunk: &mut Chunk) -> bool {
        if self.stopped.is_none() && self.interrupt.is_asked() {
            self.stopped = Some(Stopped::Interrupted);
        }
        let is_filled = self.stopped.is_none()
            && self.fill(chunk).unwrap_or_else(|failure| {
                self.stopped = Some(Stopped::Failed(failure));
                false
            });
        if !is_filled && let Some(progress) = self.progress.take() {
            progress.finish();
        }
        is_filled
    }

    fn fill(&mut self, chunk: &mut Chunk) -> Result<bool, Failure> {
        loop {
            let chunks = match &mut self.current {
                Some(chunks) => chunks,
                None => match self.files.pop_front() {
                    Some(file) => self.current.insert(Chunks::open(&file, self.next_line)?),
                    None => return Ok(false),
                },
            };
            if chunks.next(chunk)? {
                if let Some(progress) = &mut self.progress {
                    progress.set(self.done + chunks.read());
                }
                return Ok(true);
            }
            (self.done, self.next_line) = (self.done + chunks.size(), chunks.next_line());
            self.current = None;
        }
    }

    /// Why there is no more, where it is not the end of the files.
    pub(crate) fn stopped(self) -> Option<Stopped> {
        self.stopped
    }
}
