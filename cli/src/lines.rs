//! Newline-delimited events: what a line is, which shard it goes to, and the identity that it gets before its first try.

use std::borrow::Cow;
use std::fmt;

use headcount_core::hash::hash128;
use headcount_core::wire::{Raw, split};
use headcount_producer::Unchecked;
use headcount_producer::identity::event_id;
use headcount_producer::limits::MAX_RECORD_BYTES;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) mod reader;

/// What one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing but white space.
    Blank,
    /// An event for the stream, and whether it was given an id.
    Event {
        /// The event.
        event: Unchecked,
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
    clock: headcount_runtime::clock::Clock,
    random: fastrand::Rng,
}

impl SystemIdentities {
    /// Ready to use.
    pub(crate) fn new() -> Self {
        Self { clock: headcount_runtime::clock::Clock::system(), random: fastrand::Rng::new() }
    }
}

/// Identities that a second run over the same input makes again: of a fixed time, a salt, and the number of the line.
pub(crate) struct RepeatableIdentities {
    now_ms: u64,
    salt: u128,
    line: u64,
    drawn: u64,
}

impl RepeatableIdentities {
    /// Those of a run that began at this time.
    pub(crate) fn new(now_ms: u64, salt: u128) -> Self {
        Self { now_ms, salt, line: 0, drawn: 0 }
    }

    /// What follows is this line's.
    pub(crate) fn begin_line(&mut self, line: u64) {
        (self.line, self.drawn) = (line, 0);
    }
}

impl Identities for RepeatableIdentities {
    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn random(&mut self) -> [u8; 10] {
        let mut from = self.salt.to_le_bytes().to_vec();
        from.extend_from_slice(&self.line.to_le_bytes());
        from.extend_from_slice(&self.drawn.to_le_bytes());
        self.drawn += 1;
        let [bytes @ .., _, _, _, _, _, _] = hash128(&from).to_le_bytes();
        bytes
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
    let json = match addition {
        Some(addition) => with_fields(text, &addition, seen.is_empty),
        None => text.to_owned(),
    };
    // A longer user's id is no partition key, but a hash of the event is.
    let user_id = seen.user_id.map(Cow::into_owned);
    if json.len() + user_id.as_ref().map_or(0, String::len) > MAX_RECORD_BYTES {
        return Line::TooLong;
    }
    Line::Event { event: Unchecked { user_id, json }, minted }
}

/// What a line holds: one event, or several that follow each other without a line break.
pub(crate) fn classify_all(line: &[u8], identities: &mut impl Identities) -> Vec<Line> {
    let one = classify(line, identities);
    if !matches!(one, Line::NotJson(_)) {
        return vec![one];
    }
    let elements = match split(line) {
        Ok(elements) if elements.len() > 1 => elements,
        _ => return vec![one],
    };
    let bytes = elements.iter().map(|element| match element {
        Raw::Text(text) => text.as_bytes(),
        Raw::NotText(bytes) => bytes,
    });
    bytes.map(|element| classify(element, identities)).collect()
}

fn mint(seen: &Seen<'_>, identities: &mut impl Identities) -> String {
    let now_ms = identities.now_ms();
    let id = event_id(now_ms as i64, &identities.random());
    if seen.has_timestamp {
        format!(r#""eventId":"{id}""#)
    } else {
        format!(r#""eventId":"{id}","timestamp":{now_ms}"#)
    }
}

/// The object with further fields at its end, where they win over a `null` of the same name.
fn with_fields(object: &str, fields: &str, is_empty: bool) -> String {
    let open = object.strip_suffix('}').unwrap_or(object).trim_end();
    let comma = if is_empty { "" } else { "," };
    format!("{open}{comma}{fields}}}")
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
