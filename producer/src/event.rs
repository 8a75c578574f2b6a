//! An event as a program says it, before it is validated.

use headcount_core::event::{Event, Object};
use headcount_core::rejection::Problems;
use headcount_core::validate::{Accepted, Rules, validate_new, validate_object};
use headcount_core::wire::to_json;
use serde_json::Value;

use crate::identity::new_event_id;

/// An event that was not validated yet.
///
/// ```
/// use headcount_producer::NewEvent;
/// let event = NewEvent::new("feature_use", "user-42", "session-7")
///     .metadata("my-service/1.4", "203.0.113.9", "backend")
///     .data("feature", "search");
/// # let _ = event;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent(Source);

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Fields(Object),
    Text(String),
    Checked(Box<Event<'static>>),
}

impl NewEvent {
    /// An event of this type, user and session. It needs [`Self::metadata`] besides.
    pub fn new(event_type: &str, user_id: &str, session_id: &str) -> Self {
        let fields = [("eventType", event_type), ("userId", user_id), ("sessionId", session_id)];
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Self(Source::Fields(Object::from_iter(fields)))
    }

    /// An event of this type and user that belongs to no session, as what a server does on its own. It counts in everything but
    /// sessions.
    pub fn sessionless(event_type: &str, user_id: &str) -> Self {
        let fields = [("eventType", event_type), ("userId", user_id)];
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Self(Source::Fields(Object::from_iter(fields)))
    }

    /// The event that is written in this JSON object.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Source::Text(text.into()))
    }

    /// The three fields of `metadata` that every event must bring.
    #[must_use]
    pub fn metadata(self, user_agent: &str, ip_address: &str, platform: &str) -> Self {
        self.meta("userAgent", user_agent).meta("ipAddress", ip_address).meta("platform", platform)
    }

    /// A field of `metadata`.
    #[must_use]
    pub fn meta(self, name: &str, value: impl Into<Value>) -> Self {
        self.within("metadata", name, value.into())
    }

    /// The account (company, workspace, tenant) that it belongs to.
    #[must_use]
    pub fn account_id(self, id: &str) -> Self {
        self.at_top("accountId", id.into())
    }

    /// A field of `eventData`, as `feature`, `contentType`, `model`, `usage`, `cost` or `errorType`.
    #[must_use]
    pub fn data(self, name: &str, value: impl Into<Value>) -> Self {
        self.within("eventData", name, value.into())
    }

    /// An id of the caller's own, instead of a `UUIDv7` that is minted. Together with the timestamp it is what makes the
    /// event count once.
    #[must_use]
    pub fn event_id(self, id: &str) -> Self {
        self.at_top("eventId", id.into())
    }

    /// When it happened, milliseconds since the epoch, instead of now.
    #[must_use]
    pub fn timestamp_ms(self, ms: i64) -> Self {
        self.at_top("timestamp", ms.into())
    }

    /// The event, valid and sanitized. What it lacks of an identity is minted here, once.
    pub(crate) fn check(self, now_ms: i64, rules: &Rules) -> Result<Event<'static>, Problems> {
        let accepted = match self.0 {
            Source::Checked(event) => return Ok(*event),
            Source::Text(text) => {
                let accepted = validate_new(&text, now_ms, rules, || new_event_id(now_ms))?;
                return Ok(accepted.event.into_owned());
            }
            Source::Fields(fields) => validate_object(fields, now_ms, rules, || new_event_id(now_ms)),
        };
        accepted.map(|Accepted { event, .. }| event)
    }

    fn at_top(mut self, name: &str, value: Value) -> Self {
        if let Some(fields) = self.fields() {
            fields.insert(name.to_owned(), value);
        }
        self
    }

    fn within(mut self, object: &str, name: &str, value: Value) -> Self {
        if let Some(fields) = self.fields() {
            let object = fields.entry(object).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(object) = object {
                object.insert(name.to_owned(), value);
            }
        }
        self
    }

    /// The fields to change; a text that is an object becomes fields for it, any other text stays to be refused.
    fn fields(&mut self) -> Option<&mut Object> {
        match &self.0 {
            Source::Fields(_) => {}
            Source::Text(text) => self.0 = Source::Fields(serde_json::from_str(text).ok()?),
            Source::Checked(event) => self.0 = Source::Fields(serde_json::from_str(&to_json(event)).ok()?),
        }
        match &mut self.0 {
            Source::Fields(fields) => Some(fields),
            Source::Text(_) | Source::Checked(_) => None,
        }
    }
}

impl From<Event<'static>> for NewEvent {
    /// An event that was validated already.
    fn from(event: Event<'static>) -> Self {
        Self(Source::Checked(Box::new(event)))
    }
}
