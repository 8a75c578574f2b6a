use super::*;
use crate::counters::{CappedMap, Counters};
use crate::event::{ANONYMOUS_PREFIX, Event, EventType};
use crate::exact::{ExactFigures, ExactLatency, MAX_EXACT_NAMES, ProvenDay, ProvenFigures};
use crate::limits::MAX_COUNTER_NAMES;
use crate::session_sample::SessionSample;
use crate::user_sketch::UserSketch;
use serde_json::json;

fn event(event_type: &str, data: Value) -> Event<'static> {
    Event {
        id: "e".into(),
        user_id: "u".into(),
        session_id: Some("s".into()),
        event_type: EventType::from_stored(event_type),
        account_id: None,
        timestamp_ms: 0,
        counted_ms: 0,
        priced_by: None,
        event_data: data.into(),
        metadata: json!({"platform": "web"}).into(),
    }
}

fn sketch() -> UserSketch {
    UserSketch::new(14).unwrap()
}

fn day(date: &str, events: &[Event<'_>], users: u64, is_final: bool) -> DailyMetrics {
    let mut counters = Counters::default();
    for event in events {
        counters.add(event, chrono_tz::UTC);
    }
    counters.add_duplicates(2);
    let mut sessions = SessionSample::default();
    sessions.insert("s", 0);
    sessions.insert("s", 90_000);
    DailyMetrics::of_day(&DayInput {
        date: date.parse().unwrap(),
        counters: &counters,
        users,
        users_relative_standard_error: 0.008,
        sessions: &sessions,
        weekly_users: users + 1,
        monthly_users: users + 2,
        accounts: 2,
        accounts_relative_standard_error: 0.016,
        weekly_accounts: 3,
        monthly_accounts: 4,
        new_users: 3,
        total_users: users + 10,
        sources_set_aside: 0,
        is_final,
    })
}

fn asked(model: &str, cost: f64) -> Event<'static> {
    let event = event("ai_request", json!({"model": model, "tokens": 5, "cost": cost}));
    Event { account_id: Some("acme".into()), ..event }
}

