use super::*;

/// An event of this type, whose `eventData` is this text.
fn text_with(event_type: &str, data: &str) -> String {
    let event = event_with(json!({ "eventType": event_type, "eventData": "DATA" }));
    event.to_string().replace("\"DATA\"", data)
}

/// What is stored of an `eventData` with this text, and how much of it was mended.
#[track_caller]
fn check_data(data: &str, stored: Value, mended: u64) {
    let text = text_with("page_view", data);
    let taken = validate(&text, &arrival(), 0, &Rules::default()).unwrap_or_else(|error| panic!("{data}: {error:?}"));
    assert_eq!((Value::from(taken.event.event_data.to_object()), taken.mended), (stored, mended), "{data}");
}

#[test]
fn cost_and_tokens_have_ranges() {
    let with = |name: &str, value: Value| json!({ "eventType": "ai_request", "eventData": { name: value } });
    for cost in [json!(0), json!(-0.0), json!(0.002), json!(MAX_COST_USD), json!(1_000_000)] {
        check_problems(with("cost", cost), &[]);
    }
    for cost in [json!(-0.01), json!(1_000_000.01), json!(u64::MAX), json!("1"), json!([1]), json!(true)] {
        check_problems(with("cost", cost), &["eventData.cost must be US dollars as a number from 0 to 1000000"]);
    }
    for name in ["tokens", "inputTokens", "outputTokens", "cachedTokens"] {
        for tokens in [json!(0), json!(12.0), json!(MAX_TOKENS)] {
            check_problems(with(name, tokens), &[]);
        }
        let problem = format!("eventData.{name} must be a whole number from 0 to 1000000000");
        for tokens in [json!(-1), json!(1.5), json!(MAX_TOKENS + 1), json!(1e300 / 1e200), json!("7"), json!({})] {
            check_problems(with(name, tokens), &[&problem]);
        }
        check_problems(json!({ "eventData": { name: -1 } }), &[]);
    }
}

#[test]
fn digits_beyond_those_of_a_double_are_rounded() {
    check_data(r#"{"n":0.1000000000000000055511151231257827021181583404541015625}"#, json!({ "n": 0.1 }), 0);
    check_data(&format!(r#"{{"n":{}}}"#, "1".repeat(60)), json!({ "n": 1.111_111_111_111_111_2e59 }), 0);
}

#[test]
fn what_the_table_cannot_hold_is_mended_or_dropped_and_the_event_stays() {
    for (data, stored, mended) in [
        (r#"{"a":1e126,"b":2}"#, json!({ "b": 2 }), 1),
        (r#"{"a":-1E+308,"b":2}"#, json!({ "b": 2 }), 1),
        (r#"{"a":1e309,"b":2}"#, json!({ "b": 2 }), 2),
        (r#"{"a":[-1e999999]}"#, json!({ "a": [] }), 2),
        (r#"{"a":9e-131}"#, json!({ "a": 0 }), 1),
        (r#"{"a":1e-400,"b":0e-999}"#, json!({ "a": 0.0, "b": 0.0 }), 0),
        (r#"{"":1,"b":2}"#, json!({ "b": 2 }), 1),
        (r#"{"a":"half \ud83d","b":"\ud83d\ude00"}"#, json!({ "a": "half \u{fffd}", "b": "\u{1f600}" }), 1),
        (r#"{"\ud800":1,"a":"\\ud800 \udc00x"}"#, json!({ "\u{fffd}": 1, "a": "\\ud800 \u{fffd}x" }), 2),
        ("[]", json!({}), 1),
    ] {
        check_data(data, stored, mended);
    }
}

#[test]
fn what_is_counted_is_never_mended() {
    let cost = "eventData.cost must be US dollars as a number from 0 to 1000000";
    for data in [r#"{"cost":1e999}"#, r#"{"cost":1e300}"#] {
        assert_eq!(problems_of(&text_with("ai_request", data), &Rules::default()), [cost]);
        check_data(data, json!({}), if data.contains("999") { 2 } else { 1 });
    }
    let text = event_with(json!({ "timestamp": 7 })).to_string().replace("\"timestamp\":7", "\"timestamp\":1e999");
    let range = "timestamp must be a time from the year 2000 to 2286, in milliseconds since 1970";
    assert_eq!(problems_of(&text, &Rules::default()), [range]);
}

#[test]
fn an_unreadable_field_does_not_hide_other_problems() {
    let text = r#"{"userId":"","sessionId":"s","eventType":"page_view","timestamp":1e999,"eventData":{"a":[1e999]}}"#;
    assert_eq!(
        problems_of(text, &Rules::default()),
        [
            "userId must not be empty",
            "timestamp must be a time from the year 2000 to 2286, in milliseconds since 1970",
            "metadata is required",
        ]
    );
}

#[test]
fn what_nobody_knows_is_not_judged() {
    let unknown = r#"{"extra":1e999,"v":1e999,"#;
    let text = event_with(json!({})).to_string().replacen('{', unknown, 1);
    assert_eq!(validate(&text, &arrival(), 0, &Rules::default()).unwrap().unknown_fields, 1);
}

#[test]
fn nesting_beyond_every_bound_costs_its_property() {
    let nested = |levels: usize| format!("{{\"b\":1,\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let kept = |levels: usize| serde_json::from_str::<Value>(&nested(levels)).unwrap();
    check_data(&nested(MAX_NESTING), kept(MAX_NESTING), 0);
    for levels in [MAX_NESTING + 1, 100, 120, 200, 100_000] {
        check_data(&nested(levels), kept(MAX_NESTING), 1);
    }
}
