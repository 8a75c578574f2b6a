use std::net::IpAddr;

use headcount_core::event::ANONYMOUS_PREFIX;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;
use serde_json::{Value, json};

use super::*;
use crate::request::Sender;

const NOW_MS: i64 = 1_795_500_000_000;

const BROWSER: Sender<'static> = Sender {
    address: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 77)),
    user_agent: Some("Browser \"7\""),
    now_ms: NOW_MS,
};

fn judged(body: &str) -> Vec<Judged> {
    judge(body.as_bytes(), &Judge { sender: BROWSER, rules: &Rules::default(), ip_policy: IpPolicy::Keep }).unwrap()
}

fn metadata(event: &Value, policy: IpPolicy) -> Value {
    let judged =
        judge(event.to_string().as_bytes(), &Judge { sender: BROWSER, rules: &Rules::default(), ip_policy: policy })
            .unwrap();
    Value::Object(judged.into_iter().next().unwrap().unwrap().metadata.to_object())
}

fn event(metadata: Value) -> Value {
    json!({"userId": "u", "sessionId": "s", "eventType": "page_view", "metadata": metadata})
}

#[test]
fn what_is_absent_is_the_requests() {
    for (given, address, agent) in [
        (json!({"platform": "web"}), "203.0.113.77", "Browser \"7\""),
        (json!({"platform": "web", "ipAddress": null, "userAgent": null}), "203.0.113.77", "Browser \"7\""),
        (json!({"platform": "web", "userAgent": " "}), "203.0.113.77", "Browser \"7\""),
        (json!({"platform": "web", "ipAddress": "192.0.2.1", "userAgent": "own"}), "192.0.2.1", "own"),
    ] {
        let filled = metadata(&event(given), IpPolicy::Keep);
        assert_eq!(filled, json!({"platform": "web", "ipAddress": address, "userAgent": agent}));
    }
}

#[test]
fn clients_without_a_name_are_taken() {
    for agent in [None, Some(""), Some(" \u{7}")] {
        let sender = Sender { user_agent: agent, ..BROWSER };
        let text = event(json!({"platform": "web"})).to_string();
        let one = judge(text.as_bytes(), &Judge { sender, rules: &Rules::default(), ip_policy: IpPolicy::Keep })
            .unwrap()
            .remove(0)
            .unwrap();
        assert_eq!(one.metadata.text("userAgent").as_deref(), Some("(none)"), "{agent:?}");
    }
}

#[test]
fn addresses_follow_the_policy_before_they_reach_the_stream() {
    for (policy, given, stored) in [
        (IpPolicy::Truncate, json!({"platform": "web"}), "203.0.113.0"),
        (IpPolicy::Truncate, json!({"platform": "web", "ipAddress": "192.0.2.9"}), "192.0.2.0"),
        (IpPolicy::Truncate, json!({"platform": "web", "ipAddress": "my laptop"}), WITHHELD),
        (IpPolicy::Drop, json!({"platform": "web"}), WITHHELD),
    ] {
        assert_eq!(metadata(&event(given), policy)["ipAddress"], stored, "{policy}");
    }
}

#[test]
fn an_identity_is_minted_where_there_is_none() {
    let one = judged(&event(json!({"platform": "web"})).to_string()).remove(0).unwrap();
    assert_eq!((one.id.len(), one.timestamp_ms), (36, NOW_MS));
    let mut own = event(json!({"platform": "web"}));
    own["eventId"] = json!("e-1");
    let problems = judged(&own.to_string()).remove(0).unwrap_err().into_vec();
    assert_eq!(problems[0].field, "timestamp", "an id alone would be another key at each retry");
    own["timestamp"] = json!(NOW_MS - 5);
    let one = judged(&own.to_string()).remove(0).unwrap();
    assert_eq!((&*one.id, one.timestamp_ms), ("e-1", NOW_MS - 5));
}

#[test]
fn every_event_is_judged_by_itself_with_all_its_problems() {
    let good = event(json!({"platform": "web"}));
    let body = format!("{good}\n{{\"eventType\":\"click\"}}\n\nno JSON }}\n{good}");
    let judged = judged(&body);
    let counts: Vec<_> =
        judged.into_iter().map(|one| one.map_or_else(|problems| problems.into_vec().len(), |_| 0)).collect();
    assert_eq!(counts, [0, 3, 1, 0], "user, type and platform");
}

#[test]
fn filling_in_changes_nothing_else() {
    let text = r#"{"userId":"u","sessionId":"s","eventType":"page_view","eventData":{"n":12345678901234567890123456789012345678901},
        "metadata":{"platform":"web"}}"#;
    let one = judged(text).remove(0).unwrap();
    assert_eq!(one.event_data.as_str(), r#"{"n":1.2345678901234568e+40}"#);
    // Not even half a pair in a name keeps the address of the request out.
    let odd = r#"{"userId":"u","sessionId":"s","eventType":"page_view","eventData":{"\ud83d":1e999},"metadata":{"platform":"web"}}"#;
    assert_eq!(judged(odd).remove(0).unwrap().metadata.text("ipAddress").as_deref(), Some("203.0.113.77"));
    for (body, field) in [(r#"{"metadata":[]}"#, "metadata"), (r#"{"metadata":{"ipAddress":7}}"#, "metadata.ipAddress")]
    {
        let problems = judged(body).remove(0).unwrap_err().into_vec();
        assert!(problems.iter().any(|problem| problem.field == field), "{problems:?}");
    }
}

#[test]
fn anonymous_events_are_taken() {
    let mut anonymous = event(json!({"platform": "web"}));
    anonymous["userId"] = Value::Null;
    anonymous["anonymousId"] = json!("a");
    let one = judged(&anonymous.to_string()).remove(0).unwrap();
    assert_eq!(one.user_id, format!("{ANONYMOUS_PREFIX}a"));
}

#[test]
fn bodies_are_bounded() {
    let body = vec!["{}"; MAX_EVENTS + 1].join("\n");
    let refused = |body: &str| {
        judge(body.as_bytes(), &Judge { sender: BROWSER, rules: &Rules::default(), ip_policy: IpPolicy::Keep })
            .unwrap_err()
    };
    assert_eq!(refused(&body), Refusal::TooManyEvents(1_001));
    assert_eq!(refused(" \n"), Refusal::Empty);
    assert_eq!(refused(&format!("[{}]", vec!["1"; 20_000].join(","))), Refusal::TooManyEvents(20_000));
}

#[test]
fn nesting_without_end_is_one_problem() {
    for deep in ["[".repeat(1_000_000), "{\"a\":".repeat(500_000), format!("{{\"eventData\":{}", "[".repeat(900_000))] {
        let judged = judged(&deep);
        assert!(judged.len() == 1 && judged[0].is_err());
    }
    let closed = format!("{{\"eventData\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(judged(&closed)[0].is_err());
}
