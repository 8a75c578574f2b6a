//! A body, taken apart into events that may go onto the stream and others that may not.

use std::borrow::Cow;

use headcount_core::counters::NONE;
use headcount_core::ip_policy::WITHHELD;
use headcount_core::validate::mend;
use headcount_core::wire::{Raw, RecordError, split};

use super::native::{RawFields, Writer, given, object, problem, quoted};
use super::refusal::Refusal;
use super::request::{Judge, Judged};

/// Events in one request.
pub const MAX_EVENTS: usize = 1_000;

/// Judges every event of a body.
pub(super) fn judge(plain: &[u8], judge: &Judge<'_>) -> Result<Vec<Judged>, Refusal> {
    judge_each(plain, |text| judge.event(&fill(text, judge)))
}

/// What `judge_one` says of each part of a body that may be an event.
pub(super) fn judge_each(plain: &[u8], judge_one: impl Fn(&str) -> Judged) -> Result<Vec<Judged>, Refusal> {
    let raws = split(plain).map_err(|error| match error {
        RecordError::TooManyEvents { count } => Refusal::TooManyEvents(count),
        RecordError::Empty => Refusal::Empty,
        other => Refusal::Corrupt(other.to_string()),
    })?;
    if raws.len() > MAX_EVENTS {
        return Err(Refusal::TooManyEvents(raws.len() as u64));
    }
    let judged = raws.into_iter().map(|raw| match raw {
        // What the parser refuses in properties that nobody counts must not keep the fields of the request out.
        Raw::Text(text) => judge_one(&mend(text).0),
        Raw::NotText(_) => Err(problem("", "the event is not valid JSON: its bytes are not UTF-8")),
    });
    Ok(judged.collect())
}

/// The event with `metadata.ipAddress` and `metadata.userAgent` of the request where it has none, and its address as the
/// policy wants it. A text that is no object stays as it is, for the rules to refuse.
fn fill<'a>(text: &'a str, judge: &Judge<'_>) -> Cow<'a, str> {
    let Some(mut fields) = object(text) else { return Cow::Borrowed(text) };
    let metadata = match given(&fields, "metadata") {
        None => RawFields::new(),
        Some(raw) => match object(raw.get()) {
            Some(metadata) => metadata,
            None => return Cow::Borrowed(text),
        },
    };
    let address = match given(&metadata, "ipAddress").map(|raw| serde_json::from_str::<String>(raw.get())) {
        None => Some(judge.sender.address.to_string()),
        // An empty address, or none, is for the rules to refuse.
        Some(Ok(text)) if text.trim().is_empty() => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => None,
    };
    let address =
        address.map(|address| quoted(&judge.ip_policy.apply(&address).unwrap_or_else(|| WITHHELD.to_owned())));
    let agent = match given(&metadata, "userAgent").map(|raw| serde_json::from_str::<String>(raw.get())) {
        Some(Ok(agent)) if !agent.trim().is_empty() => None,
        Some(Err(_)) => None,
        // An event is no worse for a client that names none.
        None | Some(Ok(_)) => Some(quoted(judge.sender.user_agent().unwrap_or(NONE))),
    };
    let mut filled = Writer::default();
    for (name, value) in [("ipAddress", &address), ("userAgent", &agent)] {
        if let Some(value) = value {
            filled.raw(name, value);
        }
    }
    for (name, raw) in &metadata {
        let is_filled = (name == "ipAddress" && address.is_some()) || (name == "userAgent" && agent.is_some());
        if !is_filled {
            filled.foreign(name, raw.get());
        }
    }
    fields.remove("metadata");
    let mut event = Writer::default();
    for (name, raw) in &fields {
        event.foreign(name, raw.get());
    }
    event.raw("metadata", &filled.finish());
    Cow::Owned(event.finish())
}

#[cfg(test)]
mod tests;
