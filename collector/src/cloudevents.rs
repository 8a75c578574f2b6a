//! CloudEvents 1.0 in JSON, one or a batch, as native events. `docs/clients/cloudevents.md` has the table.

use std::borrow::Cow;

use headcount_core::event::EventType;
use headcount_core::hash::hash128;
use headcount_core::limits::MAX_EVENT_ID_BYTES;
use headcount_core::rejection::Problems;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::media_type;
use super::events;
use super::native::{Came, Writer, problem, text};
use super::refusal::Refusal;
use super::request::{Judge, Judged};

/// What bodies of them are called: one event, and an array of events (CloudEvents, "JSON Event Format", sections 3 and 4.2).
const MEDIA_TYPES: [&str; 2] = ["application/cloudevents+json", "application/cloudevents-batch+json"];

/// Whether the headers say that the body holds CloudEvents.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    let called = media_type(headers);
    MEDIA_TYPES.iter().any(|name| name.eq_ignore_ascii_case(called))
}

/// Judges every event of a body.
pub(super) fn judge(plain: &[u8], judge: &Judge<'_>) -> Result<Vec<Judged>, Refusal> {
    events::judge_each(plain, |text| {
        let event: CloudEvent<'_> = serde_json::from_str(text)
            .map_err(|error| problem("", format_args!("the event is not a CloudEvent in JSON: {error}")))?;
        event.judge(judge)
    })
}

/// The attributes that are mapped, extensions among them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    accountid: Option<&'a RawValue>,
    #[serde(borrow)]
    anonymousid: Option<&'a RawValue>,
    #[serde(borrow)]
    sessionid: Option<&'a RawValue>,
    #[serde(borrow)]
    platform: Option<&'a RawValue>,
    #[serde(borrow)]
    useragent: Option<&'a RawValue>,
}

impl CloudEvent<'_> {
    /// Judges it as the event that it is, and by what its own format asks.
    fn judge(&self, judge: &Judge<'_>) -> Judged {
        let mut problems = Problems::default();
        if text(self.specversion).as_deref() != Some("1.0") {
            problems.add("specversion", "must be \"1.0\"");
        }
        for (name, given) in [("id", self.id), ("source", self.source)] {
            if text(given).is_none() {
                problems.add(name, "is required: a string that is not empty");
            }
        }
        match judge.event(&self.native(judge)) {
            Ok(event) if problems.is_empty() => return Ok(event),
            Ok(_) => {}
            Err(others) => others.into_vec().iter().for_each(|other| problems.add(&other.field, &other.problem)),
        }
        Err(problems)
    }

    fn native(&self, judge: &Judge<'_>) -> String {
        let mut event = Writer::default();
        event.text_if("eventId", self.event_id().as_deref());
        event.id("userId", self.subject);
        event.id("anonymousId", self.anonymousid);
        event.id("sessionId", self.sessionid);
        event.id("accountId", self.accountid);
        match self.time {
            Some(at) => event.raw("timestamp", at.get()),
            None => event.number("timestamp", judge.sender.now_ms),
        }
        let mut data = Writer::on(self.data);
        match text(self.kind).map(|kind| (judge.rules.event_type(kind.trim()), kind)) {
            Some((Some(known), _)) => event.text("eventType", known.as_str()),
            Some((None, kind)) => {
                event.text("eventType", EventType::FeatureUse.as_str());
                data.text("feature", &kind);
            }
            None => event.raw_if("eventType", self.kind),
        }
        event.raw("eventData", &data.finish());
        let platform = text(self.platform).unwrap_or(Cow::Borrowed("backend"));
        let mut metadata = Came { user_agent: text(self.useragent), ip_address: None, platform }.metadata(judge);
        metadata.text_if("source", text(self.source).as_deref());
        event.raw("metadata", &metadata.finish());
        event.finish()
    }

    /// Source and id, which name an event together: a source, being a URI, has no blank. What is too long for an id is known by its hash.
    fn event_id(&self) -> Option<String> {
        let both = format!("{} {}", text(self.source)?, text(self.id)?);
        Some(if both.len() <= MAX_EVENT_ID_BYTES { both } else { format!("{:032x}", hash128(both.as_bytes())) })
    }
}

#[cfg(test)]
mod tests;
