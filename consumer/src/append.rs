//! One chunk becomes one entry. **The conditional put is the commit**: only one writer can create the next entry.

use headcount_core::deployment::Deployment;
use headcount_core::origin::Source;
use headcount_follow::Appended;
use headcount_log::entry::encode;
use headcount_log::{Append, EntryFacts, Log, LogError};
use headcount_runtime::clock::Clock;
use tokio::time::Instant;

use crate::chunk::Decoded;
use crate::compose::{Composed, Tally, compose};
use crate::memory::Memory;
use crate::tail::{Tail, add_entry};

/// What appending works with.
#[derive(Clone, Copy, Debug)]
pub struct Appending<'a> {
    /// The log.
    pub log: &'a Log,
    /// What it belongs to.
    pub deployment: &'a Deployment,
    /// The source.
    pub source: &'a Source,
    /// Events that were appended lately.
    pub memory: &'a Memory,
    /// The wall clock.
    pub clock: &'a Clock,
    /// When to give up.
    pub deadline: Instant,
}

/// A chunk that the log covers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Covered {
    /// The entry that was appended, if there was anything new.
    pub appended: Option<Appended<'static>>,
    /// What became of the records.
    pub tally: Tally,
}

impl Appending<'_> {
    /// Appends what the log does not cover yet, and moves `tail` on. Where somebody else created the next entry, that one is
    /// read, and what it covers is dropped: a put that finds the entry there never counts as ours, even if it was.
    ///
    /// # Errors
    ///
    /// [`LogError`]. The entry may have been created all the same; a later try finds it there.
    pub async fn append(&self, records: &[Decoded<'_>], tail: &mut Tail) -> Result<Covered, LogError> {
        loop {
            let Some(composed) = compose(records, tail.last.as_ref(), self.memory, self.deployment.zone) else {
                let tally = Tally { redelivered: records.len() as u64, ..Tally::default() };
                return Ok(Covered { appended: None, tally });
            };
            let Composed { content, hashes, last, arrived_ms, tally } = composed;
            let entry = tail.entry + 1;
            let appended_ms = self.clock.now_ms();
            let facts = EntryFacts {
                deployment: self.deployment.id.clone(),
                source: self.source.clone(),
                entry,
                last: last.clone(),
                appended_ms,
                arrived_ms,
            };
            let bytes = encode(&facts, &content);
            match self.log.append(self.source, entry, bytes, self.deadline).await? {
                Append::Created => {
                    self.memory.add(hashes);
                    *tail = Tail { entry, last: Some(last.clone()), appended_ms };
                    return Ok(Covered { appended: Some(Appended { entry, last, appended_ms, content }), tally });
                }
                Append::Exists => self.take_over(entry, tail).await?,
            }
        }
    }

    /// Takes over the tail behind an entry that exists.
    async fn take_over(&self, entry: u64, tail: &mut Tail) -> Result<(), LogError> {
        match self.log.read(self.source, entry, self.deadline).await {
            Ok(read) => {
                add_entry(self.memory, &read);
                let read = Tail::behind(&read.header);
                // Sequence numbers only grow; a log that says otherwise is not one to follow backwards.
                let last = read.last.max(tail.last.take());
                *tail = Tail { last, ..read };
                Ok(())
            }
            // What it covered is in no figure, so that its records are appended again behind it.
            Err(LogError::Damaged { detail, .. }) => {
                tracing::error!(source = %self.source, entry, %detail, "an entry of the log is damaged");
                tail.entry = entry;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
