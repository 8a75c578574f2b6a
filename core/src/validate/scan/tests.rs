use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{AiUse, Event};
use crate::sanitize::tests::any_value;
use crate::validate::tests::{ARRIVED_MS, event_with};
use crate::validate::{Accepted, accepted, check_by_rules};

const POLICIES: [IpPolicy; 3] = [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop];

fn rules(policy: IpPolicy) -> Rules {
    Rules::new(vec!["signup".to_owned()], Some(86_400_000), 60_000, policy).unwrap()
}

fn short<'a>(text: &'a str, rules: &Rules) -> Option<Accepted<'a>> {
    scan(text, ARRIVED_MS, rules).map(|scanned| accepted(scanned, rules, || "derived".to_owned()))
}

fn long(text: &str, rules: &Rules) -> Option<Accepted<'static>> {
    check_by_rules(text, ARRIVED_MS, rules, || "derived".to_owned()).ok()
}

/// What counters ask of an event, of which the short way remembers where it is.
fn named<'e>(event: &'e Event<'_>) -> ([Option<Cow<'e, str>>; 5], AiUse<'e>) {
    let names = [event.feature(), event.content_type(), event.model(), event.error_type(), event.platform()];
    (names, event.ai_use())
}

/// What the short way takes, the long way takes, and makes the same of it.
#[track_caller]
fn agrees(text: &str) {
    for policy in POLICIES {
        let rules = rules(policy);
        if let Some(short) = short(text, &rules) {
            let long = long(text, &rules).unwrap_or_else(|| panic!("{policy}: refused the long way: {text}"));
            assert_eq!(short, long, "{policy}: {text}");
            assert_eq!(named(&short.event), named(&long.event), "{policy}: {text}");
            assert!(!short.event.event_data.as_str().contains('\n') && !short.event.metadata.as_str().contains('\n'));
        }
    }
}

