//! Reads figures out of JSON in which whole numbers may be written either way, `1` or `1.0`.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use crate::event::{Object, whole_number};

/// A value whose whole numbers are read as such.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a>(&'a Value);

/// An object's fields, all read so.
pub(super) fn fields(object: &Object) -> impl Deserializer<'_, Error = serde_json::Error> {
    MapDeserializer::new(object.iter().map(|(name, value)| (&**name, Whole(value))))
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Whole<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Whole<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Number(_) => match whole_number(self.0) {
                Some(whole) => visitor.visit_u64(whole),
                None => self.0.deserialize_any(visitor),
            },
            // `Data` is at most as deep as DynamoDB's items are, 32 levels.
            Value::Array(values) => SeqDeserializer::new(values.iter().map(Whole)).deserialize_any(visitor),
            Value::Object(object) => fields(object).deserialize_any(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
