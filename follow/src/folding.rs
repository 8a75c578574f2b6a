//! One source's partials in memory: folded ahead of the table, written together with the checkpoint.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::calendar::{Hours, end_of};
use headcount_core::deployment::TableId;
use headcount_core::keys::Follower;
use headcount_core::limits::PARTIAL_TTL_DAYS;
use headcount_core::origin::{SequenceNumber, Source};
use headcount_core::partial::{Partial, PartialRecord};
use headcount_log::Day;
use headcount_runtime::retry::retry;
use headcount_store::rows::{Checkpoint, Put};
use headcount_store::traits::{CheckpointStore, PartialStore, Stamp};
use tokio::time::{Duration, Instant};

use crate::answer::answer_by;
use crate::appended::Appended;
use crate::days::expiry_s;
use crate::error::FollowError;
use crate::setup::Setup;

/// Partials of one source that are written at once.
const WRITES_IN_FLIGHT: usize = 8;

/// Partials of one source that are kept in memory: its open days, and some more. Beyond that all are written and forgotten.
const MAX_PARTIALS: usize = 32;

/// Bytes of the partials that one write would change, up to which they are written for every entry: 4 write units. DynamoDB
/// charges a unit for each started KB of an item
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
const SMALL_BYTES: usize = 4 << 10;

/// How old an entry may get before the larger partials that it changed are written.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_mins(1);

/// The same for partials of days that ended a while ago. A few late events a minute touch every open day, and each of its partials
/// costs as much to write as today's.
pub const LATE_SNAPSHOT_INTERVAL: Duration = Duration::from_mins(5);

/// How long after its end a day counts as current: until producers that queue for minutes have sent what they have of it.
const CURRENT_FOR_MS: i64 = 60 * 60 * 1_000;

/// One source's partials, as folded up to an entry.
#[derive(Debug)]
pub(crate) struct Folding {
    source: Source,
    table: TableId,
    /// What the table's checkpoint says.
    stored: u64,
    /// The last entry that is folded in memory.
    folded: Option<Checkpoint>,
    partials: BTreeMap<NaiveDate, Folded>,
    /// When the oldest entry was appended that is behind the checkpoint, milliseconds since the epoch. Partials may have it already, where
    /// the checkpoint could not be written.
    behind_since_ms: Option<i64>,
}

#[derive(Debug)]
struct Folded {
    partial: Partial,
    /// What it has and the table has not.
    unwritten: Option<Unwritten>,
    /// Bytes when it was last read or written.
    bytes: usize,
}

/// Where that begins which the table does not have of a partial.
#[derive(Debug)]
struct Unwritten {
    /// When the first of its entries was appended, milliseconds since the epoch.
    since_ms: i64,
    /// The entry before it.
    after: Option<Checkpoint>,
}

/// What the table lacks of some partials.
#[derive(Debug, Default)]
struct Lack {
    /// When the oldest entry of it was appended, milliseconds since the epoch.
    since_ms: Option<i64>,
    /// Bytes that these partials had when they were last read or written.
    bytes: usize,
}

impl Lack {
    fn extend(&mut self, since_ms: i64) {
        self.since_ms = Some(self.since_ms.map_or(since_ms, |oldest_ms| oldest_ms.min(since_ms)));
    }

    fn is_due(&self, interval: Duration, now_ms: i64) -> bool {
        let is_old = |since_ms| now_ms.saturating_sub(since_ms) >= interval.as_millis() as i64;
        self.bytes <= SMALL_BYTES || self.since_ms.is_some_and(is_old)
    }
}

/// Which partials are due to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// None.
    Nothing,
    /// Those of current days.
    Current,
    /// All.
    All,
}

impl Folding {
    /// Begins at the table's checkpoint.
    pub(crate) async fn load<S: CheckpointStore>(
        setup: Setup<'_, S>,
        source: &Source,
        deadline: Instant,
    ) -> Result<Self, FollowError> {
        let table = setup.table.id;
        let read = || answer_by(deadline, setup.store.read_checkpoint(table, Follower::Figures, source));
        let folded = retry(setup.jitter, deadline, read).await?;
        let stored = folded.as_ref().map_or(0, |checkpoint| checkpoint.entry);
        Ok(Self { source: source.clone(), table, stored, folded, partials: BTreeMap::new(), behind_since_ms: None })
    }

