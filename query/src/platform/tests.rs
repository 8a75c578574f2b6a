use headcount_core::counters::Counters;
use headcount_core::deployment::Deployment;
use headcount_core::event::{Event, EventType, Object};
use headcount_core::metrics::DayInput;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Fault, ItemFault, Operation, Request};
use headcount_store::memory::MemoryStore;
use headcount_store::rows::MadeOf;
use serde_json::json;

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn deployed() -> MemoryStore {
    let store = MemoryStore::new();
    store.create_deployment(&Deployment::new(chrono_tz::UTC, "test")).await.unwrap();
    store
}

/// Stores a day on which each of `users` looked at one page, for a minute and in a session of the same name.
async fn store_day(store: &MemoryStore, date: NaiveDate, users: &[&str], is_final: bool) -> DailyMetrics {
    let (mut counters, mut sessions) = (Counters::default(), SessionSample::default());
    let mut sketch = UserSketch::new(14).unwrap();
    let start = date.and_hms_opt(9, 0, 0).unwrap().and_utc().timestamp_millis();
    for user in users {
        sketch.insert(user);
        sessions.insert(user, start);
        sessions.insert(user, start + 60_000);
        counters.add(&event(user, start), chrono_tz::UTC);
    }
    let day = DailyMetrics::of_day(&DayInput {
        date,
        counters: &counters,
        users: users.len() as u64,
        users_relative_standard_error: sketch.relative_standard_error(),
        sessions: &sessions,
        weekly_users: 7,
        monthly_users: 30,
        new_users: 1,
        total_users: 40,
        lanes_set_aside: 0,
        is_final,
        verified: is_final,
    });
    let made_of = MadeOf { day: 1, month: 1 };
    let row = DailyRow { date, data: day.to_object(), made_of, created_ms: 1, updated_ms: 1 };
    store.put_daily(&row).await.unwrap();
    let (users, sessions) = (sketch.encode(), sessions.encode());
    store.put_sketches(&SketchesRow { date, users, sessions, made_of_day: 1, updated_ms: 1 }).await.unwrap();
    day
}

fn event(user: &str, at_ms: i64) -> Event {
    Event {
        id: format!("e-{user}-{at_ms}"),
        user_id: user.to_owned(),
        session_id: user.to_owned(),
        event_type: EventType::PageView,
        timestamp_ms: at_ms,
        event_data: Object::new(),
        metadata: Object::new(),
    }
}

#[tokio::test]
async fn users_are_united_and_counters_summed() {
    let store = deployed().await;
    let first = store_day(&store, date("2026-03-01"), &["ann", "bob"], true).await;
    let third = store_day(&store, date("2026-03-03"), &["bob", "eve", "joe"], true).await;
    let found = platform_metrics(&store, date("2026-03-01"), date("2026-03-03")).await.unwrap();

    assert_eq!(found.days, [first, DailyMetrics::empty(date("2026-03-02")), third]);
    assert_eq!(found.total.active_users, 4, "bob counts once");
    assert_eq!(found.total.daily_active_users, 2, "the mean of 2, 0 and 3");
    assert_eq!(found.total.events_by_type["page_view"], 5);
    assert_eq!(found.total.sessions.count, 4, "the same session of two days is one of the range");
    assert_eq!((found.total.weekly_active_users, found.total.total_users, found.total.new_signups_24h), (7, 40, 2));
    assert!(!found.total.is_final, "the day between is open");
}

