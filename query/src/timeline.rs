//! What one user did, the newest first.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use headcount_core::calendar::{end_of, start_of};
use headcount_core::event::{Event, Object};
use headcount_core::keys::{self, ItemKey, WriteShards};
use headcount_core::limits::MAX_IDENTITY_BYTES;
use headcount_runtime::retry::retry;
use headcount_store::traits::{QueryStore, UserSpan};
use schemars::JsonSchema;
use serde::Serialize;

use crate::deps::{Deps, deadline};
use crate::error::QueryError;
use crate::lookup::Reading;
use crate::page::{PageRequest, text_of};
use crate::range::Range;

/// Partitions of the index that are read at the same time.
const PARALLEL_LISTINGS: usize = 16;

/// A page of a user's events.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEvents {
    /// The user.
    pub user_id: String,
    /// The events, the newest first.
    pub events: Vec<UserEvent>,
    /// What to ask for to see the next page; null where this is the last.
    pub next: Option<String>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEvent {
    /// Its id.
    pub event_id: String,
    /// When it happened, milliseconds since the epoch.
    pub timestamp: i64,
    /// Its type.
    pub event_type: String,
    /// Its session.
    pub session_id: String,
    /// What it says, sanitized.
    pub event_data: Object,
    /// How it came, sanitized.
    pub metadata: Object,
}

impl From<Event<'_>> for UserEvent {
    fn from(event: Event<'_>) -> Self {
        Self {
            event_type: event.event_type.as_str().to_owned(),
            event_id: event.id.into_owned(),
            timestamp: event.timestamp_ms,
            session_id: event.session_id.into_owned(),
            event_data: event.event_data.to_object(),
            metadata: event.metadata.to_object(),
        }
    }
}

/// When an event happened, and its id: the order of a timeline.
type Position = (i64, String);

/// A page of the user's events within the range. Raw events live 90 days. A page may hold fewer than asked for, where
/// some expired meanwhile.
///
/// # Errors
///
/// [`QueryError`]: the user's id, the page or its limit break a rule, or the table does not answer.
pub async fn get_user_events<S: QueryStore>(
    deps: &Deps<S>,
    user_id: &str,
    range: Range,
    page: &PageRequest,
) -> Result<UserEvents, QueryError> {
    if user_id.is_empty() || user_id.len() > MAX_IDENTITY_BYTES {
        return Err(QueryError::UserId);
    }
    let (limit, position) = (page.limit()?, page.position::<Position>()?);
    let deployment = deps.deployment().await?;
    let from_ms = start_of(deployment.zone, range.from);
    let to_ms = end_of(deployment.zone, range.to) - 1;
    let to_ms = position.as_ref().map_or(to_ms, |(ms, _)| to_ms.min(*ms));
    let counts: BTreeSet<u32> = range.dates().map(|date| deployment.write_shards.on(date).count()).collect();
    let spans = partitions(&counts).into_iter().map(|(shards, shard)| UserSpan {
        user_id: user_id.to_owned(),
        shards,
        shard,
        from_ms,
        to_ms,
    });
    let reading = Reading { deps, deployment: deployment.clone(), deadline: deadline(), open_from: range.to };
    let listings = spans.map(|span| list(&reading, span, position.as_ref(), limit));
    let listed: Vec<Vec<(Position, ItemKey)>> =
        stream::iter(listings).buffered(PARALLEL_LISTINGS).try_collect().await?;
    let mut keys: Vec<_> = listed.into_iter().flatten().collect();
    keys.sort_by(|a, b| b.cmp(a));
    keys.dedup();
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|(position, _)| text_of(position));

    let store = &deps.store;
    let request = |keys: Vec<ItemKey>| async move { store.events(&keys).await };
    let found = reading.look_up(keys.into_iter().map(|(_, key)| key).collect(), &request).await?;
    // The partition of the user `a` in its shard 0 is that of a user `a#00` without shards.
    let mut events: Vec<UserEvent> = found
        .into_iter()
        .filter_map(|(_, event)| event)
        .filter(|event| event.user_id == user_id)
        .map(Into::into)
        .collect();
    events.sort_by(|a, b| (b.timestamp, &b.event_id).cmp(&(a.timestamp, &a.event_id)));
    Ok(UserEvents { user_id: user_id.to_owned(), events, next })
}

/// Each partition that a user's events may lie in, once: those of fewer shards are among those of more.
fn partitions(counts: &BTreeSet<u32>) -> Vec<(WriteShards, u32)> {
    let mut partitions = Vec::new();
    if counts.contains(&1) {
        partitions.push((WriteShards::ONE, 0));
    }
    let most = counts.last().copied().and_then(WriteShards::new).filter(|shards| shards.count() > 1);
    partitions.extend(most.into_iter().flat_map(|shards| (0..shards.count()).map(move |shard| (shards, shard))));
    partitions
}

/// The keys of one partition behind the position: more than `limit` where there are, and then all of the millisecond in
/// which the page may end, for these come in no particular order.
async fn list<S: QueryStore>(
    reading: &Reading<'_, S>,
    span: UserSpan,
    position: Option<&Position>,
    limit: usize,
) -> Result<Vec<(Position, ItemKey)>, QueryError> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let request = || reading.deps.store.user_events_page(&span, after.as_ref(), limit + 1);
        let page = retry(&reading.deps.jitter, reading.deadline, request).await?;
        let mut oldest = i64::MAX;
        for key in page.items {
            let Some((ms, id)) = keys::parse_event(&key.sk) else { continue };
            oldest = ms;
            let at = (ms, id.to_owned());
            if position.is_none_or(|position| at < *position) {
                listed.push((at, key));
            }
        }
        let is_enough = listed.get(limit).is_some_and(|((ms, _), _)| oldest < *ms);
        match reading.next(page.next)? {
            Some(next) if !is_enough => after = Some(next),
            _ => return Ok(listed),
        }
    }
}
