//! What one user did, the newest first.

use std::borrow::Cow;

use headcount_core::calendar::{end_of, start_of};
use headcount_core::event::{Event, Object};
use headcount_core::keys::{self, ItemKey};
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
    /// Its session; null where it has none.
    pub session_id: Option<String>,
    /// Its account; null where the event names none.
    pub account_id: Option<String>,
    /// The price table that made its cost; null where it stated one, or has none.
    pub priced_by: Option<String>,
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
            session_id: event.session_id.map(Cow::into_owned),
            account_id: event.account_id.map(Cow::into_owned),
            priced_by: event.priced_by.map(Cow::into_owned),
            event_data: event.event_data.to_object(),
            metadata: event.metadata.to_object(),
        }
    }
}

/// When an event happened, and its id: the order of a timeline.
type Position = (i64, String);

/// A page of the user's events within the range, from the items of events. These live 90 days, and there are none where
/// the deployment switched them off, or their user index: then the log is the place to look. A page may hold fewer than
/// asked for, where some expired meanwhile.
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
    let meta = deps.meta().await?;
    let zone = meta.deployment.zone;
    let to_ms = end_of(zone, range.to) - 1;
    let to_ms = position.as_ref().map_or(to_ms, |(ms, _)| to_ms.min(*ms));
    let span = UserSpan { user_id: user_id.to_owned(), from_ms: start_of(zone, range.from), to_ms };
    let reading = Reading { deps, table: meta.table, deadline: deadline(), open_from: range.to };
    let mut keys = list(&reading, span, position.as_ref(), limit).await?;
    keys.sort_by(|a, b| b.cmp(a));
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|(position, _)| text_of(position));

    let store = &deps.store;
    let request = |keys: Vec<ItemKey>| async move { store.events(&keys).await };
    let found = reading.look_up(keys.into_iter().map(|(_, key)| key).collect(), &request).await?;
    let mut events: Vec<UserEvent> = found.into_iter().filter_map(|(_, event)| event).map(Into::into).collect();
    events.sort_by(|a, b| (b.timestamp, &b.event_id).cmp(&(a.timestamp, &a.event_id)));
    Ok(UserEvents { user_id: user_id.to_owned(), events, next })
}

/// The keys behind the position: more than `limit` where there are, and then all of the millisecond in
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