#[tokio::test]
async fn the_answer_is_written_as_the_items_are() {
    let store = deployed().await;
    let day = store_day(&store, date("2026-03-01"), &["ann"], true).await;
    let found = platform_metrics(&store, date("2026-03-01"), date("2026-03-01")).await.unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["from"], "2026-03-01");
    assert_eq!(json["to"], "2026-03-01");
    assert_eq!(json["days"], json!([day.to_object()]));
    assert_eq!(json["total"]["activeUsers"], 1);
    assert_eq!((&json["total"]["final"], &json["total"]["verified"]), (&json!(true), &json!(true)));
    assert!(json["total"].get("date").is_none());
    assert_eq!(json.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn nothing_stored_is_all_zero() {
    let store = deployed().await;
    let found = platform_metrics(&store, date("2026-03-01"), date("2026-03-02")).await.unwrap();
    assert_eq!(found.days.len(), 2);
    assert_eq!((found.total.active_users, found.total.sessions.count), (0, 0));
}

#[tokio::test]
async fn a_range_is_checked() {
    let store = deployed().await;
    let (from, to) = (date("2026-03-02"), date("2026-03-01"));
    assert_eq!(platform_metrics(&store, from, to).await, Err(QueryError::Backwards { from, to }));
    let from = date("2025-01-01");
    let longest = from + chrono::Days::new(MAX_RANGE_DAYS - 1);
    assert_eq!(platform_metrics(&store, from, longest).await.unwrap().days.len() as u64, MAX_RANGE_DAYS);
    let to = longest.succ_opt().unwrap();
    let error = platform_metrics(&store, from, to).await.unwrap_err();
    assert_eq!(error, QueryError::TooLong { from, to, days: MAX_RANGE_DAYS + 1 });
    let nothing = platform_metrics(&MemoryStore::new(), from, from).await;
    assert_eq!(nothing, Err(QueryError::NoDeployment));
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_is_asked_for_again() {
    let store = deployed().await;
    for n in 0..150 {
        store_day(&store, date("2026-01-01") + chrono::Days::new(n), &["ann"], false).await;
    }
    // Of each of the first requests every second key is left out.
    let plan = |request: &Request<'_>| match request.operation {
        Operation::Dailies | Operation::Sketches if request.number < 6 => {
            let fault = |n| if n % 2 == 0 { ItemFault::Unprocessed } else { ItemFault::Fine };
            Decision::fault(Fault::Items((0..request.keys.len()).map(fault).collect()))
        }
        _ => Decision::default(),
    };
    let store = Faulty::new(store, plan);
    let found = platform_metrics(&store, date("2026-01-01"), date("2026-05-30")).await.unwrap();
    assert_eq!(found.days.len(), 150);
    assert!(found.days.iter().all(|day| day.figures.active_users == 1));
    assert!(!store.faults().is_empty());

    let never = |request: &Request<'_>| match request.operation {
        Operation::Sketches => Decision::fault(Fault::Items(vec![ItemFault::Unprocessed; request.keys.len()])),
        _ => Decision::default(),
    };
    let store = Faulty::new(store.inner().clone(), never);
    let error = platform_metrics(&store, date("2026-01-01"), date("2026-01-02")).await.unwrap_err();
    assert!(matches!(error, QueryError::Store(StoreError::Throttled { .. })), "{error}");
}

#[tokio::test]
async fn a_damaged_item_is_named() {
    let store = deployed().await;
    let day = date("2026-03-01");
    store_day(&store, day, &["ann"], false).await;
    let row = SketchesRow { date: day, users: vec![1, 2, 3], sessions: Vec::new(), made_of_day: 2, updated_ms: 2 };
    store.put_sketches(&row).await.unwrap();
    let error = platform_metrics(&store, day, day).await.unwrap_err().to_string();
    assert!(error.contains("METRICS#2026-03-01 / SKETCHES") && error.contains("aggregate"), "{error}");
    let data = Object::from_iter([("date".to_owned(), json!("2026-03-01"))]);
    let row = DailyRow { date: day, data, made_of: MadeOf { day: 2, month: 2 }, created_ms: 1, updated_ms: 1 };
    store.put_daily(&row).await.unwrap();
    let error = platform_metrics(&store, day, day).await.unwrap_err().to_string();
    assert!(error.contains("METRICS#2026-03-01 / DAILY"), "{error}");
}