#[test]
fn an_ordinary_event_goes_the_short_way_under_every_policy() {
    let metadata =
        r#"{"userAgent": "Mozilla/5.0 (\"X\")", "ipAddress": "203.0.113.77", "platform": "web", "locale": "de"}"#;
    let moved = r#"{"ipAddress":"2001:db8::1","userAgent":"a","platform":"ü"}"#;
    let last = r#"{"userAgent":"a","platform":"b","ipAddress":"not one"}"#;
    for text in [
        format!(r#"{{"userId":"u","sessionId":"s","eventType":"page_view","metadata":{metadata}}}"#),
        format!(
            "\t{{\n \"eventId\" : \"e\", \"timestamp\":{ARRIVED_MS}, \"userId\":\"ü\", \"sessionId\":\"s\",\r\n \
             \"eventType\":\"ai_request\", \"eventData\":{{\"model\":\"m\", \"tokens\":7, \"cost\":0.25, \"tags\":[1, \"x\", {{\"deep\": true}}]}},\n\"metadata\":{moved} }} "
        ),
        format!(
            r#"{{"metadata":{last},"anonymousId":"a","sessionId":"s","eventType":"signup","eventData":{{ }},"v":1,"more":[2],"eventId":"0198f2b1-5c1e-7cc3-9b2a-2f5d3c1e8a77","timestamp":"2026-03-01T00:00:00Z"}}"#
        ),
        format!(
            r#"{{"userId":"u","anonymousId":"b","eventType":"feature_use","eventData":{{"feature":"a\tb\\cd","cost":-1}},"metadata":{moved}}}"#
        ),
    ] {
        for policy in POLICIES {
            let rules = rules(policy);
            let event = short(&text, &rules).unwrap_or_else(|| panic!("{policy}: {text}"));
            assert_eq!(Some(event), long(&text, &rules), "{policy}: {text}");
        }
    }
}

#[test]
fn what_is_out_of_the_ordinary_goes_the_long_way() {
    let cases = [
        json!({"userId": " u"}),
        json!({"userId": "u\u{200b}"}),
        json!({"sessionId": "\u{feff}s"}),
        json!({"userId": "undefined"}),
        json!({"userId": "NULL"}),
        json!({"accountId": ""}),
        json!({"accountId": "a "}),
        json!({"accountId": "undefined"}),
        json!({"sentAt": ARRIVED_MS}),
        json!({"countedAt": ARRIVED_MS}),
        json!({"userId": ""}),
        json!({"userId": "u".repeat(257)}),
        json!({"eventType": "click"}),
        json!({"timestamp": ARRIVED_MS + 60_001}),
        json!({"timestamp": ARRIVED_MS - 86_400_001}),
        json!({"timestamp": 1.5}),
        json!({"timestamp": null, "eventId": "no uuid"}),
        json!({"eventData": {"none": null}}),
        json!({"eventData": {"n": 1e300}}),
        json!({"eventData": {"feature": ""}, "eventType": "feature_use"}),
        json!({"eventData": {"feature": 7}, "eventType": "feature_use"}),
        json!({"eventData": {"tokens": -7}, "eventType": "ai_request"}),
        json!({"eventData": {"tokens": 1_000_000_001}, "eventType": "ai_request"}),
        json!({"eventData": {"cost": 1_000_001}, "eventType": "ai_request"}),
        json!({"eventData": {"usage": {"input_tokens": 1}}, "eventType": "ai_request"}),
        json!({"eventData": {"reasoningTokens": -1}, "eventType": "ai_request"}),
        json!({"pricedBy": ""}),
        json!({"pricedBy": "x".repeat(65)}),
        json!({"eventData": {"long": "x".repeat(1_001)}}),
        json!({"eventData": {"list": vec![1; 101]}}),
        json!({"eventData": []}),
        json!({"timestamp": ARRIVED_MS / 1_000}),
        json!({"metadata": {"userAgent": "a", "platform": "b"}}),
        json!({"metadata": {"userAgent": "a", "platform": "b", "ipAddress": 7}}),
        json!({"metadata": {"userAgent": "a", "platform": "", "ipAddress": "c"}}),
    ];
    for case in cases {
        let text = event_with(case).to_string();
        assert!(short(&text, &rules(IpPolicy::Keep)).is_none(), "{text}");
    }
    let sound = event_with(json!({"accountId": "acme"})).to_string();
    assert!(short(&sound, &rules(IpPolicy::Keep)).is_some());
    for text in [
        sound.replace('}', ""),
        format!("{sound}x"),
        sound.replacen('{', "{\"userId\":\"twice\",", 1),
        "x".repeat(20_000),
    ] {
        assert!(short(&text, &rules(IpPolicy::Keep)).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn the_short_way_is_the_long_way(
        user in "\\PC{0,9}", account in proptest::option::of("\\PC{0,9}"), data in any_value(), more in any_value(), top in any_value(), kind in 0..5usize,
        name in prop::sample::select(vec!["feature", "contentType", "model", "errorType", "tokens", "cost", "x", "ipAddress"]),
        address in prop::sample::select(vec!["203.0.113.9", "2001:db8::9", "::ffff:1.2.3.4", "nowhere", ""]),
    ) {
        let event = event_with(json!({
            "userId": user, "accountId": account, "eventType": EventType::BUILT_IN[kind].as_str(), "top": top, "eventData": { name: data, "a": 1 },
            "metadata": { "userAgent": "x", "ipAddress": address, "platform": "web", "more": more },
        }));
        agrees(&event.to_string());
        agrees(&serde_json::to_string_pretty(&event).unwrap());
        agrees(&event.to_string().replace("\":", "\" : ").replace(",\"", ", \""));
    }

    #[test]
    fn one_changed_byte_makes_no_difference_between_them(
        at in 0..400usize, byte in any::<u8>(), data in any_value(), removes in any::<bool>(),
    ) {
        let event = event_with(json!({ "accountId": "acme", "eventData": { "a": data, "feature": "b", "n": 12.5 } }));
        let mut bytes = event.to_string().into_bytes();
        let at = at % bytes.len();
        if removes { bytes.remove(at); } else { bytes[at] = byte; }
        if let Ok(text) = String::from_utf8(bytes) {
            agrees(&text);
        }
    }
}
