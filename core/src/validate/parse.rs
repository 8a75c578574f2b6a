//! From an event's text to its fields, and what the numbers in the text were before they became doubles.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::{Fields, is_known};
use crate::event::Object;
use crate::json::end_of_string;
use crate::limits::{MAX_ARRAY_ITEMS, MAX_NESTING, MAX_NUMBER_DIGITS, MAX_OBJECT_FIELDS};
use crate::rejection::Problems;
use crate::sanitize::{Path, TOO_LARGE, TOO_SMALL};

/// The fields of an event whose values are stored, numbers included.
const STORED_OBJECTS: [&str; 2] = ["eventData", "metadata"];

/// An object's fields as their raw texts.
type RawFields<'a> = BTreeMap<String, &'a RawValue>;

/// The event's fields; none, and a problem, where the text is no JSON object.
pub(super) fn object(text: &str, problems: &mut Problems) -> Option<Fields> {
    if !text.trim_ascii_start().starts_with('{') {
        let problem = match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => format!("the event must be a JSON object, not {}", kind(raw.get())),
            Err(error) => format!("the event is not valid JSON: {error}"),
        };
        problems.add("", problem);
        return None;
    }
    match serde_json::from_str::<Object>(text) {
        Ok(object) => {
            if has_unusual_number(text) {
                judge_stored(text, problems);
            }
            Some(Fields::new(object))
        }
        // Well-formed all the same: a number beyond a double, or nesting beyond the parser's bound.
        Err(error) => {
            let raw = serde_json::from_str::<RawFields<'_>>(text).ok();
            if raw.is_none() {
                problems.add("", format_args!("the event is not valid JSON: {error}"));
            }
            raw.map(|raw| each_by_itself(raw, problems))
        }
    }
}

/// Parses each known field by itself, so that one that cannot be read does not hide the problems of the others.
fn each_by_itself(raw: RawFields<'_>, problems: &mut Problems) -> Fields {
    let mut fields = Fields::default();
    for (name, raw) in raw {
        if !is_known(&name) {
            fields.insert(name, Value::Null);
            continue;
        }
        let path = Path::root(&name);
        let before = problems.count();
        judge(&path, raw, problems);
        match serde_json::from_str(raw.get()) {
            Ok(value) => fields.insert(name, value),
            Err(error) => {
                if nesting(raw.get()) > MAX_NESTING {
                    problems.add(path, format_args!("is nested too deeply: at most {MAX_NESTING} levels are allowed"));
                } else if problems.count() == before {
                    problems.add(path, format_args!("cannot be read as JSON: {error}"));
                }
                fields.insert_unreadable(name);
            }
        }
    }
    fields
}

/// Whether some number in the text may lose digits, or vanish, as a double: rare, and worth a second look. It vanishes
/// only below 1e-323: with an exponent of three digits, or with many zeros.
fn has_unusual_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let length = number_length(&bytes[at..]);
                let number = &bytes[at..at + length];
                if length > MAX_NUMBER_DIGITS || number.windows(5).any(|end| matches!(end, [b'e' | b'E', b'-', ..])) {
                    return true;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    false
}

/// How deeply a JSON text is nested, found without recursion.
fn nesting(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut level, mut deepest) = (0, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at = if *byte == b'"' { end_of_string(bytes, at) } else { at + 1 };
        match byte {
            b'{' | b'[' => level += 1,
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

fn number_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count()
}

fn judge_stored(text: &str, problems: &mut Problems) {
    let Ok(raw) = serde_json::from_str::<RawFields<'_>>(text) else { return };
    for name in STORED_OBJECTS {
        if let Some(raw) = raw.get(name) {
            judge(&Path::root(name), raw, problems);
        }
    }
}

/// Judges the numbers in a value by their text; only as deep and as wide as sanitizing looks.
fn judge(path: &Path<'_>, raw: &RawValue, problems: &mut Problems) {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{' | b'[') if path.level() > MAX_NESTING => {}
        Some(b'{') => {
            for (name, value) in serde_json::from_str::<RawFields<'_>>(text).iter().flatten().take(MAX_OBJECT_FIELDS) {
                judge(&path.field(name), value, problems);
            }
        }
        Some(b'[') => {
            let items = serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default();
            let kept = items.into_iter().filter(|item| item.get() != "null").take(MAX_ARRAY_ITEMS);
            for (index, item) in kept.enumerate() {
                judge(&path.item(index), item, problems);
            }
        }
        Some(b'-' | b'0'..=b'9') => judge_number(path, text, problems),
        _ => {}
    }
}

fn judge_number(path: &Path<'_>, text: &str, problems: &mut Problems) {
    let digits = significant_digits(text);
    let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
    if digits > MAX_NUMBER_DIGITS {
        problems.add(path, format_args!("is a number of {digits} digits: at most {MAX_NUMBER_DIGITS} can be stored"));
    }
    // Magnitudes that a double can hold are judged by sanitizing.
    if value.is_infinite() {
        problems.add(path, TOO_LARGE);
    } else if value == 0.0 && digits > 0 {
        problems.add(path, TOO_SMALL);
    }
}

/// The digits of a number without leading and trailing zeros; 0 for zero.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = || mantissa.bytes().filter(u8::is_ascii_digit);
    let leading = digits().take_while(|digit| *digit == b'0').count();
    let trailing = mantissa.bytes().rev().filter(u8::is_ascii_digit).take_while(|digit| *digit == b'0').count();
    digits().count().saturating_sub(leading + trailing)
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
