use super::*;
use crate::limits::{MAX_COUNTER_NAME_BYTES, MAX_COUNTER_NAMES};
use proptest::prelude::*;
use serde_json::json;

fn event(event_type: &str, data: serde_json::Value, at_ms: i64) -> Event<'static> {
    Event {
        id: "e".into(),
        user_id: "u".into(),
        session_id: Some("s".into()),
        event_type: EventType::from_stored(event_type),
        account_id: None,
        timestamp_ms: at_ms,
        counted_ms: at_ms,
        priced_by: None,
        event_data: data.into(),
        metadata: json!({"platform": "web"}).into(),
    }
}

fn used(feature: &str) -> Event<'static> {
    event("feature_use", json!({"feature": feature}), 0)
}

#[test]
fn each_type_counts_where_it_belongs() {
    let mut counters = Counters::default();
    for event in [
        event("page_view", json!({}), 0),
        event("feature_use", json!({"feature": "search"}), 3_600_000),
        event("feature_use", json!({}), 3_600_000),
        event("content_create", json!({"contentType": "note"}), 0),
        event("ai_request", json!({"model": "large", "tokens": 7, "cost": 0.1}), 0),
        event("ai_request", json!({"model": "large", "inputTokens": 1, "outputTokens": 2, "cost": 0.2}), 0),
        event("error", json!({"errorType": "timeout"}), 0),
        event("signup", json!({"feature": "none of mine"}), 0),
    ] {
        counters.add(&event, Tz::UTC);
    }
    assert_eq!((counters.events, counters.by_hour[0], counters.by_hour[1]), (8, 6, 2));
    assert_eq!((counters.features.get("search"), counters.features.get(NONE)), (Some(&1), Some(&1)));
    assert_eq!((counters.content.get("note"), counters.errors.get("timeout")), (Some(&1), Some(&1)));
    let large = ModelUse { requests: 2, tokens: 10, cost_nanos: 300_000_000, ..ModelUse::default() };
    assert_eq!(counters.models.get("large"), Some(&large));
    assert_eq!((counters.by_type.get("signup"), counters.platforms.get("web")), (Some(&1), Some(&8)));
}

#[test]
fn accounts_count_where_they_are_named_and_those_that_cost_most_are_kept() {
    let of = |account: &str, cost: f64| {
        let asked = event("ai_request", json!({"model": "m", "tokens": 7, "cost": cost}), 0);
        Event { account_id: Some(account.to_owned().into()), ..asked }
    };
    let mut counters = Counters::default();
    counters.add(&event("page_view", json!({}), 0), Tz::UTC);
    counters.add(&Event { account_id: Some("acme".into()), ..event("page_view", json!({}), 0) }, Tz::UTC);
    counters.add(&of("acme", 5.0), Tz::UTC);
    assert_eq!((counters.accounts.total(), counters.accounts.get("acme")), (2, Some(&2)));
    let spent = Spent { requests: 1, tokens: 7, cost_nanos: 5_000_000_000 };
    assert_eq!((counters.ai_accounts.get("acme"), counters.ai_accounts.total()), (Some(&spent), spent));
    // Many that cost little, some of them nothing, do not drive out the one that costs much.
    for n in 0..5 * MAX_COUNTER_NAMES {
        counters.add(&of(&format!("account-{n}"), n.min(1) as f64 / 1e6), Tz::UTC);
    }
    assert_eq!(counters.ai_accounts.get("acme"), Some(&spent));
    assert_eq!(counters.ai_accounts.total().requests, 1 + 5 * MAX_COUNTER_NAMES as u64);
    assert!(counters.ai_accounts.error() > 0 && counters.is_approximate());
    let decoded = Counters::decode(&counters.encode()).unwrap();
    assert_eq!(decoded, counters);
    let mut later = counters.clone();
    later.add(&of("acme", 1.0), Tz::UTC);
    let mut exact = Counters::default();
    exact.add_since(&later, &counters);
    let spent = Spent { cost_nanos: 1_000_000_000, ..spent };
    assert_eq!((exact.accounts.get("acme"), exact.ai_accounts.get("acme")), (Some(&1), Some(&spent)));
    let compare = Compare { duplicates: true, rejected: true };
    let differences: Vec<_> = later.difference(&counters, compare).into_iter().map(|one| one.counter).collect();
    assert!(differences.contains(&"aiByAccount.*.costNanos".to_owned()), "{differences:?}");
    assert!(differences.iter().all(|counter| !counter.contains("acme")), "no ids in logs: {differences:?}");
}

