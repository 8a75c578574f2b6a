//! The identity that an event gets before its first try: from the machine's clock, and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A new `UUIDv7` of this time, in its usual text.
///
/// ```
/// let id = headcount_producer::identity::new_event_id(1_772_323_200_000);
/// assert!(id.starts_with("019ca6b1-dc00-7"), "{id}");
/// ```
pub fn new_event_id(now_ms: i64) -> String {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    event_id(now_ms, &random)
}

/// The `UUIDv7` of this time, milliseconds since the epoch, and these ten bytes.
pub fn event_id(now_ms: i64, random: &[u8; 10]) -> String {
    uuid::Builder::from_unix_timestamp_millis(now_ms.max(0) as u64, random).into_uuid().to_string()
}
