use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use headcount_core::ip_policy::IpPolicy;

use super::*;
use crate::request::Sender;

/// 2026-11-24T06:40:00Z.
const NOW_MS: i64 = 1_795_502_400_000;

const SENDER: Sender<'static> =
    Sender { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), user_agent: Some("Browser/7"), now_ms: NOW_MS };

fn taken(body: &Value) -> Taken {
    let rules = Rules::new(vec!["signup".into()], Some(86_400_000), 60_000, IpPolicy::Keep).unwrap();
    Request::read(body.to_string().as_bytes()).unwrap().judge(&Judge {
        sender: SENDER,
        rules: &rules,
        ip_policy: IpPolicy::Keep,
    })
}

fn one(event: &str, properties: Value) -> Event<'static> {
    let mut taken = taken(&json!({"api_key": "k", "batch": [captured(event, properties)]}));
    assert_eq!((taken.events.len(), taken.left_out), (1, 0), "{event}");
    taken.events.remove(0).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn captured(event: &str, properties: Value) -> Value {
    json!({
        "event": event, "distinct_id": "u-1", "uuid": "01a22e12-6238-7b4d-9a33-5e66f2108536",
        "timestamp": "2026-11-24T06:39:59Z", "properties": properties,
    })
}

#[test]
fn an_event_keeps_its_uuid_and_time_and_what_the_application_says() {
    let event = one(
        "exported",
        json!({"format": "csv", "token": "k", "$lib": "web", "$lib_version": "1.4", "$session_id": "s-1", "$pathname": "/x"}),
    );
    assert_eq!((&*event.id, event.timestamp_ms), ("01a22e12-6238-7b4d-9a33-5e66f2108536", NOW_MS - 1_000));
    assert_eq!((&*event.user_id, event.session_id.as_deref()), ("u-1", Some("s-1")));
    assert_eq!(
        Value::from(event.event_data.to_object()),
        json!({"format": "csv", "path": "/x", "feature": "exported"})
    );
    assert_eq!(
        Value::from(event.metadata.to_object()),
        json!({"userAgent": "Browser/7", "ipAddress": "203.0.113.77", "platform": "web", "library": "web/1.4"})
    );
}

#[test]
fn names_of_posthogs_own_become_event_types() {
    for (name, event_type) in [
        ("$pageview", "page_view"),
        ("$screen", "page_view"),
        ("$identify", "identify"),
        ("$ai_generation", "ai_request"),
        ("$ai_embedding", "ai_request"),
        ("$exception", "error"),
        ("signup", "signup"),
        ("page_view", "page_view"),
        ("user signed up", "feature_use"),
    ] {
        assert_eq!(one(name, json!({})).event_type.as_str(), event_type, "{name}");
    }
    let left =
        ["$set", "$create_alias", "$groupidentify", "$pageleave", "$autocapture", "$feature_flag_called", "$ai_trace"];
    let left_out = taken(&json!({"batch": left.map(|name| captured(name, json!({})))}));
    assert_eq!((left_out.events.len(), left_out.left_out), (0, 7));
}

#[test]
fn a_request_to_a_model_has_tokens_cost_and_latency_and_no_prompt() {
    let said = json!({
        "$ai_model": "claude", "$ai_provider": "anthropic", "$ai_input_tokens": 10, "$ai_output_tokens": 5,
        "$ai_cache_read_input_tokens": 100, "$ai_cache_creation_input_tokens": 20, "$ai_cache_reporting_exclusive": true,
        "$ai_reasoning_tokens": 3, "$ai_total_cost_usd": 0.25, "$ai_latency": 1.2344, "$ai_trace_id": "t",
        "$ai_input": [{"role": "user", "content": "secret"}], "$ai_output_choices": ["secret"],
    });
    let event = one("$ai_generation", said);
    assert_eq!(
        Value::from(event.event_data.to_object()),
        json!({
            "model": "claude", "provider": "anthropic", "inputTokens": 130, "outputTokens": 5, "cachedTokens": 100, "cacheWriteTokens": 20,
            "reasoningTokens": 3, "cost": 0.25, "latencyMs": 1234, "traceId": "t",
        })
    );
    let openai =
        one("$ai_generation", json!({"$ai_model": "gpt", "$ai_input_tokens": 10, "$ai_cache_read_input_tokens": 8}));
    assert_eq!((openai.ai_use().parts.input, openai.ai_use().parts.cached), (10, 8));
}

