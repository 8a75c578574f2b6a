use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use headcount_core::event::Event;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::*;
use crate::request::Sender;

/// 2026-11-24T06:40:00Z.
const NOW_MS: i64 = 1_795_502_400_000;

const BROKER: Sender<'static> =
    Sender { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), user_agent: Some("broker"), now_ms: NOW_MS };

fn judged(body: &str) -> Vec<Judged> {
    let rules = Rules::new(vec!["signup".into()], Some(86_400_000), 60_000, IpPolicy::Keep).unwrap();
    judge(body.as_bytes(), &Judge { sender: BROKER, rules: &rules, ip_policy: IpPolicy::Keep }).unwrap()
}

fn cloud_event(changes: Value) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": "A-1", "source": "/shop", "type": "order.completed", "subject": "u-1",
        "time": "2026-11-24T06:39:59.250Z", "datacontenttype": "application/json", "data": {"total": 7.5, "feature": "theirs"},
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    event.as_object_mut().unwrap().extend(changes);
    event
}

fn one(changes: Value) -> Event<'static> {
    judged(&cloud_event(changes).to_string()).remove(0).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(changes: Value) -> Vec<String> {
    let problems = judged(&cloud_event(changes).to_string()).remove(0).unwrap_err();
    problems.into_vec().iter().map(ToString::to_string).collect()
}

#[test]
fn a_cloud_event_is_an_event_with_its_own_id_and_time() {
    let event = one(json!({}));
    assert_eq!((&*event.id, &*event.user_id, event.timestamp_ms), ("/shop A-1", "u-1", NOW_MS - 750));
    assert_eq!((&event.event_type, &event.session_id, &event.account_id), (&EventType::FeatureUse, &None, &None));
    assert_eq!(Value::from(event.event_data.to_object()), json!({"total": 7.5, "feature": "order.completed"}));
    assert_eq!(
        Value::from(event.metadata.to_object()),
        json!({"userAgent": "broker", "ipAddress": "203.0.113.77", "platform": "backend", "source": "/shop"})
    );
}

#[test]
fn extensions_say_what_the_format_has_no_attribute_for() {
    let event =
        one(json!({"accountid": "acme", "sessionid": 7, "platform": "ios", "useragent": "App/3", "other": true}));
    assert_eq!((event.account_id.as_deref(), event.session_id.as_deref()), (Some("acme"), Some("7")));
    let metadata = Value::from(event.metadata.to_object());
    assert_eq!((&metadata["platform"], &metadata["userAgent"]), (&json!("ios"), &json!("App/3")));
    let visitor = one(json!({"subject": null, "anonymousid": "v"}));
    assert_eq!((&*visitor.user_id, visitor.user()), ("anonymous:v", None));
}

#[test]
fn a_type_of_ours_is_that_type() {
    for (changes, expected, data) in [
        (json!({"type": "signup"}), "signup", json!({"total": 7.5, "feature": "theirs"})),
        (json!({"type": "feature_use"}), "feature_use", json!({"total": 7.5, "feature": "theirs"})),
        (json!({"type": "identify", "data": null}), "identify", json!({})),
        (json!({"type": "com.example.signup", "data": {}}), "feature_use", json!({"feature": "com.example.signup"})),
        (json!({"type": "page_view", "data": "<a/>", "datacontenttype": "text/xml"}), "page_view", json!({})),
        (json!({"data": ["no object"]}), "feature_use", json!({"feature": "order.completed"})),
    ] {
        let event = one(changes.clone());
        assert_eq!(event.event_type.as_str(), expected, "{changes}");
        assert_eq!(Value::from(event.event_data.to_object()), data, "{changes}");
    }
}

#[test]
fn source_and_id_together_are_the_event() {
    let id = |source: &str, id: &str| one(json!({"source": source, "id": id})).id.into_owned();
    assert_ne!(id("/a", "1"), id("/b", "1"));
    assert_eq!(id("/a", &"1".repeat(125)), format!("/a {}", "1".repeat(125)));
    let long = id("/a", &"1".repeat(126));
    assert_eq!((long.len(), &long), (32, &id("/a", &"1".repeat(126))));
    assert_ne!(long, id("/b", &"1".repeat(126)));
}

#[test]
fn without_a_time_it_is_the_time_of_arrival() {
    for time in [json!({"time": null}), json!({"time": NOW_MS})] {
        assert_eq!(one(time).timestamp_ms, NOW_MS);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    assert_eq!(
        problems(json!({"specversion": "0.3", "id": null, "source": " ", "subject": null, "type": null})),
        [
            "specversion must be \"1.0\"",
            "id is required: a string that is not empty",
            "source is required: a string that is not empty",
            "userId is required, or an anonymousId in its place",
            "eventType is required",
        ]
    );
    assert_eq!(problems(json!({"type": 7})), ["eventType must be a string"]);
    assert_eq!(problems(json!({"id": 7})), ["id is required: a string that is not empty"]);
    let late = problems(json!({"time": "2026-11-01T00:00:00Z"}));
    assert!(late.len() == 1 && late[0].starts_with("timestamp"), "{late:?}");
}

#[test]
fn a_bad_event_of_a_batch_costs_no_other() {
    let good = |id: &str| cloud_event(json!({"id": id})).to_string();
    let taken = judged(&format!("[{}, 7, {{\"specversion\": }}, {}]", good("1"), good("2")));
    let accepted: Vec<_> = taken.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, false, true], "{taken:?}");
    assert!(judged("[]").is_empty(), "a batch may be empty");
    let half_a_pair = cloud_event(json!({"data": {"title": "TITLE"}})).to_string().replace("TITLE", "\\ud83d");
    assert_eq!(judged(&half_a_pair).remove(0).unwrap().event_data.text("title").as_deref(), Some("\u{fffd}"));
}

#[test]
fn the_media_type_says_whether_it_is_one() {
    for (name, is_one) in [
        ("application/cloudevents+json", true),
        ("application/cloudevents+json; charset=UTF-8", true),
        ("Application/CloudEvents-Batch+JSON", true),
        ("application/json", false),
        ("application/cloudevents+xml", false),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(name))]);
        assert_eq!(is_named(&headers), is_one, "{name}");
    }
    assert!(!is_named(&HeaderMap::new()));
}

/// The arguments that a shell gives the one command of the page.
fn printed() -> Vec<String> {
    let page = include_str!("../../../docs/clients/cloudevents.md");
    let command = page.split("```\n").nth(1).expect("the page prints a command");
    assert!(command.starts_with("curl "), "{command}");
    let script = format!("WRITE_KEY=k; curl() {{ printf '%s\\0' \"$@\"; }}\n{command}");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn the_printed_command_posts_an_event() {
    let arguments = printed();
    let of = |option: &str| {
        let places = arguments.iter().zip(arguments.iter().skip(1)).filter(|(name, _)| *name == option);
        places.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert!(arguments[0].ends_with("/v1/events"), "{arguments:?}");
    let media_type = of("-H").iter().find_map(|header| header.strip_prefix("Content-Type: ")).unwrap().to_owned();
    assert!(is_named(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(&media_type).unwrap())])));
    let sender = Sender { now_ms: headcount_producer::identity::now_ms(), ..BROKER };
    let by = Judge { sender, rules: &Rules::default(), ip_policy: IpPolicy::Keep };
    let event = judge(of("-d")[0].as_bytes(), &by).unwrap().remove(0).unwrap();
    assert_eq!((&*event.id, &*event.user_id, event.account_id.as_deref()), ("/shop 1001", "user-42", Some("acme")));
    assert_eq!(event.feature().as_deref(), Some("order.completed"));
}
