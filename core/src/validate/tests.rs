use super::*;
use crate::event::ANONYMOUS_PREFIX;
use crate::limits::*;
use proptest::prelude::*;
use serde_json::json;

mod numbers;
mod round_trip;
mod time;

pub(super) const ARRIVED_MS: i64 = 1_772_323_200_000;

pub(super) fn arrival() -> Arrival {
    Arrival {
        source: Source::shard("events", None, "shardId-000000000000").unwrap(),
        sequence: "49590338271490256608559692538361571095".parse().unwrap(),
        arrived_ms: ARRIVED_MS,
    }
}

/// A valid event, with the fields of `changes` put over it; `null` takes one away.
pub(super) fn event_with(changes: Value) -> Value {
    let mut event = json!({
        "eventId": "e-1", "userId": "u-1", "sessionId": "s-1", "eventType": "page_view", "timestamp": ARRIVED_MS,
        "metadata": { "userAgent": "curl", "ipAddress": "203.0.113.7", "platform": "web" },
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    event.as_object_mut().unwrap().extend(changes);
    event
}

pub(super) fn problems_of(text: &str, rules: &Rules) -> Vec<String> {
    match validate(text, &arrival(), 0, rules) {
        Ok(_) => vec![],
        Err(rejection) => rejection.problems.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn check_problems(changes: Value, problems: &[&str]) {
    let shown = changes.to_string();
    assert_eq!(problems_of(&event_with(changes).to_string(), &Rules::default()), problems, "{shown}");
}

pub(super) fn accepted_by(event: &Value, rules: &Rules) -> Accepted<'static> {
    let text = event.to_string();
    let taken = validate(&text, &arrival(), 0, rules).unwrap_or_else(|rejection| panic!("{rejection:?}"));
    Accepted { event: taken.event.into_owned(), ..taken }
}

fn accepted(changes: Value) -> Event<'static> {
    accepted_by(&event_with(changes), &Rules::default()).event
}

#[test]
fn a_full_event_is_taken_over() {
    let event = accepted(json!({
        "userId": " u-1\n", "eventType": " ai_request ", "eventData": { "model": " m ", "cost": 0.5, "none": null },
    }));
    assert_eq!((&*event.id, &*event.user_id, event.session_id.as_deref()), ("e-1", "u-1", Some("s-1")));
    assert_eq!((event.event_type, event.timestamp_ms), (EventType::AiRequest, ARRIVED_MS));
    assert_eq!(Value::from(event.event_data.to_object()), json!({ "model": "m", "cost": 0.5 }));
    assert_eq!(
        Value::from(event.metadata.to_object()),
        json!({ "userAgent": "curl", "ipAddress": "203.0.113.7", "platform": "web" })
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = json!({
        "eventId": 7, "userId": " ", "sessionId": "", "eventType": "click", "timestamp": "yesterday",
        "eventData": [1], "metadata": { "userAgent": " ", "platform": 1 },
    });
    let problems = problems_of(&text.to_string(), &Rules::default());
    assert_eq!(
        problems,
        [
            "eventId must be a string",
            "userId must not be empty",
            "sessionId must not be empty",
            "eventType must be one of page_view, feature_use, content_create, ai_request, error, identify",
            "timestamp must be milliseconds since 1970 as a number, or RFC 3339 as a string (2026-03-01T12:00:00Z)",
            "eventData must be an object",
            "metadata.userAgent must not be empty",
            "metadata.ipAddress is required",
            "metadata.platform must be a string",
        ]
    );
    let rejection = validate(&text.to_string(), &arrival(), 0, &Rules::default()).unwrap_err();
    assert_eq!(rejection.count, 1);
    assert_eq!(rejection.payload, Payload::Text { text: text.to_string(), truncated: false });
}

#[test]
fn what_is_no_object_is_one_problem() {
    for (text, problem) in [
        ("[]", "the event must be a JSON object, not an array"),
        (" \"x\"", "the event must be a JSON object, not a string"),
        ("null", "the event must be a JSON object, not null"),
        ("true", "the event must be a JSON object, not true or false"),
        ("-1", "the event must be a JSON object, not a number"),
        ("", "the event is not valid JSON: EOF while parsing a value at line 1 column 0"),
        ("hello", "the event is not valid JSON: expected value at line 1 column 1"),
        ("{\"a\":1", "the event is not valid JSON: EOF while parsing an object at line 1 column 6"),
        ("{} {}", "the event is not valid JSON: trailing characters at line 1 column 4"),
    ] {
        assert_eq!(problems_of(text, &Rules::default()), [problem], "{text:?}");
    }
}

#[test]
fn ids_are_keys_and_bounded_as_such() {
    for (name, most) in
        [("eventId", MAX_EVENT_ID_BYTES), ("userId", MAX_IDENTITY_BYTES), ("sessionId", 256), ("accountId", 256)]
    {
        check_problems(json!({ name: format!(" {} ", "x".repeat(most)) }), &[]);
        let bytes = most + 2;
        let longer = "é".repeat(bytes / 2);
        check_problems(json!({ name: longer }), &[&format!("{name} has {bytes} bytes: at most {most} are allowed")]);
        if name != "accountId" {
            check_problems(json!({ name: " \t" }), &[&format!("{name} must not be empty")]);
        }
        check_problems(json!({ name: "a\u{0}b" }), &[&format!("{name} must not hold control characters")]);
        check_problems(json!({ name: "a\nb" }), &[&format!("{name} must not hold control characters")]);
        check_problems(json!({ name: 5 }), &[&format!("{name} must be a string")]);
    }
    assert_eq!(accepted(json!({ "userId": "a#b\"ü" })).user_id, "a#b\"ü");
}

#[test]
fn an_absent_id_is_derived_from_the_origin_alone() {
    let text = event_with(json!({ "eventId": null })).to_string();
    let id_at = |arrival: &Arrival, index| validate(&text, arrival, index, &Rules::default()).unwrap().event.id;
    let id = id_at(&arrival(), 3);
    assert_eq!(id, "e178f28285c12b725ee3a95dae6658a4", "a redelivery by another build derives it again");
    let later = Arrival { arrived_ms: ARRIVED_MS + 9, ..arrival() };
    assert_eq!(id_at(&later, 3), id);
    let elsewhere = Arrival { source: Source::shard("events", None, "shardId-000000000001").unwrap(), ..arrival() };
    let next = Arrival { sequence: 5.into(), ..arrival() };
    for other in [id_at(&arrival(), 4), id_at(&elsewhere, 3), id_at(&next, 3)] {
        assert_ne!(other, id);
    }
}

#[test]
fn deployments_may_know_further_types() {
    let types = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules = |names| Rules::new(names, None, 0, IpPolicy::Keep);
    let two = rules(types(&["signup", " é ", "signup", "error"])).unwrap();
    for (name, known) in [("signup", true), ("é", true), ("error", true), ("other", false), ("", false)] {
        let problems = problems_of(&event_with(json!({ "eventType": name })).to_string(), &two);
        assert_eq!(problems.is_empty(), known, "{name}: {problems:?}");
    }
    let numbered = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>();
    assert!(rules(numbered(MAX_CUSTOM_EVENT_TYPES)).is_ok());
    assert_eq!(rules(numbered(51)), Err(RulesError::TooManyEventTypes(51)));
    assert!(rules(vec!["x".repeat(MAX_EVENT_TYPE_BYTES)]).is_ok());
    for bad in ["x".repeat(MAX_EVENT_TYPE_BYTES + 1), " ".into(), "a\tb".into()] {
        assert!(matches!(rules(vec![bad]), Err(RulesError::EventType(_))));
    }
    assert_eq!(Rules::new(vec![], Some(-1), 0, IpPolicy::Keep), Err(RulesError::Lateness(-1)));
    assert_eq!(Rules::new(vec![], None, -1, IpPolicy::Keep), Err(RulesError::Earliness(-1)));
}

#[test]
fn known_fields_of_event_data_have_rules() {
    for (event_type, name) in
        [("feature_use", "feature"), ("content_create", "contentType"), ("ai_request", "model"), ("error", "errorType")]
    {
        let with = |value: Value| json!({ "eventType": event_type, "eventData": { name: value } });
        check_problems(with(json!("x")), &[]);
        check_problems(with(json!(null)), &[]);
        check_problems(with(json!(" \u{7}")), &[&format!("eventData.{name} must not be empty")]);
        check_problems(with(json!(["x"])), &[&format!("eventData.{name} must be a string")]);
        check_problems(json!({ "eventType": "page_view", "eventData": { name: 1 } }), &[]);
    }
    check_problems(json!({ "eventData": "x" }), &["eventData must be an object"]);
    check_problems(json!({ "metadata": null }), &["metadata is required"]);
    check_problems(json!({ "metadata": 7 }), &["metadata must be an object"]);
}

#[test]
fn an_event_has_a_size() {
    let padded = |last: usize| {
        let fields = (0..64).map(|n| (format!("f{n:02}"), "x".repeat(1_000).into()));
        let mut data: Object = fields.collect();
        data.insert("last".into(), "x".repeat(last).into());
        event_with(json!({ "eventData": data }))
    };
    let room = MAX_EVENT_BYTES - padded(0).to_string().len();
    assert!(room < MAX_STRING_CHARS, "{room}");
    assert_eq!(to_json(&accepted_by(&padded(room), &Rules::default()).event).len(), MAX_EVENT_BYTES);
    let problem = "the event has 65537 bytes when sanitized: at most 65536 are allowed";
    assert_eq!(problems_of(&padded(room + 1).to_string(), &Rules::default()), [problem]);
    // What sanitizing cuts does not count.
    let long = json!({ "eventData": { "a": "x".repeat(3 * MAX_EVENT_BYTES) } });
    assert_eq!(accepted(long).event_data.text("a").unwrap().len(), MAX_STRING_CHARS);
}

#[test]
fn unknown_fields_are_counted_and_reserved_ones_are_not() {
    let event = event_with(json!({
        "v": 1, "project": "p", "name": "n", "EventId": "x", "extra": { "deep": [1] }, "none": null,
    }));
    let taken = accepted_by(&event, &Rules::default());
    assert_eq!(taken.unknown_fields, 3);
    assert_eq!(taken.event, accepted(json!({})));
}

#[test]
fn an_anonymous_id_stands_in_for_a_user_that_is_not_there() {
    let longest = "é".repeat((MAX_IDENTITY_BYTES - ANONYMOUS_PREFIX.len()) / 2);
    for (given, stored, user) in [
        (json!({ "userId": null, "anonymousId": " a-1 " }), "anonymous:a-1".to_owned(), None),
        (json!({ "userId": null, "anonymousId": longest }), format!("anonymous:{longest}"), None),
        (json!({ "anonymousId": "a-1" }), "u-1".to_owned(), Some("u-1")),
        (json!({ "anonymousId": 7 }), "u-1".to_owned(), Some("u-1")),
        // What an anonymous event looks like once it was accepted.
        (json!({ "userId": "anonymous:a-1" }), "anonymous:a-1".to_owned(), None),
    ] {
        let event = accepted(given);
        assert_eq!((&*event.user_id, event.user()), (&*stored, user));
    }
    let long = format!("{longest}x");
    check_problems(
        json!({ "userId": null, "anonymousId": long }),
        &["anonymousId has 247 bytes: at most 246 are allowed"],
    );
    check_problems(json!({ "userId": null, "anonymousId": " " }), &["anonymousId must not be empty"]);
    for blank in [json!(""), json!("  "), json!("\u{200b}")] {
        assert_eq!(accepted(json!({ "userId": blank, "anonymousId": "a" })).user_id, "anonymous:a");
        check_problems(json!({ "userId": blank }), &["userId must not be empty"]);
    }
    check_problems(json!({ "userId": null }), &["userId is required, or an anonymousId in its place"]);
}

#[test]
fn an_account_is_optional_and_placeholders_are_none() {
    for (given, account, mended) in [
        (json!(" acme\u{200b} "), Some("acme"), 0),
        (json!(null), None, 0),
        (json!(""), None, 0),
        (json!(" \u{feff}"), None, 0),
        (json!("undefined"), None, 1),
        (json!(" NULL "), None, 1),
    ] {
        let taken = accepted_by(&event_with(json!({ "accountId": given })), &Rules::default());
        assert_eq!((taken.event.account_id.as_deref(), taken.mended), (account, mended), "{given}");
        assert_eq!(taken.unknown_fields, 0);
    }
    check_problems(json!({ "accountId": 7 }), &["accountId must be a string"]);
}

#[test]
fn of_a_repeated_name_the_last_value_stands() {
    let text = event_with(json!({})).to_string().replacen("\"userId\"", "\"userId\":\"first\",\"userId\"", 1);
    assert_eq!(validate(&text, &arrival(), 0, &Rules::default()).unwrap().event.user_id, "u-1");
}

#[test]
fn addresses_follow_the_policy() {
    for (policy, address, stored) in [
        (IpPolicy::Keep, "here", Some("here")),
        (IpPolicy::Truncate, "203.0.113.7", Some("203.0.113.0")),
        (IpPolicy::Truncate, "here", None),
        (IpPolicy::Drop, "203.0.113.7", None),
    ] {
        let rules = Rules::new(vec![], None, 0, policy).unwrap();
        let event = event_with(json!({ "metadata": { "userAgent": "x", "platform": "x", "ipAddress": address } }));
        let metadata = accepted_by(&event, &rules).event.metadata;
        assert_eq!(metadata.text("ipAddress").as_deref(), stored);
        let missing = event_with(json!({ "metadata": { "userAgent": "x", "platform": "x" } })).to_string();
        assert_eq!(problems_of(&missing, &rules), ["metadata.ipAddress is required"]);
        let bad = event_with(json!({ "userId": 1 })).to_string();
        let kept = format!("{:?}", validate(&bad, &arrival(), 0, &rules).unwrap_err().payload).contains("203.0.113.7");
        assert_eq!(kept, policy == IpPolicy::Keep);
    }
}

#[test]
fn invisible_characters_around_an_id_are_trimmed() {
    for id in ["u\u{200b}", "\u{feff}u", "u\u{a0}", " \u{2060}u\u{ad}\t", "\u{202e}u"] {
        let event = accepted(json!({ "userId": id, "sessionId": id, "eventId": id }));
        assert_eq!((&*event.user_id, event.session_id.as_deref(), &*event.id), ("u", Some("u"), "u"), "{id:?}");
    }
    // Inside, and what differs to the eye, stays.
    for id in ["a\u{200d}b", "caf\u{e9}", "cafe\u{301}", "Ann", "ann"] {
        assert_eq!(accepted(json!({ "userId": id })).user_id, id);
    }
}

#[test]
fn an_id_that_is_no_id_counts_for_no_user() {
    let with = |id: &str| accepted_by(&event_with(json!({ "userId": id })), &Rules::default());
    for id in PLACEHOLDER_IDS.into_iter().chain(["NaN", "[object Object]", " Null ", "UNDEFINED"]) {
        let taken = with(id);
        assert_eq!((taken.event.user(), taken.is_placeholder), (None, true), "{id}");
        assert_eq!(taken.event.user_id, format!("anonymous:{}", id.trim()));
        let beside = accepted(json!({ "userId": id, "anonymousId": "a-1" }));
        assert_eq!(beside.user_id, "anonymous:a-1");
    }
    for id in ["null-1", "nobody", "00", "Guest 7"] {
        assert_eq!((with(id).event.user(), with(id).is_placeholder), (Some(id), false));
    }
    let rules = Rules::default().with_placeholder_ids(["test", ""]).unwrap();
    let none = accepted_by(&event_with(json!({ "userId": "Test" })), &rules);
    assert_eq!((none.event.user(), none.is_placeholder), (None, true));
    assert_eq!(accepted_by(&event_with(json!({ "userId": "null" })), &rules).event.user(), Some("null"));
    let long = "x".repeat(MAX_IDENTITY_BYTES);
    assert!(matches!(Rules::default().with_placeholder_ids([&*long]), Err(RulesError::PlaceholderId(_))));
}

#[test]
fn an_event_may_belong_to_no_session() {
    for none in [json!({ "sessionId": null }), json!({ "sessionId": null, "userId": " u-1" })] {
        let event = accepted(none);
        assert_eq!((event.session_id.as_deref(), event.session_key()), (None, None));
    }
}

#[test]
fn a_session_of_several_users_is_one_for_each() {
    let key = |user: &str, session: &str| accepted(json!({ "userId": user, "sessionId": session })).session_key();
    assert_eq!(key("a", "undefined"), key("a", "undefined"));
    for (user, session) in [("b", "undefined"), ("a", "s"), ("undefined", "a")] {
        assert_ne!(key(user, session), key("a", "undefined"), "{user} {session}");
    }
}
