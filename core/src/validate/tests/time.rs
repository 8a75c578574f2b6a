use super::*;

const WINDOW_LATE: &str = "timestamp lies more than 7 days before the event's arrival";
const WINDOW_EARLY: &str = "timestamp lies more than 15 minutes after the event's arrival";
const FORMAT: &str =
    "timestamp must be whole milliseconds since 1970 as a number, or RFC 3339 as a string (2026-03-01T12:00:00Z)";
const RANGE: &str = "timestamp must be from 0 to 9999999999999 milliseconds since 1970";

#[test]
fn timestamps_have_two_spellings() {
    for (timestamp, ms) in [
        (json!(ARRIVED_MS), ARRIVED_MS),
        (json!(ARRIVED_MS as f64), ARRIVED_MS),
        (json!("2026-03-01T00:00:00Z"), ARRIVED_MS),
        (json!(" 2026-03-01T01:00:00.250+01:00 "), ARRIVED_MS + 250),
        (json!("2026-02-28T23:59:59.9999999Z"), ARRIVED_MS - 1),
    ] {
        assert_eq!(accepted(json!({ "timestamp": timestamp.clone() })).timestamp_ms, ms, "{timestamp}");
    }
    for timestamp in [json!("2026-03-01"), json!("1772323200000"), json!(1.5), json!(true), json!([]), json!("")] {
        check_problems(json!({ "timestamp": timestamp }), &[FORMAT]);
    }
}

#[test]
fn timestamps_lie_near_the_arrival() {
    let (late, early) = (ARRIVED_MS - DEFAULT_LATENESS_MS, ARRIVED_MS + MAX_EARLINESS_MS);
    for (timestamp, problems) in [
        (json!(late), &[][..]),
        (json!(late - 1), &[WINDOW_LATE]),
        (json!(early), &[]),
        (json!(early + 1), &[WINDOW_EARLY]),
        (json!("2020-01-01T00:00:00Z"), &[WINDOW_LATE]),
        (json!(-1), &[RANGE]),
        (json!("1969-12-31T23:59:59.999Z"), &[RANGE]),
        (json!(10_000_000_000_000i64), &[RANGE]),
        (json!(u64::MAX), &[RANGE]),
        (json!(i64::MIN), &[RANGE]),
    ] {
        check_problems(json!({ "timestamp": timestamp }), problems);
    }
    let seconds = format!("{WINDOW_LATE} (it must be in milliseconds, not in seconds)");
    check_problems(json!({ "timestamp": ARRIVED_MS / 1_000 }), &[&seconds]);
}

#[test]
fn the_window_is_configured() {
    let rules = Rules::new(vec![], Some(1_500), 2_000, IpPolicy::Keep).unwrap();
    let problems = |rules: &Rules, ms: i64| problems_of(&event_with(json!({ "timestamp": ms })).to_string(), rules);
    assert!(problems(&rules, ARRIVED_MS - 1_500).is_empty());
    let late = problems(&rules, ARRIVED_MS - 1_501);
    assert_eq!(late, ["timestamp lies more than 1500 milliseconds before the event's arrival"]);
    let early = problems(&rules, ARRIVED_MS + 2_001);
    assert_eq!(early, ["timestamp lies more than 2 seconds after the event's arrival"]);
    let history = rules.without_lateness_limit();
    assert_eq!((history.lateness_ms(), history.earliness_ms()), (None, 2_000));
    assert!(problems(&history, 0).is_empty());
    assert_eq!(problems(&history, ARRIVED_MS + 2_001), early);
    let none = Rules::new(vec![], Some(0), 0, IpPolicy::Keep).unwrap();
    let late = problems(&none, ARRIVED_MS - 1);
    assert_eq!(late, ["timestamp lies more than 0 milliseconds before the event's arrival"]);
}

#[test]
fn an_absent_timestamp_is_the_arrival_or_inside_the_id() {
    let with_id = |id: Value| json!({ "timestamp": null, "eventId": id });
    assert_eq!(accepted(with_id(json!(null))).timestamp_ms, ARRIVED_MS);

    let uuid = |ms: i64| format!("{:08x}-{:04x}-7abc-8def-0123456789ab", ms >> 16, ms & 0xffff);
    assert_eq!(accepted(with_id(json!(uuid(ARRIVED_MS - 5)))).timestamp_ms, ARRIVED_MS - 5);
    assert_eq!(accepted(with_id(json!(uuid(ARRIVED_MS).to_uppercase()))).timestamp_ms, ARRIVED_MS);
    check_problems(with_id(json!(uuid(ARRIVED_MS - DEFAULT_LATENESS_MS - 1))), &[WINDOW_LATE]);
    check_problems(with_id(json!(uuid((1 << 48) - 1))), &[RANGE]);

    let required = "timestamp is required beside an eventId that is no UUIDv7";
    check_problems(with_id(json!("e-1")), &[required]);
    check_problems(with_id(json!(uuid(ARRIVED_MS).replace("-7abc", "-4abc"))), &[required]);
    check_problems(with_id(json!(uuid(ARRIVED_MS).replace("-8def", "-cdef"))), &[required]);
    check_problems(with_id(json!(5)), &["eventId must be a string"]);
}
