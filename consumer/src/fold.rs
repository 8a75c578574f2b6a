//! Folding: settled events into the source's partial of each date, under its fence.
//!
//! A partial is one item, changed by one write on condition of its version. **Records at or before its fence were
//! counted and are skipped**; what was stored behind the fence marks the partial dirty, and a recount repairs it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use headcount_core::calendar::end_of;
use headcount_core::deployment::Deployment;
use headcount_core::event::Event;
use headcount_core::keys::WriteShards;
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_core::partial::{Partial, PartialRecord};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::{Jitter, retry};
use headcount_store::defects::Defect;
use headcount_store::error::StoreError;
use headcount_store::rows::{EventRow, Put};
use headcount_store::traits::{PartialStore, Stamp};
use tokio::time::Instant;

use crate::caches::PartialCache;
use crate::claim::Standing;
use crate::deadlines::answer_by;
use crate::deps::Feed;
use crate::settle::{Occurrence, RecordWork};

/// What one record gives to one date.
#[derive(Clone, Debug)]
pub struct Share<'a> {
    /// The record's index in the chunk.
    pub record: usize,
    /// The record's sequence number.
    pub sequence: &'a SequenceNumber,
    /// Its events of this date that are ours.
    pub events: Vec<&'a Event<'a>>,
    /// Whether this invocation inserted one of them, or may have.
    pub fresh: bool,
    /// Its occurrences of events of this date whose origin is another.
    pub duplicates: u64,
    /// Its occurrences that broke a rule, if it arrived on this date.
    pub rejected: u64,
}

/// The shares of the records before `checkpoint`, by date, in the records' order.
pub fn shares<'a>(
    records: &'a [RecordWork],
    rows: &'a [EventRow<'a>],
    occurrences: &[Occurrence],
    checkpoint: usize,
) -> BTreeMap<NaiveDate, Vec<Share<'a>>> {
    let mut shares = Shares { records, by_date: BTreeMap::new() };
    let mut rejected = records.iter().enumerate().take(checkpoint).filter(|(_, record)| record.rejected > 0).peekable();
    for (row, occurrence) in rows.iter().zip(occurrences).filter(|(_, occurrence)| occurrence.record < checkpoint) {
        // Both in the records' order, so that each share's place is at the end.
        while let Some((index, record)) = rejected.next_if(|(index, _)| *index < occurrence.record) {
            shares.of(record.arrival_date, index).rejected = record.rejected;
        }
        match occurrence.standing {
            Standing::Ours { fresh } => {
                let share = shares.of(row.date, occurrence.record);
                share.events.push(&row.event);
                share.fresh |= fresh;
            }
            Standing::Duplicate => shares.of(row.date, occurrence.record).duplicates += 1,
            // Counted with its record's rejected ones.
            Standing::Refused(_) | Standing::Unknown => {}
        }
    }
    for (index, record) in rejected {
        shares.of(record.arrival_date, index).rejected = record.rejected;
    }
    shares.by_date
}

/// Shares in the making.
struct Shares<'a> {
    records: &'a [RecordWork],
    by_date: BTreeMap<NaiveDate, Vec<Share<'a>>>,
}

impl<'a> Shares<'a> {
    /// What the record gives to the date. Records come in order, and their events one record after the other.
    fn of(&mut self, date: NaiveDate, record: usize) -> &mut Share<'a> {
        let of_date = self.by_date.entry(date).or_default();
        if of_date.last().is_none_or(|last| last.record != record) {
            let sequence = &self.records[record].sequence;
            of_date.push(Share { record, sequence, events: Vec::new(), fresh: false, duplicates: 0, rejected: 0 });
        }
        let last = of_date.len() - 1;
        &mut of_date[last]
    }
}

/// What became of a fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Whether the partial was written; it need not be where all was counted before.
    pub written: bool,
    /// Parts of the partial that were damaged, and begun anew.
    pub damaged: u64,
}

/// All that folding needs beside the shares.
#[derive(Debug)]
pub struct Folding<'a, S> {
    /// The table.
    pub store: &'a S,
    /// What is in the table for certain.
    pub cache: &'a PartialCache,
    /// The wall clock.
    pub clock: &'a Clock,
    /// Pauses.
    pub jitter: &'a Jitter,
    /// The deployment's zone, precision and write shards.
    pub deployment: &'a Deployment,
    /// The source.
    pub source: &'a Source,
    /// Where its records come from.
    pub feed: Feed,
    /// When to give up.
    pub deadline: Instant,
}

