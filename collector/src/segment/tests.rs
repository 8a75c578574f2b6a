use std::net::{IpAddr, Ipv4Addr};

use headcount_core::ip_policy::IpPolicy;
use http::Request as HttpRequest;

use super::*;
use crate::request::Sender;

/// 2026-11-24T06:40:00Z.
const NOW_MS: i64 = 1_795_502_400_000;

const SERVER: Sender<'static> =
    Sender { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), user_agent: Some("node"), now_ms: NOW_MS };

fn taken(call: Call, body: &Value) -> Taken {
    let body = body.to_string();
    let rules = Rules::new(vec!["signup".into()], Some(86_400_000), 60_000, IpPolicy::Keep).unwrap();
    Request::read(call, body.as_bytes()).unwrap().judge(&Judge {
        sender: SERVER,
        rules: &rules,
        ip_policy: IpPolicy::Keep,
    })
}

fn one(message: Value) -> Event<'static> {
    let mut taken = taken(Call::Batch, &json!({"batch": [message], "sentAt": "2026-11-24T06:40:00Z"}));
    assert_eq!((taken.events.len(), taken.left_out), (1, 0));
    taken.events.remove(0).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn message(changes: Value) -> Value {
    let mut message = json!({
        "type": "track", "messageId": "m-1", "userId": "u-1", "event": "Order Completed",
        "timestamp": "2026-11-24T06:39:59.250Z", "properties": {"total": 7.5, "feature": "theirs"},
        "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    message.as_object_mut().unwrap().extend(changes);
    message
}

fn problems(message: Value) -> Vec<String> {
    let mut taken = taken(Call::Batch, &json!({"batch": [message]}));
    let problems = taken.events.remove(0).unwrap_err();
    problems.into_vec().iter().map(ToString::to_string).collect()
}

#[test]
fn a_message_is_an_event_with_its_own_id_and_time() {
    let event = one(message(json!({})));
    assert_eq!((&*event.id, &*event.user_id, event.timestamp_ms), ("m-1", "u-1", NOW_MS - 750));
    assert_eq!((event.session_id.as_deref(), event.counted_ms), (None, NOW_MS - 750));
    assert_eq!(event.event_type, EventType::FeatureUse);
    assert_eq!(Value::from(event.event_data.to_object()), json!({"total": 7.5, "feature": "Order Completed"}));
    let library = "@segment/analytics-node/3.1.0";
    assert_eq!(
        Value::from(event.metadata.to_object()),
        json!({"userAgent": library, "ipAddress": "203.0.113.77", "platform": "backend", "library": library})
    );
}

#[test]
fn each_type_becomes_what_it_is() {
    for (changes, expected, data) in [
        (json!({"event": "signup"}), "signup", json!({"total": 7.5, "feature": "theirs"})),
        (
            json!({"event": "content_create", "properties": {"contentType": "post"}}),
            "content_create",
            json!({"contentType": "post"}),
        ),
        (json!({"event": "identify", "properties": null}), "feature_use", json!({"feature": "identify"})),
        (
            json!({"type": "page", "name": "Home", "properties": {"path": "/"}}),
            "page_view",
            json!({"path": "/", "name": "Home"}),
        ),
        (
            json!({"type": "screen", "name": "Cart", "category": "shop", "properties": {}}),
            "page_view",
            json!({"name": "Cart", "category": "shop"}),
        ),
        (json!({"type": "identify", "traits": {"email": "a@example.com"}}), "identify", json!({})),
        (json!({"type": "group", "groupId": "g-1", "traits": {"plan": "pro"}}), "identify", json!({})),
    ] {
        let event = one(message(changes.clone()));
        assert_eq!(event.event_type.as_str(), expected, "{changes}");
        assert_eq!(Value::from(event.event_data.to_object()), data, "{changes}");
    }
}

#[test]
fn what_is_no_event_is_left_out() {
    let body = json!({"batch": [
        message(json!({"type": "alias", "previousId": "a"})),
        message(json!({"type": "identify", "userId": null, "anonymousId": "a"})),
        message(json!({"type": "group", "userId": "", "anonymousId": "a", "groupId": "g"})),
    ]});
    let taken = taken(Call::Batch, &body);
    assert_eq!((taken.events.len(), taken.left_out), (0, 3));
}

#[test]
fn whose_it_is_is_read_leniently() {
    let by = |changes: Value| one(message(changes)).user_id.into_owned();
    assert_eq!(by(json!({"userId": 42})), "42");
    assert_eq!(by(json!({"userId": null, "anonymousId": "a"})), "anonymous:a");
    assert_eq!(by(json!({"userId": "u", "anonymousId": "a"})), "u");
    let in_session = one(message(json!({"context": {"sessionId": 1_795_502_000_000_i64}})));
    assert_eq!(in_session.session_id.as_deref(), Some("1795502000000"));
}

#[test]
fn platforms_are_told_by_device_channel_and_page() {
    for (context, platform) in [
        (json!({"page": {"path": "/"}, "userAgent": "Mozilla/5.0"}), "web"),
        (json!({"page": {"path": "/"}, "channel": "server"}), "backend"),
        (json!({"device": {"type": "ios"}, "os": {"name": "iPadOS"}}), "ios"),
        (json!({"os": {"name": "Android"}, "channel": "mobile"}), "android"),
        (json!({"os": {"name": "Linux"}}), "backend"),
        (json!("nonsense"), "backend"),
    ] {
        let event = one(message(json!({"context": context})));
        assert_eq!(event.platform().as_deref(), Some(platform), "{context}");
    }
}

#[test]
fn a_wrong_clock_is_corrected_and_the_identity_stays() {
    let sent = |sent_at: &str| {
        let body = json!({"batch": [message(json!({"timestamp": "2026-11-24T03:39:50Z"}))], "sentAt": sent_at});
        taken(Call::Batch, &body).events.remove(0).unwrap()
    };
    let (first, again) = (sent("2026-11-24T03:40:00Z"), sent("2026-11-24T03:40:03Z"));
    assert_eq!(first.counted_ms, NOW_MS - 10_000, "three hours behind");
    assert_eq!((first.timestamp_ms, first.counted_ms, &first.id), (again.timestamp_ms, again.counted_ms, &again.id));
    assert_eq!(sent("2026-11-24T06:39:59Z").counted_ms, NOW_MS - 3 * 3_600_000 - 10_000, "old, and no wrong clock");
}

#[test]
fn a_bad_message_costs_no_other_and_says_why() {
    assert_eq!(problems(message(json!({"event": ""}))), ["event is required: the name of what happened"]);
    assert_eq!(
        problems(message(json!({"type": "follow"}))),
        ["type must be track, page, screen, identify, group or alias"]
    );
    assert_eq!(problems(message(json!({"userId": null}))), ["userId is required, or an anonymousId in its place"]);
    assert_eq!(problems(message(json!({"userId": {}}))), ["userId must be a string"]);
    assert_eq!(problems(json!([])).len(), 1);
    let large = problems(message(json!({"properties": {"x": "x".repeat(MAX_MESSAGE_BYTES)}})));
    assert!(large[0].contains("at most 32768 are allowed"), "{large:?}");
    let tokens = message(json!({"event": "ai_request", "properties": {"model": "m", "tokens": -1}}));
    assert!(problems(tokens)[0].starts_with("eventData.tokens must be a whole number"));
    let body = json!({"batch": [message(json!({})), 7, message(json!({"messageId": "m-2"}))]});
    let taken = taken(Call::Batch, &body);
    assert_eq!(taken.events.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn requests_have_segments_bounds() {
    let read = |call: Call, body: &str| Request::read(call, body.as_bytes()).map(|_| ());
    let track = Call::at("/v1/track").unwrap();
    assert_eq!(read(track, &" ".repeat(MAX_MESSAGE_BYTES + 1)), Err(Refusal::Empty));
    let text = |bytes: usize| json!({"event": "x".repeat(bytes)}).to_string();
    assert_eq!(read(track, &text(MAX_MESSAGE_BYTES)), Err(Refusal::LargerThan(MAX_MESSAGE_BYTES)));
    assert_eq!(read(Call::Batch, &text(MAX_BATCH_BYTES)), Err(Refusal::LargerThan(MAX_BATCH_BYTES)));
    assert!(matches!(read(Call::Batch, "{}"), Err(Refusal::NotJson(why)) if why.contains("batch")));
    assert!(matches!(read(track, "userId=u"), Err(Refusal::NotJson(_))));
}

#[test]
fn the_call_is_told_by_long_and_short_names() {
    for (path, call) in [
        ("/v1/batch", Some(Call::Batch)),
        ("/v1/b", Some(Call::Batch)),
        ("/v1/import", Some(Call::Batch)),
        ("/v1/track", Some(Call::One(Type::Track))),
        ("/v1/t", Some(Call::One(Type::Track))),
        ("/v1/identify", Some(Call::One(Type::Identify))),
        ("/v1/a", Some(Call::One(Type::Alias))),
        ("/v1/other", None),
        ("/track", None),
    ] {
        assert_eq!(Call::at(path), call, "{path}");
    }
    // One message need not say its type.
    let untyped = json!({"userId": "u", "event": "E", "messageId": "m", "timestamp": "2026-11-24T06:39:59Z"});
    let taken = taken(Call::One(Type::Track), &untyped);
    assert!(taken.events[0].is_ok(), "{taken:?}");
}

#[test]
fn browsers_are_sent_here() {
    let ask = |request: http::request::Builder| settings(&request.body(()).unwrap().into_parts().0);
    let request = HttpRequest::get("/v1/projects/KEY/settings").header("host", "collect.example.com");
    let told = ask(request.header("x-forwarded-proto", "https")).unwrap();
    assert_eq!(
        told["integrations"]["Segment.io"],
        json!({"apiKey": "KEY", "apiHost": "collect.example.com/v1", "protocol": "https"})
    );
    assert_eq!(ask(HttpRequest::get("/v1/projects/KEY").header("host", "localhost")), None);
}