#[test]
fn requests_that_failed_were_slow_or_have_no_price_are_told_apart() {
    let mut counters = Counters::default();
    for (model, data) in [
        ("m", json!({"tokens": 5, "latencyMs": 100, "feature": "chat"})),
        ("m", json!({"tokens": 5, "cost": 0.5, "latencyMs": 300, "errorType": "timeout", "feature": ""})),
        ("m", json!({"errorType": "refused"})),
        ("n", json!({"cost": 0.25, "feature": "chat"})),
    ] {
        let mut asked = event("ai_request", data, 0);
        asked.event_data = asked.event_data.with_number("model", &json!(model).to_string());
        counters.add(&asked, Tz::UTC);
    }
    let m = counters.models.get("m").unwrap();
    assert_eq!((m.requests, m.errors, m.unpriced, m.latencies.count()), (3, 2, 1, 2));
    let chat = Spent { requests: 2, tokens: 5, cost_nanos: 250_000_000 };
    assert_eq!((counters.ai_features.get("chat"), counters.ai_features.total()), (Some(&chat), chat));
    let user = Spent { requests: 4, tokens: 10, cost_nanos: 750_000_000 };
    assert_eq!((counters.ai_users.get("u"), counters.errors.total()), (Some(&user), 0));
    let mut later = counters.clone();
    later.add(&event("ai_request", json!({"model": "m", "latencyMs": 300}), 0), Tz::UTC);
    let mut exact = Counters::default();
    exact.add_since(&later, &counters);
    let m = exact.models.get("m").unwrap();
    assert_eq!((m.requests, m.errors, m.unpriced, &m.latencies), (1, 0, 0, &Latencies::one(300)));
    let named = later.difference(&counters, Compare { duplicates: true, rejected: true });
    assert!(named.iter().any(|one| one.counter == "aiUsage.m.latencyMs.288"), "{named:?}");
}

#[test]
fn names_are_bounded_in_number_and_length() {
    let mut counters = Counters::default();
    for n in 0..MAX_COUNTER_NAMES + 20 {
        counters.add(&used(&format!("feature-{n:04}")), Tz::UTC);
    }
    counters.add(&used("feature-0000"), Tz::UTC);
    counters.add(&used(OTHER), Tz::UTC);
    assert_eq!(counters.features.iter().count(), MAX_COUNTER_NAMES + 1);
    assert_eq!((counters.features.get(OTHER), counters.features.get("feature-0000")), (Some(&21), Some(&2)));
    assert_eq!(counters.features.total(), counters.by_type.total());

    let mut counters = Counters::default();
    counters.add(&used(&"é".repeat(MAX_COUNTER_NAME_BYTES)), Tz::UTC);
    assert_eq!(counters.features.get(&"é".repeat(MAX_COUNTER_NAME_BYTES / 2)), Some(&1));
}

#[test]
fn a_sum_over_sources_is_capped_once_by_weight() {
    let source = |from: usize| {
        let mut counters = Counters::default();
        (from..from + 80).for_each(|n| counters.add(&used(&format!("f{n:03}")), Tz::UTC));
        counters
    };
    let mut sum = source(0);
    sum.merge(&source(60));
    let capped = sum.capped();
    assert_eq!(capped.features.iter().count(), MAX_COUNTER_NAMES + 1);
    assert_eq!((capped.features.get("f070"), capped.features.get(OTHER)), (Some(&2), Some(&40)));
    assert_eq!(capped.features.total(), 160);
    assert_eq!(capped.capped(), capped);
}

#[test]
fn a_sum_over_sources_is_stored_as_it_is_shown() {
    let mut sum = Counters::default();
    for source in 0..3 {
        let mut counters = Counters::default();
        (0..MAX_COUNTER_NAMES).for_each(|n| counters.add(&used(&format!("{source}-{n}")), Tz::UTC));
        sum.merge(&counters);
    }
    assert_eq!(sum.features.iter().count(), 3 * MAX_COUNTER_NAMES);
    assert_eq!(Counters::decode(&sum.encode()), Ok(sum.capped()));
}

