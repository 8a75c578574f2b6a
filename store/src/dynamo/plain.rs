//! Items read from an answer as it came, as the JSON that they were made of.
//!
//! For a year of figures the SDK makes a map with a value on the heap for every name, only to be turned into JSON again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use headcount_core::event::Object;
use headcount_core::keys::ItemKey;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::numbers;

/// The operation that looks up a batch of keys.
pub(super) const LOOK_UP: &str = "BatchGetItem";

/// An item's attributes. Bytes and sets, which JSON has no form for, make the answer unreadable.
#[derive(Debug, PartialEq)]
pub(super) struct Item(pub(super) Object);

/// What a batch of keys gave.
#[derive(Debug, Deserialize)]
pub(super) struct LookedUp {
    #[serde(rename = "Responses", default)]
    found: HashMap<String, Vec<Item>>,
    #[serde(rename = "UnprocessedKeys", default)]
    unprocessed: HashMap<String, Unprocessed>,
}

#[derive(Debug, Deserialize)]
struct Unprocessed {
    #[serde(rename = "Keys")]
    keys: Vec<Item>,
}

/// The body that looks up these keys, consistently.
pub(super) fn body(table: &str, keys: &[ItemKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| json!({"PK": {"S": key.pk}, "SK": {"S": key.sk}})).collect();
    json!({"RequestItems": {table: {"Keys": keys, "ConsistentRead": true}}}).to_string()
}

impl LookedUp {
    /// The table's items, and the keys that were not looked up.
    pub(super) fn of(mut self, table: &str) -> (Vec<Item>, Vec<Item>) {
        let unprocessed = self.unprocessed.remove(table).map(|left| left.keys);
        (self.found.remove(table).unwrap_or_default(), unprocessed.unwrap_or_default())
    }
}

impl Item {
    /// Its key.
    pub(super) fn key(&self) -> Option<ItemKey> {
        let text = |name| self.0.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(ItemKey { pk: text("PK")?, sk: text("SK")? })
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
                let mut object = Object::new();
                while let Some((name, Attribute(value))) = map.next_entry()? {
                    object.insert(name, value);
                }
                Ok(Item(object))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// An attribute's value, which is an object with its kind as its only field.
struct Attribute(Value);

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Typed;

        impl<'de> Visitor<'de> for Typed {
            type Value = Attribute;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute's value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attribute, A::Error> {
                let Some(Text(kind)) = map.next_key()? else { return Err(A::Error::custom("a value has no kind")) };
                let value = match &*kind {
                    "N" => {
                        let Text(number) = map.next_value()?;
                        Value::Number(numbers::parse(&number).ok_or_else(|| A::Error::custom("a number is none"))?)
                    }
                    "S" => Value::String(map.next_value()?),
                    "M" => Value::Object(map.next_value::<Item>()?.0),
                    "L" => {
                        let items: Vec<Attribute> = map.next_value()?;
                        Value::Array(items.into_iter().map(|Attribute(value)| value).collect())
                    }
                    "BOOL" => Value::Bool(map.next_value()?),
                    "NULL" => map.next_value::<bool>().map(|_| Value::Null)?,
                    _ => return Err(A::Error::custom("a value is of a kind that JSON has not")),
                };
                match map.next_key::<Text<'de>>()? {
                    None => Ok(Attribute(value)),
                    Some(_) => Err(A::Error::custom("a value has two kinds")),
                }
            }
        }

        deserializer.deserialize_map(Typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attribute: &str) -> Option<Value> {
        serde_json::from_str(attribute).ok().map(|Attribute(value)| value)
    }

    #[test]
    fn every_kind_of_value_becomes_its_json() {
        for (attribute, value) in [
            (r#"{"S":"a\u0062\n"}"#, json!("ab\n")),
            (r#"{"N":"12"}"#, json!(12)),
            (r#"{"N":"-1.50"}"#, json!(-1.5)),
            (r#"{"BOOL":true}"#, json!(true)),
            (r#"{"NULL":true}"#, json!(null)),
            (r#"{"L":[{"N":"1"},{"L":[]}]}"#, json!([1, []])),
            (r#"{"M":{"a":{"M":{}},"":{"S":""}}}"#, json!({"a": {}, "": ""})),
        ] {
            assert_eq!(read(attribute), Some(value), "{attribute}");
        }
        for attribute in
            ["{}", "1", r#"{"B":"AA=="}"#, r#"{"SS":["a"]}"#, r#"{"N":"x"}"#, r#"{"N":1}"#, r#"{"S":"a","N":"1"}"#]
        {
            assert_eq!(read(attribute), None, "{attribute}");
        }
    }
}