    /// The table that it was read from.
    pub(crate) fn table(&self) -> TableId {
        self.table
    }

    /// The last entry that is folded.
    pub(crate) fn entry(&self) -> u64 {
        self.folded.as_ref().map_or(0, |folded| folded.entry)
    }

    /// The last entry that the table has.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// Folds an entry into the partial of each of its dates, unless that has it already.
    pub(crate) async fn fold<S: PartialStore>(
        &mut self,
        setup: Setup<'_, S>,
        entry: &Appended<'_>,
        deadline: Instant,
    ) -> Result<(), FollowError> {
        for date in entry.content.days.keys() {
            self.read(setup, *date, deadline).await?;
        }
        // Nothing waits from here on: an entry is folded into all of its dates or into none.
        for (date, day) in &entry.content.days {
            let Some(folded) = self.partials.get_mut(date) else { continue };
            if fold_day(&mut folded.partial, entry.entry, day, setup.table.deployment.zone) {
                let unwritten = Unwritten { since_ms: entry.appended_ms, after: self.folded.clone() };
                folded.unwritten.get_or_insert(unwritten);
            }
        }
        self.behind_since_ms.get_or_insert(entry.appended_ms);
        self.pass(entry.entry, &entry.last);
        Ok(())
    }

    /// Steps over an entry.
    pub(crate) fn pass(&mut self, entry: u64, last: &SequenceNumber) {
        self.folded = Some(Checkpoint { entry, last: last.clone() });
    }

    /// The newest sequence number that is folded.
    pub(crate) fn last(&self) -> Option<&SequenceNumber> {
        self.folded.as_ref().map(|folded| &folded.last)
    }

    /// What should be written now: partials that are small together, those that have been lacking an entry for too long, or all where
    /// they are many.
    ///
    /// The age is that of the entry in the log and not of anything in this process: after a cold start, a failed write or
    /// another process's turn the interval would begin anew, and the table could be several intervals behind.
    pub(crate) fn due(&self, zone: Tz, now_ms: i64) -> Due {
        if self.partials.len() > MAX_PARTIALS {
            return Due::All;
        }
        let (mut current, mut past) = (Lack::default(), Lack::default());
        for (date, folded) in &self.partials {
            let Some(unwritten) = &folded.unwritten else { continue };
            let lack = if is_current(zone, *date, now_ms) { &mut current } else { &mut past };
            lack.bytes += folded.bytes;
            lack.extend(unwritten.since_ms);
        }
        // Partials may have what the checkpoint has not. Where none of a past day holds the checkpoint back, it is as due as they are.
        if let Some(since_ms) = self.behind_since_ms.filter(|_| past.since_ms.is_none()) {
            current.extend(since_ms);
        }
        match (current.is_due(SNAPSHOT_INTERVAL, now_ms), past.is_due(LATE_SNAPSHOT_INTERVAL, now_ms)) {
            (true, true) => Due::All,
            (true, false) => Due::Current,
            (false, _) => Due::Nothing,
        }
    }

    /// Writes changed partials, each on condition of the version that was read, and then the checkpoint: up to the first entry that some
    /// partial lacks. How many partials.
    pub(crate) async fn write<S: PartialStore + CheckpointStore>(
        &mut self,
        setup: Setup<'_, S>,
        due: Due,
        deadline: Instant,
    ) -> Result<u64, FollowError> {
        if due == Due::Nothing {
            return Ok(0);
        }
        let (zone, now_ms) = (setup.table.deployment.zone, setup.clock.now_ms());
        let is_due = |date: NaiveDate| due == Due::All || is_current(zone, date, now_ms);
        let mut writes = Vec::new();
        for (date, folded) in &mut self.partials {
            if folded.unwritten.is_some() && is_due(*date) {
                writes.push(write_partial(setup, &self.source, folded, deadline));
            }
        }
        let written = writes.len() as u64;
        stream::iter(writes).buffered(WRITES_IN_FLIGHT).try_collect::<()>().await?;
        let Some(checkpoint) = self.complete().filter(|complete| complete.entry > self.stored) else {
            return Ok(written);
        };
        let table = setup.table.id;
        let put = || {
            let write = setup.store.write_checkpoint(table, Follower::Figures, &self.source, &checkpoint);
            answer_by(deadline, write)
        };
        // Refused: an earlier try of ours, or another follower that is as far. Partials of ours would have been refused first.
        retry(setup.jitter, deadline, put).await?;
        self.stored = checkpoint.entry;
        self.behind_since_ms = None;
        if due == Due::All && self.partials.len() > MAX_PARTIALS {
            self.partials.clear();
        }
        Ok(written)
    }

