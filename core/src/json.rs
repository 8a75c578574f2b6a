//! A JSON object as text: how `eventData` and `metadata` live between the wire and the table, without a map for each.

mod strings;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::Object;

pub use strings::{end_of_string, plain_until};

/// The text of a sanitized JSON object, on one line. It is well-formed: only [`crate::validate`] and objects make one.
///
/// ```
/// use headcount_core::json::Json;
/// let data = Json::from(serde_json::json!({"feature": "export", "n": 2}));
/// assert_eq!(data.text("feature").as_deref(), Some("export"));
/// assert_eq!(data.text("n"), None, "a number is no text");
/// assert_eq!(data.as_str(), r#"{"feature":"export","n":2}"#);
/// ```
#[derive(Clone)]
pub struct Json<'a> {
    text: Cow<'a, str>,
    /// Where one field's value lies, if whoever read the object has seen it.
    found: Option<Found>,
}

/// A field that is known to be there.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    /// Where its value starts and ends in the object's text.
    pub(crate) starts: u32,
    pub(crate) ends: u32,
}

/// The object without a field.
const EMPTY: &str = "{}";

impl<'a> Json<'a> {
    /// The object without a field.
    pub const EMPTY: Self = Self { text: Cow::Borrowed(EMPTY), found: None };

    /// Text that is known to be a sanitized object on one line.
    pub(crate) fn sanitized(text: Cow<'a, str>) -> Self {
        Self { text, found: None }
    }

    /// The object that the log stored, which was sanitized before; `None` where the value is no object.
    ///
    /// ```
    /// use headcount_core::json::Json;
    /// let raw = serde_json::from_str(r#"{"n":2}"#).unwrap();
    /// assert_eq!(Json::from_stored(raw), Some(serde_json::json!({"n": 2}).into()));
    /// assert_eq!(Json::from_stored(serde_json::from_str("[]").unwrap()), None);
    /// ```
    pub fn from_stored(raw: &'a RawValue) -> Option<Self> {
        // A raw value is well-formed JSON without blanks around it.
        raw.get().starts_with('{').then(|| Self::sanitized(Cow::Borrowed(raw.get())))
    }

    /// The same object, where `found` lies known beforehand.
    pub(crate) fn with_found(self, found: Option<Found>) -> Self {
        Self { found, ..self }
    }

    /// The same object with a field more, behind the others; `number` is JSON. A field of this name gives way.
    #[must_use]
    pub(crate) fn with_number(self, name: &str, number: &str) -> Json<'static> {
        let (text, found) = if self.get(name).is_some() {
            let mut object = self.to_object();
            object.remove(name);
            (Json::from(object).text.into_owned(), None)
        } else {
            (self.text.into_owned(), self.found)
        };
        let fields = text.trim_end().strip_suffix('}').unwrap_or_default().trim_end();
        let comma = if fields.len() > 1 { "," } else { "" };
        Json { text: Cow::Owned(format!("{fields}{comma}\"{name}\":{number}}}")), found }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.text.len() <= EMPTY.len()
    }

    /// The same, whatever it borrowed from.
    pub fn into_owned(self) -> Json<'static> {
        Json { text: Cow::Owned(self.text.into_owned()), found: self.found }
    }

    /// The fields in their order, each with its value as text.
    pub fn fields(&self) -> Fields<'_> {
        Fields { text: &self.text, at: 1 }
    }

    /// The value of the field `name`, where it is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name)?.as_text()
    }

    /// The value of the field `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<RawJson<'_>> {
        if let Some(found) = self.found.filter(|found| found.name == name) {
            return self.text.get(found.starts as usize..found.ends as usize).map(RawJson);
        }
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The object with all that is in it.
    pub fn to_object(&self) -> Object {
        // It was made of an object, or read as one.
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Default for Json<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Json<'_> {
    /// Whether both hold the same, however it is written.
    fn eq(&self, other: &Json<'_>) -> bool {
        self.text == other.text || self.to_object() == other.to_object()
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&Object> for Json<'static> {
    fn from(object: &Object) -> Self {
        if object.is_empty() {
            return Self::EMPTY;
        }
        // Text keys and values that JSON has: nothing that cannot be written.
        Self::sanitized(Cow::Owned(serde_json::to_string(object).unwrap_or_else(|_| EMPTY.to_owned())))
    }
}

impl From<Object> for Json<'static> {
    fn from(object: Object) -> Self {
        Self::from(&object)
    }
}