#[test]
fn a_day_has_exactly_the_fields_of_its_item() {
    let metrics =
        day("2026-03-01", &[asked("large", 0.25), event("feature_use", json!({"feature": "search"}))], 7, false);
    let spent = json!({"requests": 1, "tokens": 5, "cost": 0.25, "costNanos": 250_000_000});
    let expected = json!({
        "date": "2026-03-01", "activeUsers": 7, "totalUsers": 17, "newSignups24h": 3, "dailyActiveUsers": 7,
        "weeklyActiveUsers": 8, "monthlyActiveUsers": 9,
        "activeAccounts": 2, "weeklyActiveAccounts": 3, "monthlyActiveAccounts": 4, "averageSessionDuration": 90_000.0,
        "sessions": {"count": 1, "p50": 90_000, "p95": 90_000}, "featureUsage": {"search": 1},
        "contentCreated": {"total": 0, "byType": {}},
        "aiUsage": {"totalRequests": 1, "totalTokens": 5, "totalCost": 0.25, "totalCostNanos": 250_000_000, "failedRequests": 0, "unpricedRequests": 0,
            "byModel": {"large": {"requests": 1, "tokens": 5, "cost": 0.25, "costNanos": 250_000_000, "errors": 0,
                "unpriced": 0, "latency": {"count": 0, "p50": 0, "p95": 0}}},
            "byAccount": {"acme": spent}, "byFeature": {}, "byUser": {"u": spent}},
        "errors": {"total": 0, "byType": {}},
        "eventsByType": {"page_view": 0, "feature_use": 1, "content_create": 0, "ai_request": 1, "error": 0},
        "eventsByHour": [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "platforms": {"web": 2}, "accounts": {"acme": 1}, "rejected": 0, "duplicates": 2, "eventsWithoutUser": 0, "eventsWithoutSession": 0,
        "estimate": {"usersRelativeStandardError": 0.008, "accountsRelativeStandardError": 0.016,
            "latencyRelativeError": 0.0, "sessionsExact": true, "sourcesSetAside": 0, "namesApproximate": false,
            "sessionIntervals": {
            "count": {"low": 1.0, "high": 1.0}, "averageDuration": {"low": 90_000.0, "high": 90_000.0},
            "p50": {"low": 90_000.0, "high": 90_000.0}, "p95": {"low": 90_000.0, "high": 90_000.0}}},
        "final": false, "verified": false,
    });
    assert_eq!(Value::Object(metrics.to_object()), expected);
    assert_eq!(DailyMetrics::from_object(&metrics.to_object()), Ok(metrics.clone()));

    let mut stored = metrics.to_object();
    stored["averageSessionDuration"] = json!(90_000);
    assert_eq!(DailyMetrics::from_object(&stored), Ok(metrics.clone()), "a table writes 90000.0 as 90000");
    stored["activeUsers"] = json!(7.0);
    stored["aiUsage"]["byModel"]["large"]["tokens"] = json!(5.0);
    stored["eventsByHour"][0] = json!(2.0);
    assert_eq!(DailyMetrics::from_object(&stored).as_ref(), Ok(&metrics), "or the other way round");

    let mut older = stored.clone();
    older.remove("eventsWithoutUser");
    older["estimate"].as_object_mut().unwrap().remove("namesApproximate");
    assert_eq!(DailyMetrics::from_object(&older).as_ref(), Ok(&metrics), "an earlier build did not write these");

    let mut short = stored.clone();
    short["eventsByHour"] = json!([1, 2]);
    assert!(DailyMetrics::from_object(&short).unwrap_err().to_string().contains("eventsByHour has 2 hours"));
    stored["activeUsers"] = json!(7.5);
    assert!(DailyMetrics::from_object(&stored).is_err());
    stored["activeUsers"] = json!(7);
    stored.remove("sessions");
    assert!(DailyMetrics::from_object(&stored).unwrap_err().to_string().contains("sessions"));
}

#[test]
fn a_day_without_an_item_is_zero_and_complete() {
    let empty = DailyMetrics::empty("2026-03-01".parse().unwrap());
    assert_eq!(DailyMetrics::from_object(&empty.to_object()), Ok(empty.clone()));
    assert_eq!((empty.figures.events_by_hour.len(), empty.figures.events_by_type.len()), (24, 5));
    assert!(!empty.figures.is_final);
}

#[test]
fn every_figure_is_a_finite_number() {
    let (counters, sessions) = (Counters::default(), SessionSample::default());
    let metrics = DailyMetrics::of_day(&DayInput {
        date: "2026-03-01".parse().unwrap(),
        counters: &counters,
        users: 0,
        users_relative_standard_error: f64::NAN,
        sessions: &sessions,
        weekly_users: 0,
        monthly_users: 0,
        accounts: 0,
        accounts_relative_standard_error: f64::INFINITY,
        weekly_accounts: 0,
        monthly_accounts: 0,
        new_users: 0,
        total_users: 0,
        sources_set_aside: 0,
        is_final: false,
    });
    assert_eq!(metrics, DailyMetrics::empty(metrics.date));
    assert_eq!(DailyMetrics::from_object(&metrics.to_object()), Ok(metrics));
}

#[test]
fn a_range_sums_counters_and_takes_the_last_day_where_it_must() {
    let days = [
        day("2026-03-01", &[asked("large", 0.25), asked("small", 0.5)], 4, true),
        day("2026-03-02", &[asked("large", 1.0)], 7, false),
    ];
    let (mut users, mut accounts) = (sketch(), sketch());
    for account in ["acme", "zenith"] {
        accounts.insert(account);
    }
    for user in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        users.insert(user);
    }
    let mut sessions = SessionSample::default();
    sessions.insert("s", 0);
    let sum = total(&days, &mut users, &mut accounts, &sessions);
    assert_eq!((sum.active_users, sum.daily_active_users), (8, 6));
    assert_eq!((sum.weekly_active_users, sum.monthly_active_users, sum.total_users), (8, 9, 17));
    let accounts = (sum.active_accounts, sum.weekly_active_accounts, sum.monthly_active_accounts);
    assert_eq!((accounts, sum.accounts["acme"]), ((2, 3, 4), 3));
    let spent = SpentFigures { requests: 3, tokens: 15, cost: 1.75, cost_nanos: 1_750_000_000 };
    assert_eq!(sum.ai_usage.by_account["acme"], spent);
    assert_eq!((sum.new_signups_24h, sum.duplicates, sum.events_by_hour[0]), (6, 4, 3));
    assert_eq!((sum.ai_usage.total_cost, sum.ai_usage.by_model["large"].cost_nanos), (1.75, 1_250_000_000));
    assert_eq!((sum.sessions.count, sum.average_session_duration), (1, 0.0));
    assert!(!sum.is_final && !sum.verified);
    assert!(total(&days[..1], &mut users, &mut sketch(), &sessions).is_final);
}

