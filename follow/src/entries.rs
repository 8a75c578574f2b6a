//! Entries after a position, from memory where they go on from it, else from the log.

use std::collections::VecDeque;

use headcount_core::origin::Source;
use headcount_log::error::EntryError;
use headcount_log::{Log, LogError};
use tokio::time::Instant;

use crate::appended::Appended;
use crate::error::FollowError;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// The next entry of a source.
pub(crate) enum Next<'a> {
    /// In memory.
    InMemory(&'a Appended<'a>),
    /// In the log, under this number.
    InLog(u64),
    /// There is none.
    None,
}

/// Walks a source's log from a position on, stepping over gaps.
pub(crate) struct Entries<'a> {
    log: &'a Log,
    source: &'a Source,
    fresh: &'a [Appended<'a>],
    /// The number of the log's newest entry, where the caller knows it.
    tail: Option<u64>,
    listed: VecDeque<u64>,
    is_listed_out: bool,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(log: &'a Log, source: &'a Source, fresh: &'a [Appended<'a>], tail: Option<u64>) -> Self {
        Self { log, source, fresh, tail, listed: VecDeque::new(), is_listed_out: false }
    }

    /// The entry after number `after`.
    pub(crate) async fn next(&mut self, after: u64, deadline: Instant) -> Result<Next<'a>, FollowError> {
        if let Some(next) = self.fresh.iter().find(|fresh| fresh.entry == after + 1) {
            return Ok(Next::InMemory(next));
        }
        if self.tail.is_some_and(|tail| tail <= after) {
            return Ok(Next::None);
        }
        while self.listed.front().is_some_and(|listed| *listed <= after) {
            self.listed.pop_front();
        }
        if self.listed.is_empty() && !self.is_listed_out {
            let page = self.log.list_after(self.source, after, LISTED_AT_ONCE, deadline).await?;
            self.is_listed_out = page.len() < LISTED_AT_ONCE;
            self.listed.extend(page.into_iter().map(|entry| entry.entry));
        }
        let Some(next) = self.listed.front() else { return Ok(Next::None) };
        // A gap: expired or lost. What this process appended itself need not be read.
        match self.fresh.iter().find(|fresh| fresh.entry == *next) {
            Some(fresh) => Ok(Next::InMemory(fresh)),
            None => Ok(Next::InLog(*next)),
        }
    }

    /// Reads an entry and hands its content on; what is wrong with it, where it is damaged.
    pub(crate) async fn read(
        &self,
        entry: u64,
        deadline: Instant,
    ) -> Result<Result<ReadEntry, EntryError>, FollowError> {
        let read = match self.log.read(self.source, entry, deadline).await {
            Ok(read) => read,
            Err(LogError::Damaged { detail, .. }) => return Ok(Err(detail)),
            Err(error) => return Err(error.into()),
        };
        let header = read.header.clone();
        Ok(read.open().map(|opened| ReadEntry { header, opened }))
    }
}

/// An entry that was read, whose content borrows from it.
pub(crate) struct ReadEntry {
    header: headcount_log::Header,
    opened: headcount_log::entry::OpenedEntry,
}

impl ReadEntry {
    pub(crate) fn content(&self) -> Result<Appended<'_>, EntryError> {
        Ok(Appended::read(&self.header, self.opened.content()?))
    }
}
