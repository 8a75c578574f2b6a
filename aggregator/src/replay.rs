//! A source's log read again, for some dates: headers, and of each date that an entry has its own frame.

use std::collections::BTreeSet;
use std::pin::pin;

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::{StreamExt as _, stream};
use headcount_core::calendar::{end_of, start_of};
use headcount_core::origin::Source;
use headcount_log::entry::events_of;
use headcount_log::error::EntryError;
use headcount_log::{DateCounts, Day, Log, LogError};
use tokio::time::Instant;

/// Entries that one listing names at most.
const LISTED_AT_ONCE: usize = 1_000;

/// How much earlier than the date begins an entry with its events may have been appended, milliseconds: events lie up to
/// 15 minutes ahead of their arrival, and the clocks of writers differ.
const EARLIER_MS: i64 = 60 * 60 * 1_000;

/// Missing entries that are named one by one between two that are there.
const MAX_NAMED_MISSING: u64 = 100;

/// When entries with events of some dates were appended by a shard's consumer, milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

impl Span {
    /// `late_ms` is how long after the end of a day its events may come.
    pub(crate) fn of(zone: Tz, dates: &BTreeSet<NaiveDate>, late_ms: i64) -> Option<Self> {
        let (first, last) = (dates.first()?, dates.last()?);
        let from_ms = start_of(zone, *first).saturating_sub(EARLIER_MS);
        Some(Self { from_ms, to_ms: end_of(zone, *last).saturating_add(late_ms) })
    }
}

/// What is read of one source.
#[derive(Clone, Copy)]
pub(crate) struct Replay<'a> {
    pub(crate) log: &'a Log,
    pub(crate) source: &'a Source,
    /// The number of its newest entry.
    pub(crate) newest: u64,
    pub(crate) dates: &'a BTreeSet<NaiveDate>,
    pub(crate) span: Span,
    /// Entries that are read at the same time.
    pub(crate) at_once: usize,
    pub(crate) deadline: Instant,
}

/// An entry that was read, or what is wrong with it.
pub(crate) struct Replayed {
    pub(crate) entry: u64,
    /// What it has of the dates.
    pub(crate) days: Result<Vec<DayLines>, EntryError>,
    appended_ms: Option<i64>,
}

/// What an entry has of one date.
pub(crate) struct DayLines {
    pub(crate) date: NaiveDate,
    counts: DateCounts,
    lines: String,
}

impl DayLines {
    /// Its events, as they were appended.
    pub(crate) fn day(&self) -> Result<Day<'_>, EntryError> {
        let events = events_of(&self.lines)?;
        let DateCounts { duplicates, rejected, .. } = self.counts;
        if events.len() as u64 != self.counts.events {
            let found = format!("{} events on {}", self.counts.events, self.date);
            return Err(EntryError::Other { found, expected: events.len().to_string() });
        }
        Ok(Day { events, duplicates, rejected })
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> u64 {
        self.counts.events
    }
}

impl Replay<'_> {
    /// Reads the entries that may have events of the dates, in order, and shows each to `visit`, damaged and missing ones
    /// too. Those up to `must` are read whenever they were appended.
    pub(crate) async fn walk(&self, must: u64, mut visit: impl FnMut(Replayed)) -> Result<(), LogError> {
        let Some(first) = self.first().await? else { return Ok(()) };
        let mut after = first - 1;
        loop {
            let page = self.log.list_after(self.source, after, LISTED_AT_ONCE, self.deadline).await?;
            let is_last = page.len() < LISTED_AT_ONCE;
            let reads: Vec<_> = page.iter().map(|listed| self.read(listed.entry)).collect();
            let mut reads = pin!(stream::iter(reads).buffered(self.at_once));
            while let Some(read) = reads.next().await {
                let read = read?;
                let is_later = read.appended_ms.is_some_and(|appended_ms| appended_ms > self.span.to_ms);
                if is_later && self.source.is_shard() && read.entry > must {
                    return Ok(());
                }
                for missing in (after + 1..read.entry).take(MAX_NAMED_MISSING as usize) {
                    visit(Replayed { entry: missing, days: Err(EntryError::Missing), appended_ms: None });
                }
                after = read.entry;
                visit(read);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The first entry that may have events of the dates: the first that is there, or in a shard's log the first that was
    /// appended late enough. A damaged entry counts as late enough, so that none is left out.
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

    async fn read(&self, entry: u64) -> Result<Replayed, LogError> {
        match self.read_sound(entry).await {
            Err(LogError::Damaged { detail, .. }) => Ok(Replayed { entry, days: Err(detail), appended_ms: None }),
            read => read,
        }
    }

    async fn read_sound(&self, entry: u64) -> Result<Replayed, LogError> {
        let header = self.log.read_header(self.source, entry, self.deadline).await?;
        let mut days = Vec::new();
        for date in self.dates {
            let Some(counts) = header.dates.get(date).cloned() else { continue };
            let lines = self.log.read_day(self.source, &header, *date, self.deadline).await?;
            days.push(DayLines { date: *date, counts, lines });
        }
        Ok(Replayed { entry, days: Ok(days), appended_ms: Some(header.facts.appended_ms) })
    }
}
