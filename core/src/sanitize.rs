//! Cleans `eventData` and `metadata`: what can be mended is mended, what cannot is dropped and counted.
//!
//! Strings lose control characters other than newline and tab, are trimmed and cut; arrays are cut; nulls go; objects
//! and arrays recurse; booleans stay. What the table cannot hold (nesting, field names, magnitudes of numbers) and what nobody
//! needs (hundreds of fields) is dropped: a property that nothing counts never costs its event. Nothing grows, and
//! cleaning twice is cleaning once.

use serde_json::{Number, Value};

use crate::event::Object;
use crate::limits::{
    MAX_ARRAY_ITEMS, MAX_FIELD_NAME_BYTES, MAX_NESTING, MAX_NUMBER_MAGNITUDE, MAX_OBJECT_FIELDS, MAX_STRING_CHARS,
    MIN_NUMBER_MAGNITUDE,
};

/// Fields that have rules of their own: they are not among those that are dropped where there are too many.
const COUNTED: [&str; 19] = [
    "feature",
    "contentType",
    "model",
    "errorType",
    "tokens",
    "inputTokens",
    "outputTokens",
    "cachedTokens",
    "cacheWriteTokens",
    "reasoningTokens",
    "batch",
    "usage",
    "latencyMs",
    "duration",
    "durationMs",
    "cost",
    "userAgent",
    "ipAddress",
    "platform",
];

/// Cleans an object in place; gives how many properties were mended or dropped because they cannot be stored.
///
/// ```
/// let mut data = serde_json::json!({ "title": "  Two\u{7} words ", "none": null, "": 1 }).as_object().unwrap().clone();
/// assert_eq!(headcount_core::sanitize::sanitize(&mut data), 1, "a field without a name");
/// assert_eq!(serde_json::Value::from(data), serde_json::json!({ "title": "Two words" }));
/// ```
pub fn sanitize(object: &mut Object) -> u64 {
    let mut mended = 0;
    clean_object(1, object, &mut mended);
    mended
}

/// Cleans a value that lies so many levels deep; whether it can be kept.
fn clean_value(level: usize, value: &mut Value, mended: &mut u64) -> bool {
    match value {
        Value::Null => return false,
        Value::String(text) => clean_string(text),
        Value::Number(number) => return clean_number(number, mended),
        Value::Object(_) | Value::Array(_) if level > MAX_NESTING => {
            *mended += 1;
            return false;
        }
        Value::Object(object) => clean_object(level, object, mended),
        Value::Array(items) => clean_array(level, items, mended),
        Value::Bool(_) => {}
    }
    true
}

fn clean_object(level: usize, object: &mut Object, mended: &mut u64) {
    object.retain(|name, value| {
        let is_storable = (1..=MAX_FIELD_NAME_BYTES).contains(&name.len());
        *mended += u64::from(!is_storable && !value.is_null());
        is_storable && !value.is_null()
    });
    if object.len() > MAX_OBJECT_FIELDS {
        let is_counted = |name: &str| level == 1 && COUNTED.contains(&name);
        let mut room = MAX_OBJECT_FIELDS - object.keys().filter(|name| is_counted(name)).count();
        object.retain(|name, _| {
            let is_kept = is_counted(name) || room > 0;
            room -= usize::from(is_kept && !is_counted(name));
            *mended += u64::from(!is_kept);
            is_kept
        });
    }
    object.retain(|_, value| clean_value(level + 1, value, mended));
}

fn clean_array(level: usize, items: &mut Vec<Value>, mended: &mut u64) {
    items.retain(|item| !item.is_null());
    items.truncate(MAX_ARRAY_ITEMS);
    items.retain_mut(|item| clean_value(level + 1, item, mended));
}

/// A number that is too small becomes 0; one that is too large cannot be kept.
fn clean_number(number: &mut Number, mended: &mut u64) -> bool {
    // 64-bit integers always fit; only what became a double can lie outside.
    let magnitude = if number.is_f64() { number.as_f64().map_or(0.0, f64::abs) } else { 0.0 };
    if magnitude > 0.0 && magnitude < MIN_NUMBER_MAGNITUDE {
        *mended += 1;
        *number = 0.into();
    }
    let fits = magnitude <= MAX_NUMBER_MAGNITUDE;
    *mended += u64::from(!fits);
    fits
}

fn clean_string(text: &mut String) {
    if text.chars().any(is_dropped) {
        text.retain(|c| !is_dropped(c));
    }
    // Dropped characters may have stood before blanks, and a cut may leave one at the end.
    if let Some((end, _)) = text.trim().char_indices().nth(MAX_STRING_CHARS) {
        let start = text.len() - text.trim_start().len();
        text.truncate(start + end);
    }
    text.truncate(text.trim_end().len());
    text.drain(..text.len() - text.trim_start().len());
}

fn is_dropped(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

#[cfg(test)]
pub(crate) mod tests;