#[test]
fn a_range_caps_its_names_again() {
    let used = |n: usize| event("feature_use", json!({"feature": format!("f{n:03}")}));
    let first: Vec<Event<'_>> = (0..80).map(used).collect();
    let second: Vec<Event<'_>> = (40..120).map(used).collect();
    let days = [day("2026-03-01", &first, 1, true), day("2026-03-02", &second, 1, true)];
    let sum = total(&days, &mut sketch(), &mut sketch(), &SessionSample::default());
    assert_eq!(sum.feature_usage.len(), MAX_COUNTER_NAMES + 1);
    assert_eq!((sum.feature_usage["f050"], sum.feature_usage["(other)"]), (2, 20));
    assert_eq!(sum.feature_usage.values().sum::<u64>(), 160);
}

#[test]
fn events_without_a_user_are_counted_and_summed() {
    let without =
        |id: &str| Event { user_id: format!("{ANONYMOUS_PREFIX}{id}").into(), ..event("page_view", json!({})) };
    let first = day("2026-03-01", &[without("undefined"), without("a"), event("page_view", json!({}))], 1, true);
    let second = day("2026-03-02", &[without("null")], 1, true);
    assert_eq!((first.figures.events_without_user, second.figures.events_without_user), (2, 1));
    let sum = total(&[first, second], &mut sketch(), &mut sketch(), &SessionSample::default());
    assert_eq!(sum.events_without_user, 3);
}

#[test]
fn events_without_a_session_are_counted_and_summed_and_are_in_no_session() {
    let without = || Event { session_id: None, ..event("page_view", json!({})) };
    let first = day("2026-03-01", &[without(), event("page_view", json!({})), without()], 1, true);
    let second = day("2026-03-02", &[without()], 1, true);
    assert_eq!((first.figures.events_without_session, second.figures.events_without_session), (2, 1));
    let sum = total(&[first, second], &mut sketch(), &mut sketch(), &SessionSample::default());
    assert_eq!((sum.events_without_session, sum.events_by_type["page_view"]), (3, 4));
}

#[test]
fn names_beyond_the_bound_are_told_to_be_approximate() {
    let used = |n: usize| event("feature_use", json!({"feature": format!("f{n:03}")}));
    let full: Vec<Event<'_>> = (0..MAX_COUNTER_NAMES).map(used).collect();
    let beyond: Vec<Event<'_>> = (0..=MAX_COUNTER_NAMES).map(used).collect();
    let days = [day("2026-03-01", &beyond, 1, true), day("2026-03-02", &full, 1, true)];
    assert_eq!(days.clone().map(|day| day.figures.estimate.names_approximate), [true, false]);
    let of = |days: &[DailyMetrics]| {
        total(days, &mut sketch(), &mut sketch(), &SessionSample::default()).estimate.names_approximate
    };
    assert!(of(&days) && !of(&days[1..]), "one day is enough");
}

