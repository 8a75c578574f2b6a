//! Users who were never seen before, or not so early: their profiles are written before the partials that count them.

use std::collections::HashMap;

use chrono::NaiveDate;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::deployment::TableId;
use headcount_log::Content;
use headcount_runtime::retry::{Jitter, retry};
use headcount_store::error::StoreError;
use headcount_store::rows::{FirstDay, Lookup};
use headcount_store::traits::{MAX_BATCH_GETS, UserStore};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::answer::answer_by;
use crate::users::{KnownUsers, UserHash};

/// Look-ups and writes of profiles that are under way at once.
pub const PROFILES_IN_FLIGHT: usize = 16;

/// First days that are confirmed in one table.
#[derive(Debug, Default)]
pub struct FirstSeen(Mutex<(Option<TableId>, KnownUsers)>);

/// A user's earliest day in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting<'a> {
    user_id: &'a str,
    date: NaiveDate,
    seen_ms: i64,
}

impl FirstSeen {
    /// Makes sure that each user's profile says the day of the earliest event here, or an earlier one.
    ///
    /// # Errors
    ///
    /// The first error when `deadline` is near, or at once what repeating cannot change. Profiles written so far stay: a
    /// first day only moves earlier.
    pub async fn confirm<S: UserStore>(
        &self,
        store: &S,
        table: TableId,
        content: &Content<'_>,
        jitter: &Jitter,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let mut sightings = earliest(content);
        sightings.retain(|seen| !self.with(table, |users| users.knows(UserHash::of(seen.user_id), seen.date)));
        // In order of the ids, so that equal entries make equal requests.
        sightings.sort_unstable_by_key(|seen| seen.user_id);
        let mut requests = Vec::with_capacity(sightings.len().div_ceil(MAX_BATCH_GETS));
        for batch in sightings.chunks(MAX_BATCH_GETS) {
            requests.push(self.unconfirmed(store, table, batch, jitter, deadline));
        }
        let unconfirmed: Vec<Vec<Sighting<'_>>> =
            stream::iter(requests).buffered(PROFILES_IN_FLIGHT).try_collect().await?;
        let mut puts = Vec::new();
        for seen in unconfirmed.into_iter().flatten() {
            puts.push(async move {
                let Sighting { user_id, date, seen_ms } = seen;
                let first_day = FirstDay { user_id: user_id.to_owned(), date, seen_ms };
                // Refused: the profile says this day or an earlier one, which confirms it as well.
                retry(jitter, deadline, || answer_by(deadline, store.put_first_day(&first_day))).await?;
                self.with(table, |users| users.confirm(UserHash::of(user_id), date));
                Ok::<(), StoreError>(())
            });
        }
        stream::iter(puts).buffered(PROFILES_IN_FLIGHT).try_collect().await
    }

    /// Those whose profiles do not say already what they must. A look-up costs a tenth of a conditional write, and most
    /// users of an entry are not new; it may be a moment old, but a profile's first day only ever gets earlier.
    async fn unconfirmed<'a, S: UserStore>(
        &self,
        store: &S,
        table: TableId,
        sightings: &[Sighting<'a>],
        jitter: &Jitter,
        deadline: Instant,
    ) -> Result<Vec<Sighting<'a>>, StoreError> {
        let ids: Vec<&str> = sightings.iter().map(|seen| seen.user_id).collect();
        let answers = retry(jitter, deadline, || answer_by(deadline, store.first_days(&ids))).await?;
        let mut unconfirmed = Vec::new();
        for (at, seen) in sightings.iter().enumerate() {
            match answers.get(at) {
                Some(Lookup::Found(first)) if *first <= seen.date => {
                    self.with(table, |users| users.confirm(UserHash::of(seen.user_id), *first));
                }
                Some(Lookup::Found(_) | Lookup::Absent | Lookup::Unprocessed) | None => unconfirmed.push(*seen),
            }
        }
        Ok(unconfirmed)
    }

    /// What is known of this table. Of another one nothing is.
    fn with<T>(&self, table: TableId, work: impl FnOnce(&mut KnownUsers) -> T) -> T {
        let mut known = self.0.lock();
        if known.0 != Some(table) {
            *known = (Some(table), KnownUsers::default());
        }
        work(&mut known.1)
    }
}

/// Of every user the earliest event; anonymous ids are no users.
fn earliest<'a>(content: &'a Content<'_>) -> Vec<Sighting<'a>> {
    let mut sightings: HashMap<&str, Sighting<'a>> = HashMap::new();
    for (date, day) in &content.days {
        for (_, event) in &day.events {
            let Some(user_id) = event.user() else { continue };
            let seen = Sighting { user_id, date: *date, seen_ms: event.timestamp_ms };
            let known = sightings.entry(user_id).or_insert(seen);
            if (seen.date, seen.seen_ms) < (known.date, known.seen_ms) {
                *known = seen;
            }
        }
    }
    sightings.into_values().collect()
}
