//! An event as a line of the log: the event as it is stored, with its index in the entry.

use std::borrow::Cow;

use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::wire;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a line is no event of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line is not an event as the log stores it: {0}")]
pub struct LineError(pub String);

/// Appends the event as one line, with its line break.
pub fn write(line: &mut Vec<u8>, index: u32, event: &Event<'_>) {
    line.extend_from_slice(b"{\"index\":");
    line.extend_from_slice(index.to_string().as_bytes());
    line.push(b',');
    wire::write_fields(line, event);
    line.extend_from_slice(b"}\n");
}

/// A line, taken apart but for the two objects, whose text the event borrows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    index: u32,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    timestamp: i64,
    counted_at: Option<i64>,
    #[serde(borrow, default)]
    event_data: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// Reads a line that [`write()`] wrote; without its line break. The event was validated before it was stored, so only its form
/// is checked.
///
/// # Errors
///
/// [`LineError`].
pub fn read(line: &str) -> Result<(u32, Event<'_>), LineError> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| LineError(error.to_string()))?;
    let event = Event {
        id: line.event_id,
        user_id: line.user_id,
        session_id: line.session_id,
        event_type: EventType::from_stored(&line.event_type),
        timestamp_ms: line.timestamp,
        counted_ms: line.counted_at.unwrap_or(line.timestamp),
        event_data: line.event_data.map_or(Ok(Json::EMPTY), |raw| object("eventData", raw))?,
        metadata: object("metadata", line.metadata)?,
    };
    Ok((line.index, event))
}

fn object<'a>(field: &str, raw: &'a RawValue) -> Result<Json<'a>, LineError> {
    Json::from_stored(raw).ok_or_else(|| LineError(format!("{field} is not an object")))
}
