//! An event as a line of the log: the event as it is stored, with its index in the entry.

use std::borrow::Cow;

use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::validate::scan_stored;
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
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow, default)]
    account_id: Option<Cow<'a, str>>,
    timestamp: i64,
    counted_at: Option<i64>,
    #[serde(borrow, default)]
    priced_by: Option<Cow<'a, str>>,
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
    scan_stored(line).map_or_else(|| read_any(line), Ok)
}

/// The general way.
fn read_any(line: &str) -> Result<(u32, Event<'_>), LineError> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| LineError(error.to_string()))?;
    let event = Event {
        id: line.event_id,
        user_id: line.user_id,
        session_id: line.session_id,
        event_type: EventType::from_stored(&line.event_type),
        account_id: line.account_id,
        timestamp_ms: line.timestamp,
        counted_ms: line.counted_at.unwrap_or(line.timestamp),
        priced_by: line.priced_by,
        event_data: line.event_data.map_or(Ok(Json::EMPTY), |raw| object("eventData", raw))?,
        metadata: object("metadata", line.metadata)?,
    };
    Ok((line.index, event))
}

fn object<'a>(field: &str, raw: &'a RawValue) -> Result<Json<'a>, LineError> {
    Json::from_stored(raw).ok_or_else(|| LineError(format!("{field} is not an object")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_what_the_general_one_reads() {
        let check = |data: &str, metadata: &str, rest: &str, is_short: bool| {
            let line = format!(
                "{{\"index\":7,\"eventId\":\"e-1\",\"userId\":\"u\",\"sessionId\":\"s\",{rest}{data}\"metadata\":{metadata}}}"
            );
            let general = read_any(&line).unwrap();
            assert_eq!(read(&line).unwrap(), general, "{line}");
            assert_eq!(scan_stored(&line).is_some(), is_short, "{line}");
            let (_, event) = read(&line).unwrap();
            assert_eq!(event.account_id.is_some(), rest.contains("accountId"), "{line}");
            assert_eq!(event.platform(), general.1.platform(), "{line}");
            assert_eq!(event.feature(), general.1.feature(), "{line}");
            assert_eq!(event.model(), general.1.model(), "{line}");
        };
        let metadata = r#"{"userAgent":"a","ipAddress":"192.0.2.1","platform":"web","n":[1,{"platform":"no"}]}"#;
        let used = r#""eventType":"feature_use","timestamp":1772323200000,"#;
        check(r#""eventData":{"feature":"exp\"ort","n":-1.5},"#, metadata, used, true);
        check(r#""eventData":{"deep":{"feature":"no"},"feature":"yes"},"#, metadata, used, true);
        check("", metadata, used, true);
        check("", r#"{"userAgent":"a"}"#, used, true);
        check("", metadata, r#""eventType":"page_view","accountId":"acme","timestamp":1,"#, true);
        check("", metadata, r#""eventType":"page_view","accountId":"a\"b","timestamp":1,"#, false);
        check("", metadata, r#""eventType":"signup","timestamp":-5,"countedAt":900000,"#, true);
        check(
            r#""eventData":{"model":"m-1","tokens":12,"cost":0.25},"#,
            metadata,
            r#""eventType":"ai_request","timestamp":1,"#,
            true,
        );
        // A number that is rarely written so, an escape in a name that is kept apart, and a field that is none of the log's.
        check("", metadata, r#""eventType":"sign\u0075p","timestamp":1,"#, false);
        check(r#""eventData":{"n":-1.5e3},"#, metadata, used, false);
        check("\"more\":1,", metadata, used, false);
        assert!(read(r#"{"index":1}"#).is_err());
        assert!(read("").is_err());
    }
}