#[test]
fn hours_are_those_of_the_zone() {
    let mut counters = Counters::default();
    let half_past_eleven_in_winter = 1_767_310_200_000; // 2026-01-01T23:30:00Z
    counters.add(&event("page_view", json!({}), half_past_eleven_in_winter), Tz::Europe__Berlin);
    assert_eq!(counters.by_hour[0], 1);
}

#[test]
fn a_difference_names_the_counter() {
    let mut stored = Counters::default();
    stored.add(&used("search"), Tz::UTC);
    stored.add_duplicates(3);
    stored.add_rejected(1);
    let recounted = Counters::default();
    let compare = Compare { duplicates: false, rejected: false };
    let names: Vec<String> = stored.difference(&recounted, compare).into_iter().map(|one| one.counter).collect();
    assert_eq!(
        names,
        ["events", "eventsByHour.00", "eventsByType.feature_use", "featureUsage.search", "platforms.web"]
    );
    assert_eq!(stored.difference(&recounted, Compare { duplicates: true, rejected: true }).len(), 7);
    assert_eq!(stored.difference(&stored.clone(), Compare { duplicates: true, rejected: true }), []);
}

#[test]
fn sums_stay_at_their_largest() {
    let mut counters = Counters { events: u64::MAX, ..Counters::default() };
    counters.add(&used("search"), Tz::UTC);
    counters.merge(&counters.clone());
    assert_eq!(counters.events, u64::MAX);
}

#[test]
fn a_whole_frame_around_nonsense_is_refused() {
    let mut counters = Counters::default();
    counters.add(&used("search"), Tz::UTC);
    let payload = postcard::to_allocvec(&counters).unwrap();
    let refused = |payload: &[u8]| Counters::decode(&frame::encode(Kind::Counters, 1, payload)).is_err();
    assert!(!refused(&payload));
    assert!(refused(&payload[..payload.len() - 1]) && refused(&[&payload[..], &[0]].concat()));
    let mut twice = Counters::default();
    for name in ["search", "searcg"] {
        twice.add(&used(name), Tz::UTC);
    }
    let twice = postcard::to_allocvec(&twice).unwrap();
    for (from, to) in [("searcg", "search"), ("searcg", "searci")] {
        let text = String::from_utf8(twice.clone()).unwrap().replace(from, to);
        assert!(refused(text.as_bytes()), "a name twice, or out of order: {to}");
    }
    let padded: Vec<u8> = [&[0x81, 0][..], &payload[1..]].concat();
    assert!(refused(&padded), "a number longer than it needs to be");
    let long = String::from_utf8(payload.clone()).map(|text| text.replace("search", ""));
    assert!(long.is_ok_and(|text| refused(text.as_bytes())), "an impossible length");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_associative_and_commutative_and_what_is_stored_comes_back(
        events in proptest::collection::vec((0usize..3, 0usize..6, 0u32..150, 0i64..100_000_000), 0..400),
    ) {
        let types = ["page_view", "feature_use", "content_create", "ai_request", "error", "signup"];
        let part = |n: usize| {
            let mut counters = Counters::default();
            for (_, kind, name, at) in events.iter().filter(|event| event.0 == n) {
                let name = name.to_string();
                let data = json!({"feature": name, "contentType": name, "errorType": name, "model": name, "tokens": 3, "cost": 0.001});
                counters.add(&event(types[*kind], data, *at), Tz::UTC);
            }
            counters
        };
        let (a, b, c) = (part(0), part(1), part(2));
        let sum = |one: &Counters, other: &Counters| { let mut sum = one.clone(); sum.merge(other); sum };
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(Counters::decode(&a.encode()).unwrap(), a);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Counters::decode(&bytes);
        let framed = frame::encode(Kind::Counters, 1, &bytes);
        if let Ok(counters) = Counters::decode(&framed) {
            prop_assert_eq!(Counters::decode(&counters.encode()).unwrap(), counters);
        }
    }
}
