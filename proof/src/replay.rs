//! A source's log read again, for some dates: of each entry what it has of them.

use std::collections::{BTreeSet, VecDeque};

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::future::try_join_all;
use headcount_core::calendar::{end_of, start_of};
use headcount_core::origin::Source;
use headcount_log::error::EntryError;
use headcount_log::{DayBytes, EntryRef, Log, LogError};
use tokio::time::Instant;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// How much earlier than the date begins an entry with its events may have been appended, milliseconds: events lie up to
/// 15 minutes ahead of their arrival, and the clocks of writers differ.
const EARLIER_MS: i64 = 60 * 60 * 1_000;

/// Missing entries that are named one by one between two that are there.
const MAX_NAMED_MISSING: usize = 100;

/// Compressed bytes that are read before they are looked at, about: some ten times as many when decompressed.
const WINDOW_BYTES: u64 = 4 << 20;

/// When entries with events of some dates were appended by a shard's consumer, milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from_ms: i64,
    to_ms: i64,
}

impl Span {
    /// `late_ms` is how long after the end of a day its events may come. None where there are no dates.
    pub fn of(zone: Tz, dates: &BTreeSet<NaiveDate>, late_ms: i64) -> Option<Self> {
        let (first, last) = (dates.first()?, dates.last()?);
        let from_ms = start_of(zone, *first).saturating_sub(EARLIER_MS);
        Some(Self { from_ms, to_ms: end_of(zone, *last).saturating_add(late_ms) })
    }
}

/// What is read of one source.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The log.
    pub log: &'a Log,
    /// The source.
    pub source: &'a Source,
    /// The number of its newest entry.
    pub newest: u64,
    /// The dates.
    pub dates: &'a BTreeSet<NaiveDate>,
    /// When a shard's entries with events of the dates were appended.
    pub span: Span,
    /// The entries that have something of the dates, where they are known: no others are read.
    pub only: Option<&'a BTreeSet<u64>>,
    /// Entries that are read at the same time.
    pub at_once: usize,
    /// Until when.
    pub deadline: Instant,
}

/// An entry that was read, or what is wrong with it.
#[derive(Debug)]
pub struct Replayed {
    /// Its number.
    pub entry: u64,
    /// What it has of the dates.
    pub days: Result<Vec<DayBytes>, EntryError>,
    /// When it was appended, where it can be read, milliseconds since the epoch.
    pub appended_ms: Option<i64>,
}

/// A replay under way.
#[derive(Debug)]
pub struct Walk<'a> {
    replay: Replay<'a>,
    /// Entries up to this one are read whenever they were appended.
    must: u64,
    listed: VecDeque<EntryRef>,
    is_listed_out: bool,
    /// The last entry that a listing named.
    listed_up_to: u64,
    /// The last entry that was read.
    after: u64,
}

impl<'a> Replay<'a> {
    /// Begins at the first entry that may have events of the dates: the first that is there, or in a shard's log the first that was
    /// appended late enough. Entries up to `must` are read whenever they were appended, later ones until events of the dates can
    /// no longer come.
    ///
    /// # Errors
    ///
    /// [`LogError`], where the log cannot be read in time.
    pub async fn walk(self, must: u64) -> Result<Walk<'a>, LogError> {
        let first = match self.only {
            Some(only) => only.first().copied(),
            None => self.first().await?,
        };
        let (is_listed_out, after) = (first.is_none(), first.unwrap_or(1) - 1);
        Ok(Walk { replay: self, must, listed: VecDeque::new(), is_listed_out, listed_up_to: after, after })
    }

    /// A damaged entry counts as late enough, so that none is left out.
    async fn first(&self) -> Result<Option<u64>, LogError> {
        let Some(first) = self.log.list_after(self.source, 0, 1, self.deadline).await?.first().copied() else {
            return Ok(None);
        };
        if !self.source.is_shard() {
            return Ok(Some(first.entry));
        }
        let (mut low, mut high) = (first.entry, self.newest + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.log.read_header(self.source, middle, self.deadline).await {
                Ok(header) if header.facts.appended_ms < self.span.from_ms => low = middle + 1,
                Ok(_) | Err(LogError::Damaged { .. }) => high = middle,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(low))
    }

    async fn read(&self, listed: EntryRef) -> Result<Replayed, LogError> {
        let entry = listed.entry;
        match self.log.read_days(self.source, listed, self.dates, self.deadline).await {
            Ok(read) => Ok(Replayed { entry, days: Ok(read.days), appended_ms: Some(read.header.facts.appended_ms) }),
            Err(LogError::Damaged { detail, .. }) => Ok(Replayed { entry, days: Err(detail), appended_ms: None }),
            Err(error) => Err(error),
        }
    }
}

impl Walk<'_> {
    /// The next entries in their order, damaged and missing ones too: some MiB of them, read at the same time. Empty where there
    /// are no more.
    ///
    /// # Errors
    ///
    /// [`LogError`], where the log cannot be read in time.
    pub async fn next(&mut self) -> Result<Vec<Replayed>, LogError> {
        let mut window = Vec::new();
        while window.is_empty() {
            let listed = self.next_listed().await?;
            if listed.is_empty() {
                window.extend(self.missing_before(u64::MAX));
                self.after = u64::MAX - 1;
                break;
            }
            for read in try_join_all(listed.into_iter().map(|listed| self.replay.read(listed))).await? {
                let is_later = read.appended_ms.is_some_and(|appended_ms| appended_ms > self.replay.span.to_ms);
                let is_known = self.replay.only.is_some();
                if is_later && !is_known && self.replay.source.is_shard() && read.entry > self.must {
                    self.is_listed_out = true;
                    self.listed.clear();
                    break;
                }
                window.extend(self.missing_before(read.entry));
                self.after = read.entry;
                window.push(read);
            }
        }
        Ok(window)
    }

    /// What is missing between the last entry that was read and this one. Behind the last entry of all only what is known to have been
    /// there.
    fn missing_before(&self, entry: u64) -> Vec<Replayed> {
        let between = self.after + 1..entry;
        let missing = |entry| Replayed { entry, days: Err(EntryError::Missing), appended_ms: None };
        match self.replay.only {
            Some(only) if !between.is_empty() => {
                only.range(between).take(MAX_NAMED_MISSING).copied().map(missing).collect()
            }
            None if entry < u64::MAX => between.take(MAX_NAMED_MISSING).map(missing).collect(),
            _ => Vec::new(),
        }
    }

    async fn next_listed(&mut self) -> Result<Vec<EntryRef>, LogError> {
        let Replay { log, source, only, at_once, deadline, .. } = self.replay;
        while self.listed.is_empty() && !self.is_listed_out {
            let page = log.list_after(source, self.listed_up_to, LISTED_AT_ONCE, deadline).await?;
            self.listed_up_to = page.last().map_or(self.listed_up_to, |last| last.entry);
            let is_known_out = only.and_then(BTreeSet::last).is_some_and(|last| self.listed_up_to >= *last);
            self.is_listed_out = page.len() < LISTED_AT_ONCE || is_known_out;
            self.listed.extend(page.into_iter().filter(|listed| only.is_none_or(|only| only.contains(&listed.entry))));
        }
        let (mut next, mut bytes) = (Vec::new(), 0);
        while next.len() < at_once.max(1) && bytes < WINDOW_BYTES {
            let Some(listed) = self.listed.pop_front() else { break };
            bytes += listed.bytes;
            next.push(listed);
        }
        Ok(next)
    }
}
