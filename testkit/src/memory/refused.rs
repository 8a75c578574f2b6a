//! What DynamoDB refuses of an event, so that a test in memory meets it too
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).

use headcount_core::event::Object;
use headcount_store::numbers;
use headcount_store::rows::EventItem;
use serde_json::Value;

/// Bytes of one item: 400 KB.
const MAX_ITEM_BYTES: usize = 400 << 10;

/// Bytes of a partition key, also of an index.
const MAX_PARTITION_KEY_BYTES: usize = 2_048;

/// Bytes of a sort key.
const MAX_SORT_KEY_BYTES: usize = 1_024;

/// Levels of maps and lists in one attribute.
const MAX_LEVELS: usize = 32;

/// Levels above `eventData` and `metadata`: `Data` itself.
const LEVELS_ABOVE: usize = 1;

/// About what the item's other attributes take: names, dates.
const FIXED_BYTES: usize = 300;

/// Why the event would be refused; `None` where it would be stored.
pub(super) fn reason(item: &EventItem<'_>) -> Option<String> {
    let key = item.key();
    if key.pk.len() > MAX_PARTITION_KEY_BYTES || item.event.user_id.len() > MAX_PARTITION_KEY_BYTES - 16 {
        return Some(format!("a partition key must be at most {MAX_PARTITION_KEY_BYTES} bytes"));
    }
    if key.sk.len() > MAX_SORT_KEY_BYTES {
        return Some(format!("a sort key must be at most {MAX_SORT_KEY_BYTES} bytes"));
    }
    let mut bytes = FIXED_BYTES
        + key.pk.len()
        + key.sk.len()
        + 2 * item.event.user_id.len()
        + item.event.session_id.as_ref().map_or(0, |id| id.len());
    for object in [&item.event.event_data, &item.event.metadata] {
        match object_bytes(&object.to_object(), LEVELS_ABOVE + 1) {
            Ok(more) => bytes += more,
            Err(reason) => return Some(reason),
        }
    }
    (bytes > MAX_ITEM_BYTES).then(|| format!("an item must be at most {MAX_ITEM_BYTES} bytes"))
}

fn object_bytes(object: &Object, level: usize) -> Result<usize, String> {
    check_level(level)?;
    let mut bytes = 3;
    for (name, value) in object {
        if name.is_empty() {
            return Err("the name of an attribute must not be empty".into());
        }
        bytes += 1 + name.len() + value_bytes(value, level + 1)?;
    }
    Ok(bytes)
}

fn value_bytes(value: &Value, level: usize) -> Result<usize, String> {
    match value {
        Value::Null | Value::Bool(_) => Ok(1),
        Value::Number(number) if numbers::is_storable(number) => Ok(1 + number.to_string().len().div_ceil(2)),
        Value::Number(_) => Err("a number must lie within what the table stores".into()),
        Value::String(text) => Ok(text.len()),
        Value::Object(object) => object_bytes(object, level),
        Value::Array(items) => {
            check_level(level)?;
            items.iter().try_fold(3, |bytes, item| Ok(bytes + 1 + value_bytes(item, level + 1)?))
        }
    }
}

fn check_level(level: usize) -> Result<(), String> {
    if level > MAX_LEVELS { Err(format!("nesting must be at most {MAX_LEVELS} levels")) } else { Ok(()) }
}