#[test]
fn an_exception_is_an_error_of_its_type() {
    let listed = one("$exception", json!({"$exception_list": [{"type": "TypeError", "value": "x is null"}]}));
    assert_eq!(
        (listed.error_type().as_deref(), listed.event_data.text("message").as_deref()),
        (Some("TypeError"), Some("x is null"))
    );
    assert_eq!(one("$exception", json!({"$exception_type": "Old"})).error_type().as_deref(), Some("Old"));
}

#[test]
fn who_was_not_identified_is_anonymous() {
    for marks in [json!({"$process_person_profile": false}), json!({"$is_identified": false})] {
        let event = one("e", marks.clone());
        assert_eq!((&*event.user_id, event.user()), ("anonymous:u-1", None), "{marks}");
        let identify = taken(&json!({"batch": [captured("$identify", marks)]}));
        assert_eq!((identify.events.len(), identify.left_out), (0, 1));
    }
}

#[test]
fn every_shape_of_a_body_is_read_with_its_key() {
    let event = captured("e", json!({"token": "of-event"}));
    let mut single = event.clone();
    single["api_key"] = json!("of-single");
    for (body, key, events) in [
        (json!({"api_key": "of-batch", "batch": [event, event]}), Some("of-batch"), 2),
        (json!({"token": "of-batch", "batch": []}), Some("of-batch"), 0),
        (single, Some("of-single"), 1),
        (event.clone(), Some("of-event"), 1),
        (json!([event, event]), Some("of-event"), 2),
        (json!([]), None, 0),
    ] {
        let text = body.to_string();
        assert_eq!(Request::read(text.as_bytes()).unwrap().key().as_deref(), key, "{body}");
        assert_eq!(taken(&body).events.len(), events, "{body}");
    }
    assert!(matches!(Request::read(b"nonsense"), Err(Refusal::NotJson(_))));
    assert!(matches!(Request::read(b" "), Err(Refusal::Empty)));
}

#[test]
fn bodies_are_unwrapped() {
    let json = r#"{"event":"a+b?","n":[1]}"#;
    let base64 = STANDARD.encode(json);
    let escaped: String = form_urlencoded::Serializer::new(String::new()).append_pair("data", &base64).finish();
    let plain: String = form_urlencoded::Serializer::new(String::new()).append_pair("data", json).finish();
    for form in [escaped, plain, format!("data={base64}"), format!("data={base64}&ver=1")] {
        assert_eq!(unwrapped(form.as_bytes()).as_deref(), Some(json.as_bytes()), "{form}");
    }
    assert_eq!(unwrapped(json.as_bytes()), None);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(json.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let encoding = crate::body::Encoding::Plain.or_gzip(&gzip);
    assert_eq!(&*encoding.open(gzip.into()).unwrap(), json.as_bytes());
}

#[test]
fn without_a_time_a_version_7_uuid_tells_it() {
    let mut event = captured("e", json!({}));
    event.as_object_mut().unwrap().remove("timestamp");
    event["uuid"] = json!("019ab43e-a1c0-7b4d-9a33-5e66f2108536");
    let rules = Rules::default().without_lateness_limit();
    let judged = |event: &Value| {
        Request::read(event.to_string().as_bytes())
            .unwrap()
            .judge(&Judge { sender: SENDER, rules: &rules, ip_policy: IpPolicy::Keep })
            .events
            .remove(0)
            .unwrap()
    };
    assert_eq!(judged(&event).timestamp_ms, 0x019a_b43e_a1c0);
    event["uuid"] = json!("b982a29d-b973-4847-a6c7-e00770754b37");
    assert_eq!(judged(&event).timestamp_ms, NOW_MS);
}

#[test]
fn accounts_are_the_group_of_a_known_name_or_the_only_one() {
    let account = |groups: Value| {
        let properties = json!({"$groups": groups}).to_string();
        let properties = Properties(object(&properties).unwrap());
        properties.account().map(|raw| raw.get().to_owned())
    };
    assert_eq!(account(json!({"team": "t", "organization": "o", "company": "c"})).as_deref(), Some("\"c\""));
    assert_eq!(account(json!({"project": 7})).as_deref(), Some("7"));
    assert_eq!((account(json!({"a": "1", "b": "2"})), account(json!({}))), (None, None));
}

#[test]
fn what_browsers_ask_first_is_answered() {
    assert_eq!(configuration("/array/k/config.js").unwrap().1, "");
    let told: Value = serde_json::from_str(&configuration("/array/k/config").unwrap().1).unwrap();
    assert_eq!((&told["token"], &told["hasFeatureFlags"]), (&json!("k"), &json!(false)));
    assert_eq!((configuration("/array/k/other"), configuration("/other/k/config")), (None, None));
    assert!(asks_for_flags("/flags/") && asks_for_flags("/decide") && !asks_for_flags("/flag"));
}
