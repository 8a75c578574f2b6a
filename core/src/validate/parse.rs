//! From an event's text to its fields.

use serde_json::value::RawValue;

use super::mend::mend;
use crate::event::Object;
use crate::rejection::Problems;

/// The event's fields, and how many properties were mended; none, and a problem, where the text is no JSON object.
pub(super) fn object(text: &str, problems: &mut Problems) -> Option<(Object, u64)> {
    if !text.trim_ascii_start().starts_with('{') {
        let problem = match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => format!("the event must be a JSON object, not {}", kind(raw.get())),
            Err(error) => format!("the event is not valid JSON: {error}"),
        };
        problems.add("", problem);
        return None;
    }
    match serde_json::from_str(text) {
        Ok(object) => Some((object, 0)),
        Err(error) => {
            let (text, mended) = mend(text);
            let object = if mended > 0 { serde_json::from_str(&text).ok() } else { None };
            if object.is_none() {
                problems.add("", format_args!("the event is not valid JSON: {error}"));
            }
            object.map(|object| (object, mended))
        }
    }
}

/// What kind of JSON value a text is.
fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}
