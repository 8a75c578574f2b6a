//! An event in the native format, put together out of what another format says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::DateTime;
use headcount_core::counters::NONE;
use headcount_core::ip_policy::WITHHELD;
use headcount_core::limits::MAX_EARLINESS_MS;
use headcount_core::rejection::Problems;
use serde_json::value::RawValue;

use super::request::{Judge, Sender};

/// An object's fields as their raw texts, so that taking them over changes nothing: no number, no name, no order of digits.
pub(super) type RawFields<'a> = BTreeMap<String, &'a RawValue>;

/// The fields of a text that is an object.
pub(super) fn object(text: &str) -> Option<RawFields<'_>> {
    text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
}

/// A field that is there: null is as good as absent.
pub(super) fn given<'a>(fields: &RawFields<'a>, name: &str) -> Option<&'a RawValue> {
    fields.get(name).copied().filter(|raw| raw.get() != "null")
}

/// The string that a value is, if it is one that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    let text =
        if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) };
    text.filter(|text: &Cow<'_, str>| !text.trim().is_empty())
}

/// An object of JSON that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(String);

impl Writer {
    /// An object that begins as this one. What is no object begins as nothing.
    pub(super) fn on(given: Option<&RawValue>) -> Self {
        let fields = given.and_then(|raw| raw.get().strip_prefix('{')?.strip_suffix('}')).unwrap_or_default();
        Self(if fields.trim().is_empty() { String::new() } else { format!("{{{fields}") })
    }

    /// A field of this JSON. Of a name that is there already, the last value stands.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    /// A field of this JSON, if there is one.
    pub(super) fn raw_if(&mut self, name: &str, json: Option<&RawValue>) {
        if let Some(json) = json.map(RawValue::get).filter(|json| *json != "null") {
            self.raw(name, json);
        }
    }

    /// A field with this text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.raw(name, &quoted(text));
    }

    /// A field with this text, if there is one.
    pub(super) fn text_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A field with this number.
    pub(super) fn number(&mut self, name: &str, number: impl Display) {
        self.raw(name, &number.to_string());
    }

    /// A field whose name comes from outside.
    pub(super) fn foreign(&mut self, name: &str, json: &str) {
        let name = quoted(name);
        self.raw(&name[1..name.len() - 1], json);
    }

    /// An id: clients that keep numbers as ids send numbers.
    pub(super) fn id(&mut self, name: &str, id: Option<&RawValue>) {
        match id.map(RawValue::get) {
            None | Some("null") => {}
            Some(id) if id.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => self.text(name, id),
            Some(id) => self.raw(name, id),
        }
    }

    /// The object.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// How an event came, as its `metadata` says it.
#[derive(Clone, Debug)]
pub(super) struct Came<'a> {
    pub(super) user_agent: Option<Cow<'a, str>>,
    pub(super) ip_address: Option<Cow<'a, str>>,
    pub(super) platform: Cow<'a, str>,
}

impl Came<'_> {
    /// The beginning of `metadata`: what the event does not say, the request does.
    pub(super) fn metadata(&self, judge: &Judge<'_>) -> Writer {
        let (sender, mut metadata) = (&judge.sender, Writer::default());
        metadata.text("userAgent", self.user_agent.as_deref().or(sender.user_agent()).unwrap_or(NONE));
        let address = self.ip_address.as_deref().map_or_else(|| sender.address.to_string(), str::to_owned);
        metadata.text("ipAddress", &judge.ip_policy.apply(&address).unwrap_or_else(|| WITHHELD.to_owned()));
        metadata.text("platform", &self.platform);
        metadata
    }
}

/// What the sender's clock said when it sent, if that is off by more than the rules bear: events that bring it take longer to judge.
pub(super) fn wrong_clock<'a>(sent_at: Option<&'a RawValue>, sender: &Sender<'_>) -> Option<&'a RawValue> {
    let sent = DateTime::parse_from_rfc3339(&text(sent_at)?).ok()?;
    sent_at.filter(|_| sender.now_ms.saturating_sub(sent.timestamp_millis()).abs() > MAX_EARLINESS_MS)
}

/// One problem of an event: of a field, or, without a name, of all of it.
pub(super) fn problem(field: &str, text: impl Display) -> Problems {
    let mut problems = Problems::default();
    problems.add(field, text);
    problems
}
