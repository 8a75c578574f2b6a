//! What is written is read again, whatever was accepted.

use headcount_core::rejection::Payload;
use headcount_core::validate::{Arrival, Rules, validate};
use headcount_log::{Content, Day, Entry, entry, line};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::samples::{ARRIVED_MS, content, date, facts, rejection, source};

#[track_caller]
fn check(content: &Content<'_>) {
    let bytes = entry::encode(&facts(7), content);
    let read = Entry::decode(bytes.clone(), &source(), 7).unwrap();
    assert_eq!(read.header.facts, facts(7));
    assert_eq!(read.header.entry_bytes(), bytes.len() as u64);
    assert_eq!(read.open().unwrap().content().unwrap(), *content);
}

#[test]
fn content_comes_back_as_it_was() {
    check(&content());
    check(&Content::default());
    check(&Content { rejections: Vec::new(), ..content() });
    check(&Content { days: Content::default().days, ..content() });
}

#[test]
fn an_entry_of_any_size_comes_back() {
    let day = |events: u32| Day {
        events: (0..events).map(|n| (n, crate::samples::event(&format!("e-{n}")))).collect(),
        ..Day::default()
    };
    check(&Content { days: [(date(1), day(20_000)), (date(2), day(1))].into(), ..content() });
}

#[test]
fn the_header_says_what_each_date_got() {
    let header = Entry::decode(entry::encode(&facts(7), &content()), &source(), 7).unwrap().header;
    let counts = header.dates.values().map(|counts| (counts.events, counts.duplicates, counts.rejected));
    assert_eq!(counts.collect::<Vec<_>>(), [(2, 1, 0), (1, 0, 9), (0, 4, 0)]);
    let frame = |day| header.dates.get(&date(day)).and_then(|counts| counts.frame.as_ref());
    assert!(frame(3).is_none() && frame(4).is_none());
    assert_eq!(frame(1).unwrap().offset, 0);
    assert_eq!(content().events(), 3);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[ \t\n\r\u{0}-\u{a0}\u{2028}é]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z ]{0,3}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_accepted_event_comes_back(
        id in "[ -~é\n]{1,20}", user in "\\PC{1,20}", data in any_value(), more in any_value(), index in any::<u32>(),
        is_pretty in any::<bool>(),
    ) {
        let raw = json!({
            "eventId": id, "userId": user, "sessionId": "s", "accountId": "a\"c", "eventType": "page_view", "timestamp": ARRIVED_MS,
            "eventData": {"a": data}, "metadata": {"userAgent": "x", "ipAddress": "::1", "platform": "web", "more": more},
        });
        let text = if is_pretty { serde_json::to_string_pretty(&raw).unwrap() } else { raw.to_string() };
        let arrival = Arrival { source: source(), sequence: 1.into(), arrived_ms: ARRIVED_MS };
        if let Ok(accepted) = validate(&text, &arrival, 0, &Rules::default()) {
            let mut written = Vec::new();
            line::write(&mut written, index, &accepted.event);
            let written = String::from_utf8(written).unwrap();
            prop_assert_eq!(written.lines().count(), 1);
            let (read_index, read) = line::read(&written).unwrap();
            prop_assert_eq!(read.event_data.as_str(), accepted.event.event_data.as_str());
            prop_assert_eq!((read_index, read), (index, accepted.event));
        }
    }

    #[test]
    fn every_rejection_comes_back(text in "(?s).{0,40}", bytes in any::<Vec<u8>>(), truncated in any::<bool>()) {
        let payloads = [Payload::Text { text, truncated }, Payload::Binary { bytes, truncated }, Payload::Withheld];
        check(&Content { rejections: payloads.map(rejection).into(), ..Content::default() });
    }

    #[test]
    fn no_line_causes_a_panic(text in "(?s).{0,60}", name in "[a-zA-Z]{0,12}") {
        let _ = line::read(&text);
        let _ = line::read(&format!("{{\"index\":1,\"{name}\":{text}}}"));
    }
}

#[test]
fn a_malformed_line_is_an_error() {
    let good =
        r#"{"index":1,"eventId":"e","userId":"u","sessionId":"s","eventType":"error","timestamp":5,"metadata":{}}"#;
    assert_eq!(line::read(good).unwrap().0, 1);
    let broken = [
        ("{\"index\":1,", "{\"index\":-1,"),
        ("\"metadata\":{}", "\"metadata\":[]"),
        ("\"metadata\":{}", "\"metadata\":{},\"eventData\":7"),
        (",\"metadata\":{}", ""),
        ("\"timestamp\":5", "\"timestamp\":5.5"),
        ("}}", "}"),
        ("\"e\"", "7"),
    ];
    for (from, to) in broken {
        let line = good.replacen(from, to, 1);
        let refused = line::read(&line).unwrap_err().to_string();
        assert!(refused.starts_with("a line is not an event"), "{line}: {refused}");
    }
}
