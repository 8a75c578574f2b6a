//! Events: `ANALYTICS#<date>` / `EVENT#<ms>#<eventId>`.

use std::error::Error;

use aws_sdk_dynamodb::types::BatchStatementRequest;
use bytes::Bytes;
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::{self, ItemKey};
use headcount_core::origin::Origin;

use super::DynamoStore;
use super::insert::body;
use super::inserted::{self, Refusal};
use super::item::{Attributes, s};
use super::refusal::{cut, sort, unreadable};
use super::request::{Wanted, read_found};
use crate::batch;
use crate::error::StoreError;
use crate::rows::{Claim, Cursor, EventRow, Lookup, Page};
use crate::traits::{EventSpan, EventStore, MAX_BATCH_WRITES};

/// The operation that inserts events.
const INSERT: &str = "BatchExecuteStatement";

/// The event that an item holds.
pub(super) fn read_event(attributes: Attributes<'_>) -> Result<Event<'static>, StoreError> {
    let data = attributes.map("Data")?;
    // Errors name the item, which the map inside it cannot.
    let inside = |error: StoreError| match error {
        StoreError::Malformed { detail, .. } => attributes.malformed(format!("in Data, {detail}")),
        other => other,
    };
    let data = Attributes(data);
    let text = |name| data.text(name).map_err(inside);
    let event = Event {
        id: text("eventId")?.to_owned().into(),
        user_id: text("userId")?.to_owned().into(),
        session_id: text("sessionId")?.to_owned().into(),
        event_type: EventType::from_stored(text("eventType")?),
        timestamp_ms: data.number("timestamp").map_err(inside)?,
        counted_ms: data.number("timestamp").map_err(inside)?,
        event_data: if data.has("eventData") { data.object("eventData").map_err(inside)?.into() } else { Json::EMPTY },
        metadata: data.object("metadata").map_err(inside)?.into(),
    };
    if keys::parse_event(attributes.text("SK")?) != Some((event.timestamp_ms, &*event.id)) {
        return Err(attributes.malformed("its key does not say its event's time and id"));
    }
    Ok(event)
}

fn read(attributes: Attributes<'_>, span: &EventSpan) -> Result<EventRow<'static>, StoreError> {
    Ok(EventRow {
        event: read_event(attributes)?,
        origin: attributes.parsed("Origin")?,
        date: span.date,
        shards: span.shards,
        created_ms: attributes.number("CreatedAt")?,
        expires_s: attributes.number("TTL")?,
    })
}

/// As [`batch::check`] with the keys of the events, which need not be made for it.
fn check(events: &[EventRow<'_>]) -> Result<(), StoreError> {
    let key = |row: &EventRow<'_>| (row.event.timestamp_ms, row.date);
    let is_again = |at: usize| {
        let row = &events[at];
        events[..at].iter().any(|other| key(other) == key(row) && other.event.id == row.event.id)
    };
    if events.len() <= MAX_BATCH_WRITES && !(1..events.len()).any(is_again) {
        return Ok(());
    }
    batch::check(events.iter().map(EventRow::key), MAX_BATCH_WRITES)
}

impl EventStore for DynamoStore {
    async fn claim(&self, events: &[EventRow<'_>]) -> Result<Vec<Claim>, StoreError> {
        check(events)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let body = Bytes::from(body(&self.insert, events));
        let (direct, place) = (&self.connection.direct, &self.connection.place);
        let refusals = match direct.send(INSERT, &body, place, &self.tables.events).await? {
            Some(answer) => inserted::read(&answer).map_err(|_| unreadable(place))?,
            None => Box::pin(self.insert_by_sdk(body)).await?,
        };
        // An answer that says nothing about an event leaves its outcome open.
        let mut refusals = refusals.into_iter();
        (0..events.len()).map(|_| refusals.next().map_or(Ok(Claim::Unknown), |one| self.outcome(one))).collect()
    }

    async fn origins(&self, keys: &[ItemKey]) -> Result<Vec<Lookup<Origin>>, StoreError> {
        let wanted = Wanted { attribute: Some("Origin"), consistent: true };
        let found = self.get_batch(&self.tables.events, keys, wanted).await?;
        read_found(found, |item| item.parsed("Origin"))
    }

    async fn events_page(
        &self,
        span: &EventSpan,
        after: Option<&Cursor>,
    ) -> Result<Page<EventRow<'static>>, StoreError> {
        let Some((partition, from, to)) = span.bounds()? else { return Ok(Page { items: Vec::new(), next: None }) };
        let table = &self.tables.events;
        let query = self
            .query(table, &partition, " AND SK BETWEEN :from AND :to", after)
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(to));
        self.page(table, query, |item| read(item, span)).await
    }
}

impl DynamoStore {
    /// Has the SDK send this body, and read the answer.
    async fn insert_by_sdk(&self, body: Bytes) -> Result<Vec<Option<Refusal>>, StoreError> {
        let invalid = |error: &dyn Error| StoreError::Invalid { detail: cut(&error.to_string()) };
        let body = String::from_utf8(body.into()).map_err(|error| invalid(&error))?;
        let finished = BatchStatementRequest::builder().statement(body).build().map_err(|error| invalid(&error))?;
        let request = self.connection.client.batch_execute_statement().statements(finished);
        let table = &self.tables.events;
        let answer = request.send().await.map_err(|error| sort(&error, &self.connection.place, table))?;
        Ok(answer.responses().iter().map(|response| response.error().map(Refusal::from)).collect())
    }

    /// What one statement's answer says. What concerns the table as a whole fails the request.
    fn outcome(&self, refusal: Option<Refusal>) -> Result<Claim, StoreError> {
        let Some(Refusal { code, message, origin }) = refusal else { return Ok(Claim::Inserted) };
        let unusable = |what: &str| {
            let place = &self.connection.place;
            Err(StoreError::Unusable {
                detail: format!("inserting into the table {} at {place} failed: {what}", self.tables.events),
            })
        };
        Ok(match code.as_deref().unwrap_or_default() {
            "DuplicateItem" | "ConditionalCheckFailed" => Claim::Exists(origin),
            "ProvisionedThroughputExceeded" | "RequestLimitExceeded" | "ThrottlingError" | "TransactionConflict" => {
                Claim::Throttled
            }
            "ValidationError" | "ItemCollectionSizeLimitExceeded" => {
                Claim::Invalid(cut(message.as_deref().unwrap_or("refused as invalid")))
            }
            "AccessDenied" => return unusable("access is denied, check dynamodb:PartiQLInsert"),
            "ResourceNotFound" => return unusable("it does not exist, create it or check its name"),
            // An internal error, no code, or one that this build does not know.
            _ => Claim::Unknown,
        })
    }
}