#[test]
fn a_proven_day_lists_its_names_beyond_the_live_bound_with_exact_counts() {
    let counts = (0..300u64).map(|n| (format!("f{n:03}").into(), 300 - n));
    let features = CappedMap::exact(counts, MAX_EXACT_NAMES);
    let counters = Counters { features, ..Counters::default() };
    let exact = ExactFigures { counters, ..ExactFigures::default() };
    let date = "2026-03-01".parse().unwrap();
    let proven = ProvenFigures { date, number: 1, figures: exact.clone(), ..ProvenFigures::default() };
    let proof = ProvenDay { proven, sources: BTreeMap::new() };
    for metrics in [DailyMetrics::of_exact(date, &exact), DailyMetrics::empty(date).with_proof(&proof, &[])] {
        let figures = metrics.figures;
        assert_eq!(figures.feature_usage.len(), MAX_EXACT_NAMES + 1);
        assert_eq!((figures.feature_usage["f000"], figures.feature_usage["f249"]), (300, 51));
        assert_eq!(figures.feature_usage["(other)"], (1..=50).sum::<u64>());
        assert!(!figures.estimate.names_approximate);
    }
}

#[test]
fn names_of_several_sources_are_approximate_where_not_all_of_them_are_listed() {
    let mut sum = Counters::default();
    for source in 0..2 {
        let mut counters = Counters::default();
        for n in 0..60 {
            let name = format!("{source}-{n}");
            counters.add(&event("error", json!({"errorType": name})), chrono_tz::UTC);
        }
        sum.merge(&counters);
    }
    assert!(!sum.is_approximate() && sum.capped().is_approximate());
}

#[test]
fn a_proven_day_comes_back_whichever_way_its_numbers_are_written() {
    use crate::exact::{ExactFigures, ExactSessions, ProvenDay, ProvenFigures, UsersBy};
    let live = day("2026-03-01", &[event("page_view", json!({})), event("page_view", json!({}))], 7, false);
    let counters =
        Counters { events: 1, by_hour: std::array::from_fn(|hour| u64::from(hour == 3)), ..Counters::default() };
    let sessions = ExactSessions { count: 2, total_ms: 9, p50_ms: 4, p95_ms: 5 };
    let users_by = UsersBy { platforms: [("web".to_owned(), 6)].into(), ..UsersBy::default() };
    let latencies = [("m".to_owned(), ExactLatency { count: 1, p50_ms: 2, p95_ms: 3 })].into();
    let figures =
        ExactFigures { counters, users: 6, users_by, sessions, accounts: 2, latencies, ids_with_several_times: 1 };
    let proven = ProvenFigures { date: live.date, number: 1, proven_ms: 5, figures, ..ProvenFigures::default() };
    let exact = live.with_proof(&ProvenDay { proven, ..ProvenDay::default() }, &[]);
    assert_eq!((exact.figures.active_users, exact.figures.sessions.count, exact.figures.verified), (6, 2, true));
    let note = exact.figures.proof.as_ref().unwrap();
    assert_eq!((note.proven_at, note.users_by.platforms["web"], note.ids_with_several_times), (5, 6, 1));
    let stored = exact.to_object();
    assert_eq!(DailyMetrics::from_object(&stored).unwrap(), exact);
    let written: Object =
        serde_json::from_str(&serde_json::to_string(&stored).unwrap().replace(":6,", ":6.0,")).unwrap();
    assert_eq!(DailyMetrics::from_object(&written).unwrap(), exact);
}

#[test]
fn no_days_are_all_zero() {
    let sum = total(&[], &mut sketch(), &mut sketch(), &SessionSample::default());
    assert_eq!((sum.active_users, sum.daily_active_users, sum.events_by_hour.len()), (0, 0, 24));
}
