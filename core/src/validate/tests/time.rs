use super::*;

const WINDOW_LATE: &str = "timestamp lies more than 7 days before the event's arrival";
const WINDOW_EARLY: &str = "timestamp lies more than 15 minutes after the event's arrival";
const FORMS: &str =
    "timestamp must be milliseconds since 1970 as a number, or RFC 3339 as a string (2026-03-01T12:00:00Z)";
const RANGE: &str = "timestamp must be a time from the year 2000 to 2286, in milliseconds since 1970";
const SECONDS: &str = "timestamp is in seconds: it must be in milliseconds since 1970";

/// The first millisecond of the year 2000.
const YEAR_2000_MS: i64 = 946_684_800_000;

#[test]
fn what_is_beyond_doubt_is_read() {
    for (timestamp, ms) in [
        (json!(ARRIVED_MS), ARRIVED_MS),
        (json!(ARRIVED_MS as f64), ARRIVED_MS),
        (json!(ARRIVED_MS as f64 - 0.75), ARRIVED_MS - 1),
        (json!("2026-03-01T00:00:00Z"), ARRIVED_MS),
        (json!("2026-03-01t00:00:00z"), ARRIVED_MS),
        (json!("2026-03-01 00:00:00Z"), ARRIVED_MS),
        (json!("2026-03-01T00:00:00-00:00"), ARRIVED_MS),
        (json!("2026-03-01T00:00:00+0000"), ARRIVED_MS),
        (json!("2026-03-01 01:30:00+0130"), ARRIVED_MS),
        (json!("2026-02-28T23:00:00-01"), ARRIVED_MS),
        (json!(" 2026-03-01T01:00:00.250+01:00 "), ARRIVED_MS + 250),
        (json!("2026-02-28T23:59:59.9999999Z"), ARRIVED_MS - 1),
    ] {
        assert_eq!(accepted(json!({ "timestamp": timestamp.clone() })).timestamp_ms, ms, "{timestamp}");
    }
    let texts = ["", "yesterday", "2026-03-01T12:00:00Z[UTC]", "2026-02-28T23:59:60Z", "2026-02-28T24:00:00Z"];
    for timestamp in texts.into_iter().map(Value::from).chain([json!(true), json!([])]) {
        check_problems(json!({ "timestamp": timestamp }), &[FORMS]);
    }
}

#[test]
fn what_is_in_doubt_is_told_with_a_way_out() {
    let zone = "timestamp names no time zone: add Z for UTC, or an offset (2026-03-01T12:00:00+01:00)";
    let quoted = "timestamp is a number in quotes: write milliseconds since 1970 without them";
    for (timestamp, problem) in [
        (json!("2026-03-01T00:00:00"), zone),
        (json!("2026-03-01 00:00:00.5"), zone),
        (json!("1772323200000"), quoted),
        (json!("2026-03-01"), "timestamp is a date without a time of day: write it as 2026-03-01T12:00:00Z"),
        (json!(ARRIVED_MS / 1_000), SECONDS),
        (json!(ARRIVED_MS as f64 / 1_000.0 + 0.5), SECONDS),
        (json!(ARRIVED_MS * 1_000), "timestamp is in microseconds: it must be in milliseconds since 1970"),
        (json!(ARRIVED_MS * 1_000_000), "timestamp is in nanoseconds: it must be in milliseconds since 1970"),
    ] {
        check_problems(json!({ "timestamp": timestamp.clone() }), &[problem]);
        // History has no limit of lateness, and the same rule.
        let text = event_with(json!({ "timestamp": timestamp })).to_string();
        assert_eq!(problems_of(&text, &Rules::default().without_lateness_limit()), [problem]);
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
        (json!(YEAR_2000_MS - 1), &[RANGE]),
        (json!("1999-12-31T23:59:59.999Z"), &[RANGE]),
        (json!(10_000_000_000_000i64), &[RANGE]),
        (json!(i64::MIN), &[RANGE]),
    ] {
        check_problems(json!({ "timestamp": timestamp }), problems);
    }
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
    assert!(problems(&history, YEAR_2000_MS).is_empty());
    assert_eq!(problems(&history, YEAR_2000_MS - 1), [RANGE]);
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

#[test]
fn a_clock_that_is_off_moves_the_day_and_not_the_identity() {
    const MINUTE_MS: i64 = 60_000;
    let sent = |timestamp_ms: i64, sent_ms: Value| {
        let event = event_with(json!({ "timestamp": timestamp_ms, "sentAt": sent_ms }));
        accepted_by(&event, &Rules::default())
    };
    let day = DAY_MS;
    for (behind_ms, moved_ms) in [
        (0, 0),
        (15 * MINUTE_MS, 0),
        (-15 * MINUTE_MS, 0),
        (16 * MINUTE_MS, 15 * MINUTE_MS),
        (-16 * MINUTE_MS, -15 * MINUTE_MS),
        (30 * MINUTE_MS, 30 * MINUTE_MS),
        (400 * day + MINUTE_MS, 400 * day),
        (-30 * day - 7 * MINUTE_MS, -30 * day),
    ] {
        // By a clock that is so much behind, it happened a minute before it was sent.
        let clock = ARRIVED_MS - behind_ms;
        let taken = sent(clock - MINUTE_MS, json!(clock));
        let (timestamp_ms, counted_ms) = (taken.event.timestamp_ms, taken.event.counted_ms);
        assert_eq!((timestamp_ms, counted_ms - timestamp_ms, taken.mended), (clock - MINUTE_MS, moved_ms, 0));
        // In wire form it is the same event, whenever it is read.
        let later = Arrival { arrived_ms: ARRIVED_MS + 5 * MINUTE_MS, ..arrival() };
        let line = to_json(&taken.event);
        assert_eq!(validate(&line, &later, 0, &Rules::default()).unwrap().event, taken.event);
    }
    // Sent again a moment later, it counts at the same time.
    let first = sent(ARRIVED_MS - 2 * day, json!(ARRIVED_MS - 2 * day + 5));
    let again = sent(ARRIVED_MS - 2 * day, json!(ARRIVED_MS - 2 * day + 9_000));
    assert_eq!(first.event, again.event);
    // What says nothing is passed over.
    for nonsense in [json!("soon"), json!(ARRIVED_MS / 1_000), json!(ARRIVED_MS - day), json!({})] {
        let taken = sent(ARRIVED_MS, nonsense.clone());
        assert_eq!((taken.event.counted_ms, taken.mended), (ARRIVED_MS, 1), "{nonsense}");
    }
    // History has no arrival to compare with.
    let event = event_with(json!({ "timestamp": ARRIVED_MS - 90 * day, "sentAt": ARRIVED_MS - 90 * day }));
    let taken = accepted_by(&event, &Rules::default().without_lateness_limit());
    assert_eq!(taken.event.counted_ms, ARRIVED_MS - 90 * day);
}
