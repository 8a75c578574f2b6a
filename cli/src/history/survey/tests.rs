use std::io::Write as _;

use headcount_core::hash::hash128;
use serde_json::{Value, json};

use super::*;

/// 2026-03-10T12:00:00Z.
const NOW: i64 = 1_773_144_000_000;

fn event(id: Option<&str>, timestamp: Option<i64>) -> Value {
    json!({
        "eventId": id, "userId": "u", "sessionId": "s", "eventType": "page_view", "timestamp": timestamp,
        "metadata": {"userAgent": "test", "ipAddress": "10.1.2.3", "platform": "web"},
    })
}

fn survey_of(lines: &[String]) -> Survey {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.join("\n").as_bytes()).unwrap();
    let (_asked, interrupt) = Interrupt::manual();
    let rules = Rules::default().without_lateness_limit();
    survey(file.path(), &rules, Tz::UTC, NOW, &interrupt).unwrap().unwrap()
}

#[test]
fn a_file_is_known_by_its_content_its_days_and_its_newest_event() {
    let lines: Vec<String> = [
        event(Some("a"), Some(1_000_000_000_000)),
        event(Some("b"), Some(NOW - 86_400_000)),
        event(Some("c"), Some(NOW - 2)),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    let seen = survey_of(&lines);
    assert_eq!(seen.source().as_str(), format!("import/{:032x}", hash128(lines.join("\n").as_bytes())));
    assert_eq!((seen.lines, seen.blank, seen.rejected, seen.newest_ms), (3, 0, 0, Some(NOW - 2)));
    let days: Vec<_> = seen.days_touched(Tz::UTC, NOW - 2).iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2001-09-09", "2026-03-09", "2026-03-10"]);
    assert_eq!((seen.without_id, seen.without_time, seen.ahead), Default::default());
}

#[test]
fn elements_of_an_array_are_numbered_as_such() {
    let array = Value::from(vec![event(None, Some(NOW - 5)), event(Some("b"), Some(NOW - 2))]);
    let printed = serde_json::to_string_pretty(&array).unwrap();
    let seen = survey_of(&[printed]);
    assert_eq!((seen.unit, seen.lines, seen.without_id.first_line), (Unit::Element, 2, Some(1)));
    assert_eq!(survey_of(&[event(Some("a"), Some(NOW)).to_string()]).unit, Unit::Line);
}

#[test]
fn what_a_person_should_know_is_marked_with_its_first_line() {
    let lines = [
        String::new(),
        event(None, Some(1_000_000_000_000)).to_string(),
        "this is no JSON".into(),
        event(None, None).to_string(),
        event(Some("ahead"), Some(NOW + MAX_EARLINESS_MS + 1)).to_string(),
        json!({"timestamp": NOW - 7}).to_string(),
        event(Some("neither UUIDv7 nor timestamp"), None).to_string(),
        format!("[{},{}]", event(None, Some(1_000_000_000_005)), 7),
    ];
    let seen = survey_of(&lines);
    assert_eq!((seen.lines, seen.blank), (8, 1));
    assert_eq!(seen.newest_ms, Some(NOW - 7), "of an event that is wrong otherwise, and none that is ahead");
    assert_eq!(seen.without_id, Marked { events: 3, first_line: Some(2) });
    assert_eq!(seen.without_time, Marked { events: 1, first_line: Some(4) });
    assert_eq!(seen.ahead, Marked { events: 1, first_line: Some(5) });
    assert_eq!(seen.rejected, 5);
    let listed: Vec<u64> = seen.listed.iter().map(|line| line.line).collect();
    assert_eq!(listed, [3, 5, 6, 7, 8]);
    assert!(seen.listed[1].problems[0].contains("15 minutes"), "{:?}", seen.listed);
    assert!(seen.listed[2].problems.len() >= 3, "every problem of the line: {:?}", seen.listed[2]);
    let days: Vec<_> = seen.days_touched(Tz::UTC, NOW - 7).iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2001-09-09", "2026-03-10"], "what takes the newest time, and what is rejected, counts then");
}

#[test]
fn what_it_is_does_not_depend_on_the_rules() {
    let mut custom = event(Some("a"), Some(NOW - 1));
    custom["eventType"] = "signup".into();
    let seen = survey_of(&[custom.to_string()]);
    assert_eq!((seen.rejected, seen.newest_ms), (1, Some(NOW - 1)));
}

#[test]
fn few_rejected_lines_are_listed_and_all_are_counted() {
    let lines: Vec<String> = (0..50).map(|n| format!("no JSON {n}")).collect();
    let seen = survey_of(&lines);
    assert_eq!((seen.rejected, seen.listed.len(), seen.newest_ms), (50, MAX_LISTED_LINES, None));
}
