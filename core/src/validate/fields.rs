//! The fields of one event, taken out one by one.

use serde_json::Value;

use crate::event::{ANONYMOUS_PREFIX, EventType, Object, whole_number};
use crate::limits::{MAX_COST_USD, MAX_IDENTITY_BYTES, MAX_PRICED_BY_BYTES, MAX_TOKENS};
use crate::prices::Tokens;
use crate::rejection::Problems;
use crate::sanitize::sanitize;
use crate::usage;

use super::Rules;
use super::ids::trimmed_id;

/// Fields at the top that the rules speak of.
const KNOWN: [&str; 12] = [
    "eventId",
    "userId",
    "anonymousId",
    "sessionId",
    "accountId",
    "eventType",
    "timestamp",
    "sentAt",
    "countedAt",
    "pricedBy",
    "eventData",
    "metadata",
];

/// Fields at the top that later versions may give a meaning: neither stored nor counted as unknown.
const RESERVED: [&str; 3] = ["v", "project", "name"];

/// Fields of `metadata` that every event must bring.
const REQUIRED_METADATA: [&str; 3] = ["userAgent", "ipAddress", "platform"];

/// Fields of an `ai_request`'s `eventData` that count tokens.
pub(super) const TOKEN_FIELDS: [&str; 6] =
    ["tokens", "inputTokens", "outputTokens", "cachedTokens", "cacheWriteTokens", "reasoningTokens"];

/// A field's value, if there is one to judge.
pub(super) enum Given<T> {
    /// Not there, or null.
    Absent,
    /// There, but wrong; its problem is reported.
    Wrong,
    /// There.
    Value(T),
}

/// Whose event it is.
pub(super) struct Person {
    pub(super) id: String,
    /// Whether the `userId` is a placeholder.
    pub(super) is_placeholder: bool,
}

/// The fields that were not taken out yet.
#[derive(Default)]
pub(super) struct Fields {
    object: Object,
    /// Properties that were mended or dropped.
    pub(super) mended: u64,
}

impl Fields {
    pub(super) fn new(object: Object, mended: u64) -> Self {
        Self { object, mended }
    }

    pub(super) fn take(&mut self, name: &str) -> Given<Value> {
        match self.object.remove(name) {
            None | Some(Value::Null) => Given::Absent,
            Some(value) => Given::Value(value),
        }
    }

    fn text(&mut self, name: &str, problems: &mut Problems) -> Given<String> {
        match self.take(name) {
            Given::Absent => Given::Absent,
            Given::Wrong => Given::Wrong,
            Given::Value(Value::String(text)) => Given::Value(text),
            Given::Value(_) => {
                problems.add(name, "must be a string");
                Given::Wrong
            }
        }
    }

    pub(super) fn required_text(&mut self, name: &str, problems: &mut Problems) -> Option<String> {
        let given = self.text(name, problems);
        required(name, given, problems)
    }

    /// A trimmed id, which becomes a part of a key.
    pub(super) fn identifier(&mut self, name: &str, max_bytes: usize, problems: &mut Problems) -> Given<String> {
        let text = match self.text(name, problems) {
            Given::Value(text) => text,
            Given::Absent => return Given::Absent,
            Given::Wrong => return Given::Wrong,
        };
        let text = trimmed_id(&text);
        if text.is_empty() {
            problems.add(name, "must not be empty");
        } else if text.len() > max_bytes {
            problems.add(name, format_args!("has {} bytes: at most {max_bytes} are allowed", text.len()));
        } else if text.chars().any(char::is_control) {
            problems.add(name, "must not hold control characters");
        } else {
            return Given::Value(text.to_owned());
        }
        Given::Wrong
    }

    /// Whose event it is: `userId`, or else `anonymousId` behind [`ANONYMOUS_PREFIX`]. A `userId` that is empty or a placeholder
    /// is none; a placeholder alone makes the event nobody's.
    pub(super) fn person(&mut self, rules: &Rules, problems: &mut Problems) -> Option<Person> {
        let is_anonymous = !matches!(self.object.get("anonymousId"), None | Some(Value::Null));
        let is_blank = |value: &Value| value.as_str().is_some_and(|id| trimmed_id(id).is_empty());
        if is_anonymous && self.object.get("userId").is_some_and(is_blank) {
            self.object.remove("userId");
        }
        let mut is_placeholder = false;
        match self.identifier("userId", MAX_IDENTITY_BYTES, problems) {
            Given::Value(id) if !rules.is_placeholder(&id) => return Some(Person { id, is_placeholder }),
            Given::Value(id) if !is_anonymous => {
                return Some(Person { id: format!("{ANONYMOUS_PREFIX}{id}"), is_placeholder: true });
            }
            Given::Value(_) => is_placeholder = true,
            Given::Wrong => return None,
            Given::Absent => {}
        }
        match self.identifier("anonymousId", MAX_IDENTITY_BYTES - ANONYMOUS_PREFIX.len(), problems) {
            Given::Value(id) => Some(Person { id: format!("{ANONYMOUS_PREFIX}{id}"), is_placeholder }),
            Given::Wrong => None,
            Given::Absent => {
                problems.add("userId", "is required, or an anonymousId in its place");
                None
            }
        }
    }

    /// `accountId`, if it names an account: one that is empty or a placeholder is as good as absent.
    pub(super) fn account(&mut self, rules: &Rules, problems: &mut Problems) -> Option<String> {
        let is_blank = |value: &Value| value.as_str().is_some_and(|id| trimmed_id(id).is_empty());
        if self.object.get("accountId").is_some_and(is_blank) {
            self.object.remove("accountId");
        }
        match self.identifier("accountId", MAX_IDENTITY_BYTES, problems) {
            Given::Value(id) if !rules.is_placeholder(&id) => Some(id),
            Given::Value(_) => {
                self.mended += 1;
                None
            }
            Given::Absent | Given::Wrong => None,
        }
    }

