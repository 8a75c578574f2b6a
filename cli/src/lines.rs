//! Newline-delimited events: what a line is, which shard it goes to, and the identity that it gets before its first try.

use std::borrow::Cow;
use std::fmt;

use headcount_core::hash::hash128;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::put_records::{MAX_RECORD_BYTES, Record};

pub(crate) mod reader;

/// Characters of a partition key that Kinesis accepts.
const MAX_PARTITION_KEY_CHARS: usize = 256;

/// What one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing but white space.
    Blank,
    /// A record for the stream, and whether it was given an id.
    Event {
        /// The record.
        record: Record,
        /// Whether `eventId` was missing and made.
        minted: bool,
    },
    /// Not JSON; what the parser said, without any of the line's content.
    NotJson(String),
    /// Larger than a record of Kinesis may be, with its partition key.
    TooLong,
}

/// What an identity is made from: the caller's clock and randomness.
pub(crate) trait Identities {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
    /// Ten random bytes.
    fn random(&mut self) -> [u8; 10];
}

/// The machine's clock and randomness that nobody can predict.
pub(crate) struct SystemIdentities {
    clock: headcount_store::clock::Clock,
    random: fastrand::Rng,
}

impl SystemIdentities {
    /// Ready to use.
    pub(crate) fn new() -> Self {
        Self { clock: headcount_store::clock::Clock::system(), random: fastrand::Rng::new() }
    }
}

impl Identities for SystemIdentities {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms().max(0) as u64
    }

    fn random(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        bytes
    }
}

/// What this line is, and the record that it becomes.
///
/// An object without `eventId` gets one, a `UUIDv7`, and with it a `timestamp` where that is missing too: a request that is
/// repeated then counts once. An object with an `eventId` is never touched. JSON that is no object goes as it is: the
/// consumer knows arrays of events, and keeps what it rejects with the reasons.
pub(crate) fn classify(line: &[u8], identities: &mut impl Identities) -> Line {
    let Ok(text) = std::str::from_utf8(line) else {
        return Line::NotJson("it is not UTF-8".into());
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Line::Blank;
    }
    let seen = match serde_json::from_str::<Seen<'_>>(text) {
        Ok(seen) => seen,
        Err(error) => return Line::NotJson(place(&error)),
    };
    let addition = (seen.is_object && !seen.has_event_id).then(|| mint(&seen, identities));
    let minted = addition.is_some();
    let data = match addition {
        Some(addition) => with_fields(text, &addition, seen.is_empty),
        None => text.as_bytes().to_vec(),
    };
    let partition_key = partition_key(seen.user_id.as_deref(), text);
    if data.len() + partition_key.len() > MAX_RECORD_BYTES {
        return Line::TooLong;
    }
    Line::Event { record: Record { partition_key, data }, minted }
}

/// The user's id where Kinesis takes it, so that a user's events meet one shard; else a hash of the line.
fn partition_key(user_id: Option<&str>, text: &str) -> String {
    match user_id.map(str::trim) {
        Some(user_id) if !user_id.is_empty() && user_id.chars().count() <= MAX_PARTITION_KEY_CHARS => user_id.into(),
        _ => format!("{:032x}", hash128(text.as_bytes())),
    }
}

fn mint(seen: &Seen<'_>, identities: &mut impl Identities) -> String {
    let now_ms = identities.now_ms();
    let id = uuid::Builder::from_unix_timestamp_millis(now_ms, &identities.random()).into_uuid();
    if seen.has_timestamp {
        format!(r#""eventId":"{id}""#)
    } else {
        format!(r#""eventId":"{id}","timestamp":{now_ms}"#)
    }
}

/// The object with further fields at its end, where they win over a `null` of the same name.
fn with_fields(object: &str, fields: &str, is_empty: bool) -> Vec<u8> {
    let open = object.strip_suffix('}').unwrap_or(object).trim_end();
    let comma = if is_empty { "" } else { "," };
    format!("{open}{comma}{fields}}}").into_bytes()
}

/// Where and why the parser stopped. Its own message never shows the text.
fn place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default();
    format!("{reason} at column {}", error.column())
}

/// What sending must know of an event. The rest is only checked to be JSON.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen of a line, each for itself")]
struct Seen<'a> {
    is_object: bool,
    is_empty: bool,
    has_event_id: bool,
    has_timestamp: bool,
    user_id: Option<Cow<'a, str>>,
}

impl<'de> serde::Deserialize<'de> for Seen<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeenVisitor)
    }
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = Seen { is_object: true, is_empty: true, ..Seen::default() };
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            seen.is_empty = false;
            match &*name {
                "eventId" => seen.has_event_id = map.next_value::<Option<IgnoredAny>>()?.is_some(),
                "timestamp" => seen.has_timestamp = map.next_value::<Option<IgnoredAny>>()?.is_some(),
                "userId" => {
                    let value = map.next_value::<&'de RawValue>()?;
                    seen.user_id = serde_json::from_str::<String>(value.get()).ok().map(Cow::Owned);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(seen)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seen::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Seen::default())
    }
}

#[cfg(test)]
mod tests;
