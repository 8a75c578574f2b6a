//! First sight of users: who was never seen before, or not so early.

use chrono::NaiveDate;
use futures_util::stream::{self, StreamExt as _};
use headcount_core::keys::WriteShards;
use headcount_runtime::retry::{Jitter, retry};
use headcount_store::rows::{FirstDay, Lookup};
use headcount_store::traits::{MAX_BATCH_GETS, UserStore};
use tokio::time::Instant;

use crate::caches::{ByHash, UserCache, UserHash};
use crate::deadlines::answer_by;
use crate::settle::Owned;

/// Look-ups and writes of profiles that are under way at once.
pub const PROFILES_IN_FLIGHT: usize = 16;

/// A user's earliest day in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight<'a> {
    user_id: &'a str,
    user: UserHash,
    date: NaiveDate,
    shards: WriteShards,
    seen_ms: i64,
    /// The first record of the chunk that has an event of this user.
    record: usize,
}

/// Sees to it that each user's profile says the day of his earliest event here, or an earlier one. The index of the
/// first record with a user of whom this is not confirmed by `deadline`; `None` where it is of all.
pub async fn see<S: UserStore>(
    store: &S,
    cache: &UserCache,
    jitter: &Jitter,
    owned: &[Owned<'_>],
    deadline: Instant,
) -> Option<usize> {
    let mut sights = earliest(owned);
    sights.retain(|sight| !cache.knows(sight.user, sight.date));
    // In order of the ids, so that equal chunks make equal requests.
    sights.sort_unstable_by_key(|sight| sight.user_id);
    let unknown = unconfirmed(store, cache, jitter, &sights, deadline).await;

    let mut puts = Vec::with_capacity(unknown.len());
    for sight in unknown {
        puts.push(async move {
            let Sight { user_id, date, shards, seen_ms, .. } = sight;
            let first_day = FirstDay { user_id: user_id.to_owned(), date, shards, seen_ms };
            match retry(jitter, deadline, || answer_by(deadline, store.put_first_day(&first_day))).await {
                // Refused: the profile says this day or an earlier one, which confirms it as well.
                Ok(_) => {
                    cache.confirm(sight.user, date);
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "a user's first day could not be written");
                    Some(sight.record)
                }
            }
        });
    }
    let failed: Vec<Option<usize>> = stream::iter(puts).buffered(PROFILES_IN_FLIGHT).collect().await;
    failed.into_iter().flatten().min()
}

/// Of every user the earliest event, and the first record; anonymous ids are no users.
fn earliest<'a>(owned: &[Owned<'a>]) -> Vec<Sight<'a>> {
    let mut index_of: ByHash<UserHash, usize> = ByHash::default();
    let mut sights: Vec<Sight<'a>> = Vec::new();
    for one in owned {
        let Some(user_id) = one.row.event.user() else { continue };
        let user = UserHash::of(user_id);
        let seen = Sight {
            user_id,
            user,
            date: one.row.date,
            shards: one.row.shards,
            seen_ms: one.row.event.timestamp_ms,
            record: one.record,
        };
        let index = *index_of.entry(user).or_insert(sights.len());
        match sights.get_mut(index) {
            None => sights.push(seen),
            Some(known) => {
                let record = known.record.min(seen.record);
                if seen.seen_ms < known.seen_ms {
                    *known = seen;
                }
                known.record = record;
            }
        }
    }
    sights
}

/// Those whose profiles do not say already what they must. A look-up costs a tenth of a conditional write, and most
/// users of a batch are not new; it may be a moment old, but a profile's first day only ever gets earlier.
async fn unconfirmed<'a, S: UserStore>(
    store: &S,
    cache: &UserCache,
    jitter: &Jitter,
    sights: &[Sight<'a>],
    deadline: Instant,
) -> Vec<Sight<'a>> {
    let mut requests = Vec::with_capacity(sights.len().div_ceil(MAX_BATCH_GETS));
    for batch in sights.chunks(MAX_BATCH_GETS) {
        let users: Vec<&str> = batch.iter().map(|sight| sight.user_id).collect();
        requests.push(async move {
            retry(jitter, deadline, || answer_by(deadline, store.first_days(&users)))
                .await
                .unwrap_or_else(|_| vec![Lookup::Unprocessed; users.len()])
        });
    }
    let answers: Vec<Vec<Lookup<NaiveDate>>> = stream::iter(requests).buffered(PROFILES_IN_FLIGHT).collect().await;
    let unanswered = std::iter::repeat(Lookup::Unprocessed);
    let mut open = Vec::new();
    for (batch, answers) in sights.chunks(MAX_BATCH_GETS).zip(answers) {
        for (sight, answer) in batch.iter().zip(answers.into_iter().chain(unanswered.clone())) {
            match answer {
                Lookup::Found(first) if first <= sight.date => cache.confirm(sight.user, first),
                Lookup::Found(_) | Lookup::Absent | Lookup::Unprocessed => open.push(*sight),
            }
        }
    }
    open
}
