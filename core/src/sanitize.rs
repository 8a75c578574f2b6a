//! Cleans `eventData` and `metadata`: what can be mended is mended, what cannot is a problem.
//!
//! Strings lose control characters other than newline and tab, are trimmed and cut; arrays are cut; nulls go; objects
//! and arrays recurse; numbers and booleans stay. Nothing grows, and cleaning twice is cleaning once. What the table
//! would refuse (nesting, names, numbers) or what nobody needs (hundreds of fields) is a problem of the field.

mod path;

use serde_json::{Number, Value};

use crate::event::Object;
use crate::limits::{
    MAX_ARRAY_ITEMS, MAX_FIELD_NAME_BYTES, MAX_NESTING, MAX_NUMBER_MAGNITUDE, MAX_OBJECT_FIELDS, MAX_STRING_CHARS,
    MIN_NUMBER_MAGNITUDE,
};
use crate::rejection::Problems;

pub(crate) use path::Path;

/// Cleans an object in place. `root` is its name in the event (`eventData`, `metadata`), with which the paths of
/// problems begin. Where there are problems, the object may be cleaned only in part.
///
/// Numbers are judged by their value alone; how many digits their text had is for [`crate::validate`] to say.
///
/// ```
/// use headcount_core::{rejection::Problems, sanitize::sanitize};
/// let mut data = serde_json::json!({ "title": "  Two\u{7} words ", "none": null }).as_object().unwrap().clone();
/// let mut problems = Problems::default();
/// sanitize("eventData", &mut data, &mut problems);
/// assert!(problems.is_empty());
/// assert_eq!(serde_json::Value::from(data), serde_json::json!({ "title": "Two words" }));
/// ```
pub fn sanitize(root: &str, object: &mut Object, problems: &mut Problems) {
    clean_object(&Path::root(root), object, problems);
}

fn clean_value(path: &Path<'_>, value: &mut Value, problems: &mut Problems) {
    match value {
        Value::String(text) => clean_string(text),
        Value::Number(number) => check_number(path, number, problems),
        Value::Object(object) => clean_object(path, object, problems),
        Value::Array(items) => clean_array(path, items, problems),
        Value::Bool(_) | Value::Null => {}
    }
}

fn clean_object(path: &Path<'_>, object: &mut Object, problems: &mut Problems) {
    if is_too_deep(path, problems) {
        return;
    }
    object.retain(|_, value| !value.is_null());
    if object.len() > MAX_OBJECT_FIELDS {
        problems.add(path, format_args!("has {} fields: at most {MAX_OBJECT_FIELDS} are allowed", object.len()));
        return;
    }
    for (name, value) in object.iter_mut() {
        if name.is_empty() {
            problems.add(path, "has a field with an empty name");
        } else if name.len() > MAX_FIELD_NAME_BYTES {
            let bytes = name.len();
            problems.add(
                path,
                format_args!("has a field name of {bytes} bytes: at most {MAX_FIELD_NAME_BYTES} are allowed"),
            );
        }
        clean_value(&path.field(name), value, problems);
    }
}

fn clean_array(path: &Path<'_>, items: &mut Vec<Value>, problems: &mut Problems) {
    if is_too_deep(path, problems) {
        return;
    }
    items.retain(|item| !item.is_null());
    items.truncate(MAX_ARRAY_ITEMS);
    for (index, item) in items.iter_mut().enumerate() {
        clean_value(&path.item(index), item, problems);
    }
}

fn is_too_deep(path: &Path<'_>, problems: &mut Problems) -> bool {
    let too_deep = path.level() > MAX_NESTING;
    if too_deep {
        problems.add(path, format_args!("is nested too deeply: at most {MAX_NESTING} levels are allowed"));
    }
    too_deep
}

fn check_number(path: &Path<'_>, number: &Number, problems: &mut Problems) {
    // 64-bit integers always fit; only what became a double can lie outside.
    let magnitude = if number.is_f64() { number.as_f64().map_or(0.0, f64::abs) } else { 0.0 };
    if magnitude > MAX_NUMBER_MAGNITUDE {
        problems.add(path, TOO_LARGE);
    } else if magnitude > 0.0 && magnitude < MIN_NUMBER_MAGNITUDE {
        problems.add(path, TOO_SMALL);
    }
}

/// The problem of a number beyond [`MAX_NUMBER_MAGNITUDE`].
pub(crate) const TOO_LARGE: &str = "is too large a number: at most 9.99e125 can be stored";

/// The problem of a number below [`MIN_NUMBER_MAGNITUDE`].
pub(crate) const TOO_SMALL: &str = "is too small a number: apart from 0, at least 1e-130 can be stored";

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