    /// The last entry up to which the table has all.
    fn complete(&self) -> Option<Checkpoint> {
        let unwritten = self.partials.values().filter_map(|folded| folded.unwritten.as_ref());
        let first = unwritten.map(|unwritten| unwritten.after.clone());
        // Nothing comes before the first entry.
        first.min_by_key(|after| after.as_ref().map_or(0, |after| after.entry)).unwrap_or_else(|| self.folded.clone())
    }

    async fn read<S: PartialStore>(
        &mut self,
        setup: Setup<'_, S>,
        date: NaiveDate,
        deadline: Instant,
    ) -> Result<(), FollowError> {
        if self.partials.contains_key(&date) {
            return Ok(());
        }
        let read = || answer_by(deadline, setup.store.read_partial(setup.table.id, date, &self.source));
        let (partial, bytes) = match retry(setup.jitter, deadline, read).await? {
            Some(record) => (self.decode(&record)?, record.bytes()),
            None => (Partial::new(date, self.source.clone(), setup.table.deployment.precision)?, 0),
        };
        self.partials.insert(date, Folded { partial, unwritten: None, bytes });
        Ok(())
    }

    fn decode(&self, record: &PartialRecord) -> Result<Partial, FollowError> {
        Partial::decode(record).map_err(|damage| FollowError::DamagedPartial {
            date: record.date,
            source_name: self.source.clone(),
            damage,
        })
    }
}

/// Whether a day goes on, or ended only just now. Larger partials of other days are written every [`LATE_SNAPSHOT_INTERVAL`].
pub fn is_current(zone: Tz, date: NaiveDate, now_ms: i64) -> bool {
    now_ms < end_of(zone, date).saturating_add(CURRENT_FOR_MS)
}

/// Folds what an entry has of one date; whether the partial changed.
pub fn fold_day(partial: &mut Partial, entry: u64, day: &Day<'_>, zone: Tz) -> bool {
    if entry <= partial.as_of {
        return false;
    }
    let mut hours = Hours::of(zone);
    for (_, event) in &day.events {
        let (_, hour) = hours.at(event.counted_ms).unwrap_or_default();
        partial.fold_at(event, hour);
    }
    partial.counters.add_duplicates(day.duplicates);
    partial.counters.add_rejected(day.rejected);
    partial.advance(entry);
    true
}

async fn write_partial<S: PartialStore>(
    setup: Setup<'_, S>,
    source: &Source,
    folded: &mut Folded,
    deadline: Instant,
) -> Result<(), FollowError> {
    let read = folded.partial.version;
    folded.partial.version = read + 1;
    let record = folded.partial.encode();
    let now_ms = setup.clock.now_ms();
    let expires_s = expiry_s(&setup.table.deployment, record.date, now_ms, PARTIAL_TTL_DAYS);
    let stamp = Stamp { now_ms, expires_s };
    // A try whose answer was lost may have taken effect: the next one is then refused, and all is read anew.
    let write = || answer_by(deadline, setup.store.write_partial(setup.table.id, &record, read, stamp));
    match retry(setup.jitter, deadline, write).await? {
        Put::Written => {
            folded.unwritten = None;
            folded.bytes = record.bytes();
            Ok(())
        }
        Put::Refused => Err(FollowError::Conflict { source_name: source.clone() }),
    }
}