    /// What made the cost, of an event that was accepted before.
    pub(super) fn priced_by(&mut self) -> Option<String> {
        match self.take("pricedBy") {
            Given::Value(Value::String(table)) if is_table(&table) => Some(table),
            Given::Value(_) => {
                self.mended += 1;
                None
            }
            Given::Absent | Given::Wrong => None,
        }
    }

    /// `eventData`, sanitized; empty where it is absent.
    pub(super) fn data(&mut self, event_type: Option<&EventType>, problems: &mut Problems) -> Object {
        let mut data = match self.take("eventData") {
            Given::Absent | Given::Wrong => return Object::new(),
            Given::Value(Value::Object(data)) => data,
            // As PHP writes a map without entries.
            Given::Value(Value::Array(items)) if items.is_empty() => {
                self.mended += 1;
                return Object::new();
            }
            Given::Value(_) => {
                problems.add("eventData", "must be an object");
                return Object::new();
            }
        };
        if event_type == Some(&EventType::AiRequest) {
            // Before numbers that cannot be stored are dropped.
            check_ai_request(&data, problems);
        }
        self.mended += sanitize(&mut data);
        if event_type == Some(&EventType::AiRequest) {
            take_usage(&mut data);
        }
        match event_type {
            Some(EventType::FeatureUse) => check_name(&data, "feature", problems),
            Some(EventType::ContentCreate) => check_name(&data, "contentType", problems),
            Some(EventType::AiRequest) => check_name(&data, "model", problems),
            Some(EventType::Error) => check_name(&data, "errorType", problems),
            Some(EventType::PageView | EventType::Identify | EventType::Custom(_)) | None => {}
        }
        data
    }

    /// `metadata`, sanitized, with all that it must hold.
    pub(super) fn metadata(&mut self, problems: &mut Problems) -> Option<Object> {
        let given = self.take("metadata");
        let Value::Object(mut metadata) = required("metadata", given, problems)? else {
            problems.add("metadata", "must be an object");
            return None;
        };
        self.mended += sanitize(&mut metadata);
        for name in REQUIRED_METADATA {
            let problem = match metadata.get(name) {
                Some(Value::String(text)) if text.is_empty() => "must not be empty",
                Some(Value::String(_)) => continue,
                Some(Value::Null) | None => "is required",
                Some(_) => "must be a string",
            };
            problems.add(format_args!("metadata.{name}"), problem);
        }
        Some(metadata)
    }

    /// How many unknown fields are left.
    pub(super) fn unknown(&self) -> u64 {
        self.object.keys().filter(|name| is_unknown(name)).count() as u64
    }
}

/// Whether a price table may have this id.
pub(super) fn is_table(id: &str) -> bool {
    (1..=MAX_PRICED_BY_BYTES).contains(&id.len()) && trimmed_id(id) == id && !id.chars().any(char::is_control)
}

/// Adds the token counts that a provider's `usage` states, where the event states none itself.
fn take_usage(data: &mut Object) {
    if TOKEN_FIELDS.iter().any(|name| data.contains_key(*name)) {
        return;
    }
    let Some(stated) = data.get("usage").and_then(Value::as_object).and_then(usage::tokens) else { return };
    let Tokens { input, output, cached, cache_write, reasoning, .. } = stated;
    data.insert("inputTokens".to_owned(), input.into());
    data.insert("outputTokens".to_owned(), output.into());
    for (name, count) in [("cachedTokens", cached), ("cacheWriteTokens", cache_write), ("reasoningTokens", reasoning)] {
        if count > 0 {
            data.insert(name.to_owned(), count.into());
        }
    }
}

/// Whether nobody knows a field of this name at the top.
pub(super) fn is_unknown(name: &str) -> bool {
    !KNOWN.contains(&name) && !RESERVED.contains(&name)
}

/// The value of a field that must be there.
fn required<T>(name: &str, given: Given<T>, problems: &mut Problems) -> Option<T> {
    match given {
        Given::Absent => {
            problems.add(name, "is required");
            None
        }
        Given::Wrong => None,
        Given::Value(value) => Some(value),
    }
}

fn check_name(data: &Object, name: &str, problems: &mut Problems) {
    let problem = match data.get(name) {
        Some(Value::String(text)) if text.is_empty() => "must not be empty",
        Some(Value::String(_) | Value::Null) | None => return,
        Some(_) => "must be a string",
    };
    problems.add(format_args!("eventData.{name}"), problem);
}

fn check_ai_request(data: &Object, problems: &mut Problems) {
    let given = |name: &str| data.get(name).filter(|value| !value.is_null());
    for name in TOKEN_FIELDS {
        if given(name).is_some_and(|value| whole_number(value).is_none_or(|tokens| tokens > MAX_TOKENS)) {
            problems
                .add(format_args!("eventData.{name}"), format_args!("must be a whole number from 0 to {MAX_TOKENS}"));
        }
    }
    let is_cost = |value: &Value| value.as_f64().is_some_and(|cost| (0.0..=MAX_COST_USD).contains(&cost));
    if given("cost").is_some_and(|value| !is_cost(value)) {
        problems.add("eventData.cost", format_args!("must be US dollars as a number from 0 to {MAX_COST_USD}"));
    }
}
