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

fn event(line: &str) -> (Value, Record, bool) {
    match classify(line.as_bytes(), &mut Fixed) {
        Line::Event { record, minted } => (serde_json::from_slice(&record.data).unwrap(), record, minted),
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
        let (_, record, minted) = event(line);
        assert!(!minted, "{line}");
        assert_eq!(record.data, line.trim().as_bytes());
        assert_eq!(record.partition_key, "u");
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
fn the_partition_key_is_the_user_or_a_hash_of_the_line() {
    assert_eq!(event(r#"{"userId":" u\u00fc "}"#).1.partition_key, "uü");
    assert_eq!(event(r#"{"userId":"first","userId":"last"}"#).1.partition_key, "last");
    let long = format!(r#"{{"userId":"{}"}}"#, "ü".repeat(257));
    for line in [r#"{"userId":""}"#, r#"{"userId":7}"#, r#"{"userId":["u"]}"#, "{}", "[{}]", "7", &long] {
        let key = event(line).1.partition_key;
        assert_eq!(key.len(), 32, "{line}: {key}");
        assert_eq!(key, event(line).1.partition_key, "the same line, the same shard");
    }
    assert_ne!(event("7").1.partition_key, event("8").1.partition_key);
    let longest = "ü".repeat(256);
    assert_eq!(event(&format!(r#"{{"userId":"{longest}"}}"#)).1.partition_key, longest);
}

#[test]
fn json_that_is_no_object_goes_as_it_is() {
    for line in [r#"[{"userId":"u"},{}]"#, "7", "-7", "1.5", "true", "null", r#""text""#] {
        let (_, record, minted) = event(line);
        assert_eq!((record.data, minted), (line.as_bytes().to_vec(), false));
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
