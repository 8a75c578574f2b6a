//! Content of entries for tests.

use chrono::NaiveDate;
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::origin::{Origin, Source};
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_log::{Content, Day, EntryFacts, LoggedRejection};
use serde_json::json;

/// 2026-03-01T00:00:00Z.
pub(crate) const ARRIVED_MS: i64 = 1_772_323_200_000;

pub(crate) fn source() -> Source {
    Source::parse("events/shardId-000000000000").unwrap()
}

pub(crate) fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
}

pub(crate) fn facts(entry: u64) -> EntryFacts {
    EntryFacts {
        deployment: "d-1".to_owned(),
        source: source(),
        entry,
        last: "49590338271490256608559692538361571095921575989136588898".parse().unwrap(),
        appended_ms: ARRIVED_MS + 250,
        arrived_ms: ARRIVED_MS,
    }
}

pub(crate) fn event(id: &str) -> Event<'static> {
    Event {
        id: id.to_owned().into(),
        user_id: "user \"1\"".into(),
        session_id: Some("séssion\n1".into()),
        event_type: EventType::FeatureUse,
        account_id: None,
        timestamp_ms: ARRIVED_MS - 1_000,
        counted_ms: ARRIVED_MS - 1_000,
        priced_by: None,
        event_data: json!({"feature": "export", "n": 1.5, "text": "a\nb"}).into(),
        metadata: json!({"platform": "web"}).into(),
    }
}

pub(crate) fn rejection(payload: Payload) -> LoggedRejection {
    LoggedRejection {
        rejection: Rejection {
            problems: vec![Problem::new("userId", "must not be empty"), Problem::new("", "is \"odd\"")],
            payload,
            count: 3,
        },
        origin: Origin { source: source(), sequence: "17".parse().unwrap(), index: 2 },
        arrived_ms: ARRIVED_MS,
    }
}

/// Two dates with events, one with counts only, and each kind of rejection.
pub(crate) fn content() -> Content<'static> {
    let bare = Event { event_data: Json::EMPTY, metadata: Json::EMPTY, ..event("bare") };
    let signup = Event { event_type: EventType::from_stored("signup"), ..event("signup") };
    let first = Day { events: vec![(0, event("a")), (2, bare)], duplicates: 1, rejected: 0 };
    let second = Day { events: vec![(1, signup)], duplicates: 0, rejected: 9 };
    let counted = Day { events: Vec::new(), duplicates: 4, rejected: 0 };
    let text = Payload::Text { text: "{\"userId\":\"\"}\n".to_owned(), truncated: false };
    let binary = Payload::Binary { bytes: vec![0, 0xff, b'\n'], truncated: true };
    Content {
        days: [(date(1), first), (date(2), second), (date(3), counted)].into(),
        rejections: [text, binary, Payload::Withheld].map(rejection).into(),
    }
}

/// One event under this id, on the first of March.
pub(crate) fn single(id: &str) -> Content<'static> {
    let day = Day { events: vec![(0, event(id))], duplicates: 0, rejected: 0 };
    Content { days: [(date(1), day)].into(), rejections: Vec::new() }
}
