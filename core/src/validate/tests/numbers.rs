use super::*;
use crate::sanitize::{TOO_LARGE, TOO_SMALL};

/// The problems of an event whose `eventData` is this text.
fn problems_of_data(data: &str) -> Vec<String> {
    let text = event_with(json!({ "eventData": "DATA" })).to_string().replace("\"DATA\"", data);
    problems_of(&text, &Rules::default())
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
fn digits_are_those_of_the_text() {
    for (number, digits) in [
        ("1".repeat(MAX_NUMBER_DIGITS), None),
        ("1".repeat(MAX_NUMBER_DIGITS + 1), Some(39)),
        (format!("-0.{}1", "0".repeat(60)), None),
        (format!("0.{}", "1".repeat(38)), None),
        (format!("-0.{}", "1".repeat(39)), Some(39)),
        (format!("12{}.{}", "0".repeat(50), "0".repeat(50)), None),
        (format!("1.{}e5", "1".repeat(38)), Some(39)),
        (format!("1.{}1e-50", "0".repeat(38)), Some(40)),
        (format!("1{}1", "0".repeat(38)), Some(40)),
    ] {
        let expected: Vec<_> = digits
            .map(|digits| format!("eventData.a[1].b is a number of {digits} digits: at most 38 can be stored"))
            .into_iter()
            .collect();
        assert_eq!(problems_of_data(&format!("{{\"a\":[null,0,{{\"b\":{number}}}]}}")), expected, "{number}");
    }
    assert!(problems_of_data(&format!("{{\"a\":\"\\\"{}\"}}", "1".repeat(50))).is_empty(), "text is no number");
}

#[test]
fn magnitudes_are_those_of_the_table() {
    for (number, problem) in [
        ("9.99e125", None),
        ("1e-130", None),
        ("0e-999", None),
        ("-0.000e999", None),
        ("1e126", Some(TOO_LARGE)),
        ("-1E+308", Some(TOO_LARGE)),
        ("1e309", Some(TOO_LARGE)),
        ("-1e999999", Some(TOO_LARGE)),
        ("9e-131", Some(TOO_SMALL)),
        ("1e-400", Some(TOO_SMALL)),
        ("-1E-999999", Some(TOO_SMALL)),
    ] {
        let expected: Vec<_> = problem.map(|problem| format!("eventData.a {problem}")).into_iter().collect();
        assert_eq!(problems_of_data(&format!("{{\"a\":{number}}}")), expected, "{number}");
    }
    let zeros = format!("0.{}1", "0".repeat(400));
    assert_eq!(problems_of_data(&format!("{{\"a\":{zeros}}}")), [format!("eventData.a {TOO_SMALL}")]);
}

#[test]
fn an_unreadable_field_does_not_hide_other_problems() {
    let text = r#"{"userId":"","sessionId":"s","eventType":"page_view","timestamp":1e999,"eventData":{"a":[1e999]}}"#;
    let too_large = |field: &str| format!("{field} {TOO_LARGE}");
    assert_eq!(
        problems_of(text, &Rules::default()),
        [
            too_large("eventData.a[0]"),
            too_large("timestamp"),
            "userId must not be empty".to_owned(),
            "metadata is required".to_owned(),
        ]
    );
}

#[test]
fn half_a_surrogate_pair_is_a_problem_of_its_field() {
    let problems = problems_of_data(r#"{"a":"\ud83d"}"#);
    assert_eq!(problems, ["eventData cannot be read as JSON: unexpected end of hex escape at line 1 column 13"]);
    assert_eq!(accepted(json!({ "userId": "\u{1f600}" })).user_id, "\u{1f600}");
}

#[test]
fn what_is_dropped_is_not_judged() {
    let unknown = r#"{"extra":1e999,"v":1e999,"#;
    let text = event_with(json!({})).to_string().replacen('{', unknown, 1);
    assert_eq!(validate(&text, &arrival(), 0, &Rules::default()).unwrap().unknown_fields, 1);
    let digits = "1".repeat(40);
    let text = event_with(json!({})).to_string().replacen('{', &format!("{{\"extra\":{digits},"), 1);
    assert!(problems_of(&text, &Rules::default()).is_empty());
}

#[test]
fn nesting_beyond_the_parser_is_a_problem_of_its_field() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(problems_of_data(&nested(MAX_NESTING)).is_empty());
    for levels in [MAX_NESTING + 1, 120, 200, 100_000] {
        let problems = problems_of_data(&nested(levels));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("eventData"), "{problems:?}");
        assert!(problems[0].ends_with("is nested too deeply: at most 20 levels are allowed"), "{problems:?}");
    }
}
