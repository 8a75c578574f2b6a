//! Attributes: JSON to and from DynamoDB's values, and an item read back attribute by attribute.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::deployment::TableId;
use headcount_core::event::Object;
use headcount_core::keys::ItemKey;
use serde_json::Value;

use crate::error::StoreError;
use crate::numbers;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The key's two attributes.
pub(crate) fn key_item(key: &ItemKey) -> Item {
    HashMap::from([("PK".to_owned(), s(&key.pk)), ("SK".to_owned(), s(&key.sk))])
}

/// JSON as an attribute, numbers in their stored form.
pub(crate) fn from_json(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(numbers::as_stored(number).to_string()),
        Value::String(text) => s(text),
        Value::Array(items) => AttributeValue::L(items.iter().map(from_json).collect()),
        Value::Object(object) => from_object(object),
    }
}

/// A JSON object as a map.
pub(crate) fn from_object(object: &Object) -> AttributeValue {
    AttributeValue::M(object.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
}

/// An attribute as JSON; `None` where it is of a kind that JSON never makes, or no number.
pub(crate) fn to_json(value: &AttributeValue) -> Option<Value> {
    Some(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::N(text) => Value::Number(numbers::parse(text)?),
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(items) => Value::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        AttributeValue::M(map) => Value::Object(to_object(map)?),
        _ => return None,
    })
}

fn to_object(map: &Item) -> Option<Object> {
    map.iter().map(|(name, value)| Some((name.clone(), to_json(value)?))).collect()
}

/// Reads an item's attributes; what is missing or of another kind makes the item malformed.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a Item);

impl<'a> Attributes<'a> {
    /// The text of an attribute.
    pub(crate) fn text(self, name: &str) -> Result<&'a str, StoreError> {
        self.get(name, |value| value.as_s().ok().map(String::as_str))
    }

    /// A text that stands for something else.
    pub(crate) fn parsed<T: FromStr>(self, name: &str) -> Result<T, StoreError> {
        self.get(name, |value| value.as_s().ok()?.parse().ok())
    }

    /// A number.
    pub(crate) fn number<T: FromStr>(self, name: &str) -> Result<T, StoreError> {
        self.get(name, |value| value.as_n().ok()?.parse().ok())
    }

    /// Bytes.
    pub(crate) fn bytes(self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.get(name, |value| Some(value.as_b().ok()?.as_ref().to_vec()))
    }

    /// Whether the item was written to the table with this number.
    pub(crate) fn is_of(self, table: TableId) -> bool {
        self.number("Table").is_ok_and(|number: u64| number == table.0)
    }

    /// Bytes that carry their own checksum: what is missing is left to whoever decodes them, who sets it aside by name.
    pub(crate) fn framed_bytes(self, name: &str) -> Vec<u8> {
        self.bytes(name).unwrap_or_default()
    }

    /// A yes or no.
    pub(crate) fn flag(self, name: &str) -> Result<bool, StoreError> {
        self.get(name, |value| value.as_bool().ok().copied())
    }

    /// A map.
    pub(crate) fn map(self, name: &str) -> Result<&'a Item, StoreError> {
        self.get(name, |value| value.as_m().ok())
    }

    /// A list.
    pub(crate) fn list(self, name: &str) -> Result<&'a [AttributeValue], StoreError> {
        self.get(name, |value| value.as_l().ok().map(Vec::as_slice))
    }

    /// A map that is JSON.
    pub(crate) fn object(self, name: &str) -> Result<Object, StoreError> {
        self.get(name, |value| to_object(value.as_m().ok()?))
    }

    /// The item's key.
    pub(crate) fn key(self) -> Result<ItemKey, StoreError> {
        Ok(ItemKey { pk: self.text("PK")?.to_owned(), sk: self.text("SK")?.to_owned() })
    }

    /// Whether there is such an attribute.
    pub(crate) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The error that says what is wrong with one attribute. Ids are left out: it ends in logs.
    pub(crate) fn malformed(self, detail: impl Into<String>) -> StoreError {
        let part = |name: &str| self.0.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        let shown = |text: &str, most: usize, from: &str| {
            if text.starts_with(from) {
                text.splitn(most + 1, '#').take(most).collect::<Vec<_>>().join("#") + "#..."
            } else {
                text.to_owned()
            }
        };
        StoreError::Malformed {
            pk: shown(part("PK"), 1, "USER#"),
            sk: shown(part("SK"), 2, "EVENT#"),
            detail: detail.into(),
        }
    }

    fn get<T>(self, name: &str, read: impl FnOnce(&'a AttributeValue) -> Option<T>) -> Result<T, StoreError> {
        let value = self.0.get(name).ok_or_else(|| self.malformed(format!("the attribute {name} is missing")))?;
        read(value).ok_or_else(|| self.malformed(format!("the attribute {name} is not what it should be")))
    }
}
