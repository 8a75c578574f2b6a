//! Event items, `ANALYTICS#<date>` / `EVENT#<ms>#<eventId>`, and how they and rejected items are put.

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys;

use super::DynamoStore;
use super::attributes::{Attributes, Item, from_json, key_item, n, s};
use super::rejected;
use crate::error::StoreError;
use crate::rows::{EventItem, RejectedItem};
use crate::traits::ItemStore;

fn item(row: &EventItem<'_>) -> Item {
    let event = &row.event;
    let mut item = key_item(&row.key());
    item.extend([
        ("EntityType".to_owned(), s("AnalyticsEvent")),
        ("Data".to_owned(), data(event)),
        ("CreatedAt".to_owned(), n(row.created_ms)),
        ("UpdatedAt".to_owned(), n(row.created_ms)),
        ("TTL".to_owned(), n(row.expires_s)),
    ]);
    if row.is_indexed {
        item.insert("GSI1PK".to_owned(), s(keys::user(&event.user_id)));
        item.insert("GSI1SK".to_owned(), s(keys::event_at(event.timestamp_ms)));
    }
    item
}

/// The event itself.
fn data(event: &Event<'_>) -> AttributeValue {
    let mut data = Item::from([
        ("eventId".to_owned(), s(&*event.id)),
        ("userId".to_owned(), s(&*event.user_id)),
        ("eventType".to_owned(), s(event.event_type.as_str())),
        ("timestamp".to_owned(), n(event.timestamp_ms)),
        ("metadata".to_owned(), fields(&event.metadata)),
    ]);
    if let Some(session_id) = &event.session_id {
        data.insert("sessionId".to_owned(), s(&**session_id));
    }
    if let Some(account_id) = &event.account_id {
        data.insert("accountId".to_owned(), s(&**account_id));
    }
    if event.counted_ms != event.timestamp_ms {
        data.insert("countedAt".to_owned(), n(event.counted_ms));
    }
    if let Some(priced_by) = &event.priced_by {
        data.insert("pricedBy".to_owned(), s(&**priced_by));
    }
    if !event.event_data.is_empty() {
        data.insert("eventData".to_owned(), fields(&event.event_data));
    }
    AttributeValue::M(data)
}

fn fields(json: &Json<'_>) -> AttributeValue {
    AttributeValue::M(json.fields().map(|(name, value)| (name.into_owned(), from_json(&value.to_value()))).collect())
}

/// The event that an item holds.
pub(super) fn read(attributes: Attributes<'_>) -> Result<Event<'static>, StoreError> {
    let data = attributes.map("Data")?;
    // Errors name the item, which the map inside it cannot.
    let inside = |error: StoreError| match error {
        StoreError::Malformed { detail, .. } => attributes.malformed(format!("in Data, {detail}")),
        other => other,
    };
    let data = Attributes(data);
    let text = |name| data.text(name).map_err(inside);
    let optional = |name| data.has(name).then(|| text(name).map(|text| text.to_owned().into())).transpose();
    let timestamp_ms = data.number("timestamp").map_err(inside)?;
    let event = Event {
        id: text("eventId")?.to_owned().into(),
        user_id: text("userId")?.to_owned().into(),
        session_id: if data.has("sessionId") { Some(text("sessionId")?.to_owned().into()) } else { None },
        event_type: EventType::from_stored(text("eventType")?),
        account_id: optional("accountId")?,
        timestamp_ms,
        counted_ms: if data.has("countedAt") { data.number("countedAt").map_err(inside)? } else { timestamp_ms },
        priced_by: optional("pricedBy")?,
        event_data: if data.has("eventData") { data.object("eventData").map_err(inside)?.into() } else { Json::EMPTY },
        metadata: data.object("metadata").map_err(inside)?.into(),
    };
    if keys::parse_event(attributes.text("SK")?) != Some((event.timestamp_ms, &*event.id)) {
        return Err(attributes.malformed("its key does not say its event's time and id"));
    }
    Ok(event)
}

impl ItemStore for DynamoStore {
    async fn put_events(&self, items: &[EventItem<'_>]) -> Result<Vec<bool>, StoreError> {
        self.put_batch(&self.tables.events, items, EventItem::key, item).await
    }

    async fn put_rejected(&self, items: &[RejectedItem]) -> Result<Vec<bool>, StoreError> {
        self.put_batch(&self.tables.events, items, RejectedItem::key, rejected::item).await
    }
}
