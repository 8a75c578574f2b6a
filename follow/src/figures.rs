//! The follower of figures: users' first days, then the source's partials, then the checkpoint.

use std::collections::HashMap;

use headcount_core::origin::{SequenceNumber, Source};
use headcount_log::error::EntryError;
use headcount_runtime::retry::retry;
use headcount_store::traits::FollowStore;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::answer::answer_by;
use crate::appended::Appended;
use crate::entries::{Entries, Next};
use crate::error::FollowError;
use crate::first_seen::FirstSeen;
use crate::folding::{Due, Folding};
use crate::setup::{Followed, Setup};

pub use crate::folding::{LATE_SNAPSHOT_INTERVAL, SNAPSHOT_INTERVAL, fold_day, is_current};

/// Entries that are folded before the partials are written, where there are many to catch up with.
pub const MAX_UNWRITTEN_ENTRIES: u64 = 64;

/// Times that one run begins again because another follower of the same source was at work.
const MAX_CONFLICTS: u32 = 3;

/// When what is folded is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Small partials at once, larger ones every [`SNAPSHOT_INTERVAL`], those of past days every [`LATE_SNAPSHOT_INTERVAL`].
    WhenDue,
    /// Before the run ends.
    Always,
}

/// The follower of figures, with what it has in memory of each source.
#[derive(Debug, Default)]
pub struct Figures {
    first_seen: FirstSeen,
    foldings: Mutex<HashMap<Source, Folding>>,
}

impl Figures {
    /// Follows the log of `source` to its end. `fresh` is what the caller just appended, in order; `tail` the number of
    /// the newest entry, where the caller knows it, so that nothing is listed in vain.
    ///
    /// # Errors
    ///
    /// [`FollowError`]: where it stopped. What was folded in memory is forgotten; the next run begins at what the table
    /// holds, and nothing is folded twice.
    pub async fn follow<S: FollowStore>(
        &self,
        setup: Setup<'_, S>,
        source: &Source,
        fresh: &[Appended<'_>],
        tail: Option<u64>,
        write: Write,
        deadline: Instant,
    ) -> Result<Followed, FollowError> {
        let now = Instant::now();
        // What is folded must still be written.
        let fold_until = now + deadline.saturating_duration_since(now) * 3 / 4;
        let run = Run { setup, first_seen: &self.first_seen, fold_until, deadline };
        let mut conflicts = 0;
        loop {
            let known = self.foldings.lock().remove(source);
            let mut folding = match known.filter(|folding| folding.table() == setup.table.id) {
                Some(folding) => folding,
                None => Folding::load(setup, source, deadline).await?,
            };
            let mut entries = Entries::new(setup.log, source, fresh, tail);
            match run.follow(&mut folding, &mut entries, write).await {
                Ok(followed) => {
                    self.foldings.lock().insert(source.clone(), folding);
                    return Ok(followed);
                }
                // Somebody else followed meanwhile: from what the table holds now there may be nothing left to do.
                Err(FollowError::Conflict { .. }) if conflicts < MAX_CONFLICTS => {
                    if !setup.jitter.pause_until(conflicts, deadline).await {
                        return Err(FollowError::Conflict { source_name: source.clone() });
                    }
                    conflicts += 1;
                    check_table(setup, deadline).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets what is in memory of a source, so that the next run begins at what the table holds.
    pub fn forget(&self, source: &Source) {
        self.foldings.lock().remove(source);
    }
}

/// Fails where the table was restored since this process first reached it: what is cached is of another one.
async fn check_table<S: FollowStore>(setup: Setup<'_, S>, deadline: Instant) -> Result<(), FollowError> {
    let read = || answer_by(deadline, setup.store.read_meta());
    match retry(setup.jitter, deadline, read).await? {
        Some(meta) if meta.table == setup.table.id => Ok(()),
        _ => Err(FollowError::OtherTable),
    }
}

struct Run<'a, S> {
    setup: Setup<'a, S>,
    first_seen: &'a FirstSeen,
    fold_until: Instant,
    deadline: Instant,
}

impl<S: FollowStore> Run<'_, S> {
    async fn follow(
        &self,
        folding: &mut Folding,
        entries: &mut Entries<'_>,
        write: Write,
    ) -> Result<Followed, FollowError> {
        let mut followed = Followed::default();
        let (zone, clock) = (self.setup.table.deployment.zone, self.setup.clock);
        loop {
            if Instant::now() >= self.fold_until {
                followed.is_behind = true;
                break;
            }
            match entries.next(folding.entry(), self.deadline).await? {
                Next::None => break,
                Next::InMemory(entry) => self.fold(folding, entry).await?,
                Next::InLog(number) => {
                    let read = entries.read(number, self.deadline).await?;
                    match read.as_ref().map_err(EntryError::clone).and_then(super::entries::ReadEntry::content) {
                        Ok(entry) => self.fold(folding, &entry).await?,
                        Err(damage) => pass(folding, number, damage, &mut followed),
                    }
                }
            }
            followed.entries += 1;
            // All of them, or a process that starts would have as many to fold again.
            if folding.entry() - folding.stored() >= MAX_UNWRITTEN_ENTRIES
                && folding.due(zone, clock.now_ms()) != Due::Nothing
            {
                followed.writes += folding.write(self.setup, Due::All, self.deadline).await?;
            }
        }
        let due = if write == Write::Always { Due::All } else { folding.due(zone, clock.now_ms()) };
        followed.writes += folding.write(self.setup, due, self.deadline).await?;
        followed.entry = folding.entry();
        Ok(followed)
    }

    async fn fold(&self, folding: &mut Folding, entry: &Appended<'_>) -> Result<(), FollowError> {
        let Setup { store, table, jitter, .. } = self.setup;
        // A user whose first day is not known to the table must not be in a partial: the day's new users would miss them.
        self.first_seen.confirm(store, table.id, &entry.content, jitter, self.deadline).await?;
        folding.fold(self.setup, entry, self.deadline).await
    }
}

/// Steps over an entry that cannot be read: the others go on. It is named, and `verify` says what it held.
fn pass(folding: &mut Folding, entry: u64, damage: EntryError, followed: &mut Followed) {
    let last = folding.last().cloned().unwrap_or_else(|| SequenceNumber::from(0));
    tracing::error!(entry, %damage, "an entry of the log is damaged and is in no figure");
    folding.pass(entry, &last);
    followed.damaged.push((entry, damage));
}
