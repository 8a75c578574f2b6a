use serde_json::{Value, json};

use super::*;

/// The same identity every time.
struct Fixed;

impl Identities for Fixed {
    fn now_ms(&self) -> u64 {
        1_772_323_200_000
    }

    fn random(&mut self) -> [u8; 10] {
        [7; 10]
    }
}

fn event(line: &str) -> (Value, Unchecked, bool) {
    match classify(line.as_bytes(), &mut Fixed) {
        Line::Event { event, minted } => (serde_json::from_str(&event.json).unwrap(), event, minted),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_event_with_its_id_goes_as_it_is() {
    for line in [
        r#"{"eventId":"e","timestamp":5,"userId":"u"}"#,
        r#"  {"userId":"u", "eventId":"e"} "#,
        r#"{"userId":"u","eventId":7}"#,
    ] {
        let (_, event, minted) = event(line);
        assert!(!minted, "{line}");
        assert_eq!(event.json, line.trim());
        assert_eq!(event.user_id.as_deref(), Some("u"));
    }
}

#[test]
fn what_is_missing_of_the_identity_is_made() {
    let id = "019ca6b1-dc00-7707-8707-070707070707";
    let both = json!({"userId": "u", "eventId": id, "timestamp": 1_772_323_200_000_u64});
    let cases = [
        (r#"{"userId":"u"}"#, both.clone()),
        (r#"{"userId":"u","eventId":null,"timestamp":null}"#, both),
        (r#"{"userId":"u","timestamp":5 } "#, json!({"userId": "u", "timestamp": 5, "eventId": id})),
        ("{ }", json!({"eventId": id, "timestamp": 1_772_323_200_000_u64})),
    ];
    for (line, wanted) in cases {
        let (value, _, minted) = event(line);
        assert!(minted, "{line}");
        assert_eq!(value, wanted, "{line}");
    }
}

#[test]
fn the_user_is_told_where_there_is_one() {
    for (line, user) in [
        (r#"{"userId":" u\u00fc "}"#, Some(" uü ")),
        (r#"{"userId":"first","userId":"last"}"#, Some("last")),
        (r#"{"userId":7}"#, None),
        ("{}", None),
        ("[{}]", None),
    ] {
        assert_eq!(event(line).1.user_id.as_deref(), user, "{line}");
    }
}

#[test]
fn a_line_gets_the_same_identity_again_and_no_other_line_gets_it() {
    let mut identities = RepeatableIdentities::new(1_772_323_200_000, 7);
    let mut drawn = |line| {
        identities.begin_line(line);
        identities.random()
    };
    let first = drawn(1);
    assert_ne!(first, drawn(2));
    assert_eq!(first, drawn(1));
}

#[test]
fn json_that_is_no_object_goes_as_it_is() {
    for line in [r#"[{"userId":"u"},{}]"#, "7", "-7", "1.5", "true", "null", r#""text""#] {
        let (_, event, minted) = event(line);
        assert_eq!((event.json.as_str(), minted), (line, false));
    }
}

#[test]
fn what_is_no_json_is_told_without_its_content() {
    for line in [&b"{\"userId\":\"secret\""[..], b"secret", b"{} secret", b"{\"a\":\"\xff\"}", b"{secret:1}", b"[1,"] {
        match classify(line, &mut Fixed) {
            Line::NotJson(reason) => assert!(!reason.contains("secret") && !reason.is_empty(), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn blank_lines_and_a_byte_order_mark_are_nothing() {
    for line in ["", " \t\r", "\u{feff}"] {
        assert_eq!(classify(line.as_bytes(), &mut Fixed), Line::Blank);
    }
    assert!(matches!(classify("\u{feff}{}".as_bytes(), &mut Fixed), Line::Event { .. }));
}

#[test]
fn deep_nesting_is_json_still() {
    let line = format!("{{\"eventId\":\"e\",\"x\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(matches!(classify(line.as_bytes(), &mut Fixed), Line::Event { .. }));
}

#[test]
fn a_record_and_its_key_fit_into_a_mebibyte() {
    let filler = |bytes: usize| format!(r#"{{"eventId":"e","userId":"u","x":"{}"}}"#, "y".repeat(bytes));
    let room = MAX_RECORD_BYTES - filler(0).len() - 1;
    assert!(matches!(classify(filler(room).as_bytes(), &mut Fixed), Line::Event { .. }));
    assert_eq!(classify(filler(room + 1).as_bytes(), &mut Fixed), Line::TooLong);
}

#[test]
fn several_objects_in_one_line_are_as_many_events() {
    let lines = |text: &str| classify_all(text.as_bytes(), &mut Fixed);
    let of_three = lines(r#"{"eventId":"a"}{"eventId":"b"} {"eventId":"c"}"#);
    let ids: Vec<_> = of_three.iter().map(|line| matches!(line, Line::Event { minted: false, .. })).collect();
    assert_eq!(ids, [true; 3], "{of_three:?}");
    let bad = r#"{"eventId":"a"},{"eventId":NaN,"userId":"u"},{"eventId":"c","userId":"u"}"#;
    assert!(matches!(&*lines(bad), [Line::Event { .. }, Line::NotJson(_), Line::Event { .. }]), "{:?}", lines(bad));
    assert!(matches!(&*lines("not json"), [Line::NotJson(_)]));
    assert!(matches!(&*lines("[{},{}]"), [Line::Event { .. }]), "the consumer takes arrays apart");
}