impl From<Value> for Json<'static> {
    /// The object that the value is; no fields where it is something else.
    fn from(value: Value) -> Self {
        value.as_object().map_or(Self::EMPTY, Self::from)
    }
}

/// The text of one JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawJson<'a>(&'a str);

impl<'a> RawJson<'a> {
    /// The text, as it is written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The string that it is, if it is one.
    pub fn as_text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The value itself.
    pub fn to_value(self) -> Value {
        serde_json::from_str(self.0).unwrap_or_default()
    }
}

/// The fields of an object, in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    /// Behind the brace, or behind the last value.
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Cow<'a, str>, RawJson<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = skip(bytes, self.at, |byte| matches!(byte, b' ' | b','));
        let end = match bytes.get(start)? {
            b'"' => end_of_string(bytes, start),
            _ => return None,
        };
        let name = RawJson(self.text.get(start..end)?).as_text()?;
        let from = skip(bytes, end, |byte| matches!(byte, b' ' | b':'));
        self.at = end_of_value(bytes, from);
        Some((name, RawJson(self.text.get(from..self.at)?)))
    }
}

fn skip(bytes: &[u8], from: usize, is_skipped: fn(u8) -> bool) -> usize {
    let mut at = from;
    while bytes.get(at).is_some_and(|byte| is_skipped(*byte)) {
        at += 1;
    }
    at
}

/// The index behind the value that begins at `start`.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut level) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => (at, level) = (at + 1, level + 1),
            b'}' | b']' | b',' | b' ' if level == 0 => return at,
            b'}' | b']' => (at, level) = (at + 1, level - 1),
            _ => {
                at += 1;
                continue;
            }
        }
        if level == 0 {
            return at;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_is_put_behind_the_other_fields() {
        for (before, after) in [
            (json!({}), json!({"n": 0.5})),
            (json!({"a": "}"}), json!({"a": "}", "n": 0.5})),
            (json!({"n": "old", "z": 1}), json!({"n": 0.5, "z": 1})),
        ] {
            assert_eq!(Json::from(before).with_number("n", "0.5"), Json::from(after));
        }
        let spaced = Json::sanitized(Cow::Borrowed("{ \"a\" : 1 }"));
        assert_eq!(spaced.with_number("n", "2").as_str(), "{ \"a\" : 1,\"n\":2}");
    }

    #[test]
    fn every_field_is_found_whatever_lies_before_it() {
        let value = json!({
            "text": "a\"b\\", "empty": "", "n": -1.5, "yes": true, "deep": {"x": [1, {"y": "}]"}], "n": 2}, "list": ["n", []],
            "na\"me": 3, "ü": "ß", "last": 0,
        });
        let json = Json::from(value.clone());
        let spaced = Json::sanitized(Cow::Owned(json.as_str().replace("\":", "\" : ").replace(",\"", " , \"")));
        for json in [&json, &spaced] {
            let fields: Object = json.fields().map(|(name, value)| (name.into_owned(), value.to_value())).collect();
            assert_eq!(Value::Object(fields), value, "{json:?}");
            assert_eq!(json.text("text").as_deref(), Some("a\"b\\"));
            assert_eq!((json.text("ü").as_deref(), json.text("empty").as_deref()), (Some("ß"), Some("")));
            assert_eq!((json.text("n"), json.get("none")), (None, None));
            assert_eq!(json.get("n").map(RawJson::as_str), Some("-1.5"));
        }
        assert_eq!(json, spaced);
        assert!(Json::EMPTY.is_empty() && Json::from(json!({})).is_empty() && Json::EMPTY.fields().next().is_none());
    }
}