impl<S: PartialStore> Folding<'_, S> {
    /// Folds the shares of one date into the source's partial.
    ///
    /// # Errors
    ///
    /// The last error when time was up, or at once what repeating cannot change. The date's shares are then perhaps
    /// counted, perhaps not: the fence will tell.
    pub async fn fold(&self, date: NaiveDate, shares: &[Share<'_>]) -> Result<Folded, StoreError> {
        let write_shards = self.deployment.write_shards.on(date);
        let mut done = Folded::default();
        let mut attempt = 0;
        let mut unconfirmed = None;
        loop {
            if let Some((record, partial)) = unconfirmed.take()
                && self.is_there(&record, write_shards).await?
            {
                self.cache.confirm(partial);
                done.written = true;
                return Ok(done);
            }
            let mut partial = match self.cache.take(date, self.source) {
                Some(partial) => partial,
                None => self.read(date, write_shards, &mut done).await?,
            };
            let expected = partial.version;
            if !self.apply(&mut partial, shares) {
                self.cache.confirm(partial);
                return Ok(done);
            }
            partial.version += 1;
            let record = partial.encode();
            if Defect::UnconfirmedCache.is_on() {
                self.cache.confirm(partial.clone());
            }
            let write = self.store.write_partial(&record, write_shards, expected, self.stamp(date));
            let failure = match answer_by(self.deadline, write).await {
                Ok(Put::Written) => {
                    self.cache.confirm(partial);
                    done.written = true;
                    return Ok(done);
                }
                Ok(Put::Refused) => StoreError::Throttled { detail: "the partial is written by another".to_owned() },
                Err(error) if error.is_unknown() => {
                    unconfirmed = Some((record, partial));
                    error
                }
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            // `partial` is no longer trusted, for it may not be in the table: the fold begins again from what is.
            if !self.jitter.pause_until(attempt, self.deadline).await {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Whether a write whose outcome was unknown had taken effect: what is there is what it wrote, to the byte. Without
    /// this question the fold would find its own records behind the fence, and ask for a recount that nothing needs
    /// and that a day of history may no longer allow.
    async fn is_there(&self, record: &PartialRecord, shards: WriteShards) -> Result<bool, StoreError> {
        let read = || answer_by(self.deadline, self.store.read_partial(record.date, shards, self.source));
        Ok(retry(self.jitter, self.deadline, read).await?.as_ref() == Some(record))
    }

    async fn read(&self, date: NaiveDate, shards: WriteShards, folded: &mut Folded) -> Result<Partial, StoreError> {
        let read = || answer_by(self.deadline, self.store.read_partial(date, shards, self.source));
        let Some(record) = retry(self.jitter, self.deadline, read).await? else {
            return self.fresh(date);
        };
        Partial::decode(&record).or_else(|damage| {
            tracing::warn!(%date, source = %self.source, %damage, "a damaged partial goes on anew and awaits its recount");
            folded.damaged += 1;
            self.salvage(&record)
        })
    }

    /// What is sound of a damaged partial. Its fence stands, so nothing is counted twice; it is dirty, so what is lost
    /// is counted again from the events.
    fn salvage(&self, record: &PartialRecord) -> Result<Partial, StoreError> {
        let fresh = self.fresh(record.date)?;
        Ok(Partial {
            version: record.version,
            last_sequence: record.last_sequence.clone(),
            dirty: true,
            counters: headcount_core::counters::Counters::decode(&record.counters).unwrap_or(fresh.counters),
            users: headcount_core::user_sketch::UserSketch::decode(&record.users).unwrap_or(fresh.users),
            sessions: headcount_core::session_sample::SessionSample::decode(&record.sessions).unwrap_or(fresh.sessions),
            date: fresh.date,
            source: fresh.source,
        })
    }

    fn fresh(&self, date: NaiveDate) -> Result<Partial, StoreError> {
        Partial::new(date, self.source.clone(), self.deployment.precision).map_err(|error| StoreError::Unusable {
            detail: format!("the deployment's sketch precision {} cannot be used: {error}", self.deployment.precision),
        })
    }

    fn stamp(&self, date: NaiveDate) -> Stamp {
        let (end_ms, now_ms) = (end_of(self.deployment.zone, date), self.clock.now_ms());
        Stamp { now_ms, expires_s: self.feed.expiry_s(end_ms, now_ms, PARTIAL_TTL_DAYS) }
    }

    /// Counts the shares in front of the fence and moves it. Whether the partial must be written.
    fn apply(&self, partial: &mut Partial, shares: &[Share<'_>]) -> bool {
        let mut changed = false;
        for share in shares {
            if is_counted(partial, share.sequence) {
                if self.is_uncounted(share) {
                    // Written even if it is dirty already: a recount that is under way has perhaps not seen the event,
                    // and must find another version than it read.
                    partial.dirty = true;
                    changed = true;
                }
                continue;
            }
            for event in &share.events {
                partial.fold(event, self.deployment.zone);
            }
            partial.counters.add_duplicates(share.duplicates);
            partial.counters.add_rejected(share.rejected);
            partial.advance(share.sequence);
            changed = true;
        }
        changed
    }

    /// Whether a share behind the fence may not be counted, so that only a recount can tell.
    fn is_uncounted(&self, share: &Share<'_>) -> bool {
        match self.feed {
            _ if Defect::NoDirty.is_on() => false,
            Feed::Mapping | Feed::Import => share.fresh,
            // The mapping gave its record up and went on: whatever of it is stored, since whenever, was passed by.
            Feed::Redrive => !share.events.is_empty() || share.rejected > 0,
        }
    }
}

/// Whether the partial's fence says that the record was counted.
fn is_counted(partial: &Partial, sequence: &SequenceNumber) -> bool {
    if Defect::NoFence.is_on() {
        return false;
    }
    if Defect::TextFence.is_on() {
        return partial.last_sequence.as_ref().is_some_and(|last| sequence.as_str() <= last.as_str());
    }
    partial.is_behind_fence(sequence)
}
