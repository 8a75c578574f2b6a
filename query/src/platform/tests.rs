use chrono::NaiveDate;
use headcount_core::counters::Counters;
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::event::{Event, EventType, Object};
use headcount_core::json::Json;
use headcount_core::latency::ModelLatencies;
use headcount_core::limits::{ACCOUNT_SKETCH_PRECISION, MAX_COUNTER_NAMES};
use headcount_core::metrics::{DailyMetrics, DayInput};
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::error::StoreError;
use headcount_store::rows::{DailyRow, MadeOf, SketchesRow, TotalRow};
use headcount_store::traits::{DailyStore, MetaStore, PartialStore, QueryStore, Stamp};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, ItemFault, Operation, Request};
use headcount_testkit::memory::MemoryStore;
use serde_json::json;

use super::*;
use crate::cache::OPEN_TIME;
use crate::day::DayState;
use crate::range::MAX_RANGE_DAYS;

/// 2026-06-10T12:00:00Z.
const NOON: i64 = 1_781_092_800_000;

fn deps<S>(store: S) -> Deps<S> {
    Deps::with(store, Clock::from_fn(|| NOON), Jitter::from_seed(1))
}

async fn ask<S: QueryStore>(store: S, from: &str, to: &str) -> Result<PlatformMetrics, QueryError> {
    get_platform_metrics(&deps(store), Range::new(date(from), date(to))?, false).await
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const TABLE: TableId = TableId(1);

async fn deployed() -> MemoryStore {
    bound(MemoryStore::new()).await
}

async fn bound(store: MemoryStore) -> MemoryStore {
    let deployment = Deployment::new("d".to_owned(), chrono_tz::UTC, "test");
    store.create_meta(&TableMeta { deployment, table: TABLE }).await.unwrap();
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
        accounts: 0,
        accounts_relative_standard_error: 0.016,
        weekly_accounts: 0,
        monthly_accounts: 0,
        new_users: 1,
        total_users: 40,
        sources_set_aside: 0,
        is_final,
    });
    let made_of = MadeOf { day: 1, proof: 0, month: 1 };
    let row = DailyRow { date, data: day.to_object(), made_of, created_ms: 1, updated_ms: 1 };
    store.put_daily(&row).await.unwrap();
    let (users, sessions) = (sketch.encode(), sessions.encode());
    let accounts = UserSketch::new(ACCOUNT_SKETCH_PRECISION).unwrap().encode();
    let latencies = ModelLatencies::of(&counters).encode();
    let row = SketchesRow { date, users, sessions, accounts, latencies, made_of_day: 1, updated_ms: 1 };
    store.put_sketches(&row).await.unwrap();
    store.put_total(&TotalRow { date, new_users: 1, made_of }).await.unwrap();
    day
}

fn event(user: &str, at_ms: i64) -> Event<'static> {
    Event {
        id: format!("e-{user}-{at_ms}").into(),
        user_id: user.to_owned().into(),
        session_id: Some(user.to_owned().into()),
        event_type: EventType::PageView,
        account_id: None,
        timestamp_ms: at_ms,
        counted_ms: at_ms,
        priced_by: None,
        event_data: Json::EMPTY,
        metadata: Json::EMPTY,
    }
}

/// A source's partial of the date, in which each of `users` looked at one page.
async fn store_partial(store: &MemoryStore, date: NaiveDate, shard: &str, users: &[&str]) {
    let mut partial = Partial::new(date, Source::shard("events", None, shard).unwrap(), 14).unwrap();
    let start = date.and_hms_opt(9, 0, 0).unwrap().and_utc().timestamp_millis();
    for user in users {
        partial.fold(&event(user, start), chrono_tz::UTC);
    }
    partial.version = users.len() as u64;
    partial.advance(users.len() as u64);
    let stamp = Stamp { now_ms: NOON, expires_s: 0 };
    store.write_partial(TABLE, &partial.encode(), 0, stamp).await.unwrap();
}

#[tokio::test]
async fn users_are_united_and_counters_summed() {
    let store = deployed().await;
    let first = store_day(&store, date("2026-03-01"), &["ann", "bob"], true).await;
    let third = store_day(&store, date("2026-03-03"), &["bob", "eve", "joe"], true).await;
    let found = ask(store, "2026-03-01", "2026-03-03").await.unwrap();

    let states: Vec<_> = found.days.iter().map(|day| day.state).collect();
    assert_eq!(states, [DayState::Stored, DayState::Missing, DayState::Stored]);
    assert_eq!((&found.days[0].metrics, &found.days[2].metrics), (&first, &third));
    let between = &found.days[1].metrics.figures;
    assert_eq!((between.active_users, between.total_users), (0, 1), "nobody came, and the users stay known");
    assert_eq!(found.total.active_users, 4, "bob counts once");
    assert_eq!(found.users_error.plus_minus, 1, "1.6 % of four");
    assert_eq!(found.total.daily_active_users, 2, "the mean of 2, 0 and 3");
    assert_eq!(found.total.events_by_type["page_view"], 5);
    assert_eq!(found.total.sessions.count, 4, "the same session of two days is one of the range");
    let total = &found.total;
    assert_eq!((total.weekly_active_users, total.monthly_active_users), (4, 4), "from the sketches");
    assert_eq!((total.total_users, total.new_signups_24h), (2, 2));
    assert!(!total.is_final, "the day between is open");
}

#[tokio::test]
async fn the_answer_is_written_as_the_items_are() {
    let store = deployed().await;
    let day = store_day(&store, date("2026-03-01"), &["ann"], true).await;
    let found = ask(store, "2026-03-01", "2026-03-01").await.unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        (&json["from"], &json["to"], &json["today"]),
        (&json!("2026-03-01"), &json!("2026-03-01"), &json!("2026-06-10"))
    );
    let mut wanted = day.to_object();
    wanted.insert("state".into(), json!("stored"));
    assert_eq!(json["days"], json!([wanted]));
    assert_eq!(json["total"]["activeUsers"], 1);
    assert_eq!((&json["total"]["final"], &json["total"]["verified"]), (&json!(true), &json!(false)), "not proven");
    assert!(json["total"].get("date").is_none());
}

#[tokio::test]
async fn open_days_are_counted_from_the_live_partials() {
    let store = deployed().await;
    let (yesterday, today) = (date("2026-06-09"), date("2026-06-10"));
    store_day(&store, date("2026-06-08"), &["old"], false).await;
    store_day(&store, yesterday, &["ann"], false).await;
    // As it was rolled up, and newer.
    store_partial(&store, date("2026-06-08"), "shard-0", &["old"]).await;
    store_partial(&store, yesterday, "shard-0", &["ann", "bob"]).await;
    store_partial(&store, today, "shard-0", &["ann"]).await;
    store_partial(&store, today, "shard-1", &["eve", "joe"]).await;
    let found = ask(store.clone(), "2026-06-07", "2026-06-10").await.unwrap();
    let states: Vec<_> = found.days.iter().map(|day| day.state).collect();
    assert_eq!(states, [DayState::Missing, DayState::Stored, DayState::Live, DayState::Live]);
    let users: Vec<_> = found.days.iter().map(|day| day.metrics.figures.active_users).collect();
    assert_eq!(users, [0, 1, 2, 3]);
    let [third, fourth] = [&found.days[2], &found.days[3]].map(|day| &day.metrics.figures);
    assert_eq!((third.weekly_active_users, fourth.weekly_active_users), (3, 5), "old, ann, bob, eve, joe");
    assert_eq!((found.total.active_users, found.total.monthly_active_users), (5, 5));
    assert_eq!(found.total.events_by_type["page_view"], 6);

    // A week that ends today sees what is live of days that were not asked for.
    let only_today = ask(store.clone(), "2026-06-10", "2026-06-10").await.unwrap();
    assert_eq!((only_today.total.active_users, only_today.total.weekly_active_users), (3, 5));

    // What is counted of a day that was final is shown until it is proven again.
    store_day(&store, date("2026-06-01"), &["ann"], true).await;
    store_partial(&store, date("2026-06-01"), "shard-0", &["ann", "bob"]).await;
    let reopened = ask(store, "2026-06-01", "2026-06-01").await.unwrap();
    assert_eq!((reopened.days[0].state, reopened.total.active_users), (DayState::Live, 2));
    assert!(!reopened.days[0].metrics.figures.is_final);
}

#[tokio::test]
async fn the_previous_period_is_as_long_and_directly_before() {
    let store = deployed().await;
    store_day(&store, date("2026-03-01"), &["ann", "bob"], true).await;
    store_day(&store, date("2026-03-03"), &["bob", "eve", "joe"], true).await;
    let range = Range::new(date("2026-03-03"), date("2026-03-04")).unwrap();
    let found = get_platform_metrics(&deps(store), range, true).await.unwrap();
    let previous = found.previous.unwrap();
    assert_eq!((previous.from, previous.to), (date("2026-03-01"), date("2026-03-02")));
    assert_eq!((previous.total.active_users, found.total.active_users), (2, 3));
    assert_eq!(previous.change.active_users, Some(0.5));
    assert_eq!((previous.change.events, previous.change.ai_cost), (Some(0.5), None));
    assert_eq!(previous.change.total_users, Some(1.0));
}

#[tokio::test]
async fn live_lists_say_that_they_are_approximate() {
    let store = deployed().await;
    let day = date("2026-06-10");
    let mut partial = Partial::new(day, Source::shard("events", None, "0").unwrap(), 14).unwrap();
    let start = day.and_hms_opt(9, 0, 0).unwrap().and_utc().timestamp_millis();
    for n in 0..=MAX_COUNTER_NAMES {
        let data = json!({"feature": format!("f-{n}")}).into();
        let used = Event { event_type: EventType::FeatureUse, event_data: data, ..event("ann", start) };
        partial.fold(&used, chrono_tz::UTC);
    }
    partial.version = 1;
    partial.advance(1);
    store.write_partial(TABLE, &partial.encode(), 0, Stamp { now_ms: NOON, expires_s: 0 }).await.unwrap();
    store_day(&store, date("2026-06-09"), &["ann"], true).await;
    let deps = deps(store);
    let both = Range::new(date("2026-06-09"), day).unwrap();
    let features = crate::get_feature_usage(&deps, both).await.unwrap();
    let ai = crate::get_ai_usage(&deps, both).await.unwrap();
    assert!(features.names_approximate && ai.names_approximate);
    let metrics = get_platform_metrics(&deps, both, false).await.unwrap();
    let of_days: Vec<_> = metrics.days.iter().map(|day| day.metrics.figures.estimate.names_approximate).collect();
    assert_eq!((of_days, metrics.total.estimate.names_approximate), (vec![false, true], true));
}

#[tokio::test]
async fn a_year_takes_few_requests_and_the_next_one_none() {
    let store = deployed().await;
    store_day(&store, date("2026-06-09"), &["ann"], false).await;
    let store = Faulty::new(store, |_: &Request<'_>| Decision::default());
    let deps = deps(store.clone());
    let year = Range::ending(date("2026-06-10"), 365).unwrap();
    crate::get_feature_usage(&deps, year).await.unwrap();
    let count = || store.requests().values().sum::<u64>();
    assert_eq!(count(), 15, "the table's record, 4 times 100 days, 10 open days: {:?}", store.requests());
    let deps = self::deps(store.clone());
    get_platform_metrics(&deps, year, false).await.unwrap();
    assert_eq!(count(), 15 + 20, "as many again, 4 times 100 sketches, totals: {:?}", store.requests());
    get_platform_metrics(&deps, year, false).await.unwrap();
    assert_eq!(count(), 15 + 20, "what was read a moment ago is not read again");
}

#[tokio::test(start_paused = true)]
async fn todays_sources_are_read_a_page_at_a_time_and_at_most_every_five_seconds() {
    // Some 25 dense partials are what DynamoDB's pages hold.
    let store = bound(MemoryStore::with_page_items(25)).await;
    let today = date("2026-06-10");
    for source in 0..60 {
        store_partial(&store, today, &format!("shard-{source}"), &["ann"]).await;
    }
    let faulty = Faulty::new(store.clone(), |_: &Request<'_>| Decision::default());
    let deps = deps(faulty.clone());
    let day = Range::new(today, today).unwrap();
    let ask = async || get_platform_metrics(&deps, day, false).await.unwrap().total.events_by_type["page_view"];
    let pages = || faulty.requests()[&Operation::PartialsPage];
    assert_eq!((ask().await, pages()), (60, 12), "25, 25 and 10 sources, and nine days without any");

    store_partial(&store, today, "one-more", &["eve"]).await;
    tokio::time::advance(OPEN_TIME.mul_f64(0.99)).await;
    assert_eq!((ask().await, pages()), (60, 12), "what was read is taken for current");
    tokio::time::advance(OPEN_TIME.mul_f64(0.02)).await;
    assert_eq!((ask().await, pages()), (61, 24));
}

#[tokio::test(start_paused = true)]
async fn sketches_are_never_older_than_the_figures_beside_them() {
    let store = deployed().await;
    let today = date("2026-06-10");
    let deps = deps(store.clone());
    let day = Range::new(today, today).unwrap();
    // Figures are kept from here on, sketches from the second question on: what is kept of them is forgotten later.
    crate::get_feature_usage(&deps, day).await.unwrap();
    tokio::time::advance(OPEN_TIME / 2).await;
    assert_eq!(get_platform_metrics(&deps, day, false).await.unwrap().total.active_users, 0);
    store_day(&store, today, &["ann", "eve"], false).await;
    tokio::time::advance(OPEN_TIME.mul_f64(0.6)).await;
    let total = get_platform_metrics(&deps, day, false).await.unwrap().total;
    assert_eq!((total.events_by_type["page_view"], total.active_users), (2, 2));
}

#[tokio::test]
async fn nothing_stored_is_all_zero() {
    let found = ask(deployed().await, "2026-03-01", "2026-03-02").await.unwrap();
    assert_eq!(found.days.len(), 2);
    assert_eq!((found.total.active_users, found.total.sessions.count), (0, 0));
}

#[tokio::test]
async fn a_range_is_checked() {
    let store = deployed().await;
    let (from, to) = (date("2026-03-02"), date("2026-03-01"));
    assert_eq!(Range::new(from, to), Err(QueryError::Backwards { from, to }));
    let from = date("2025-01-01");
    let longest = from + chrono::Days::new(MAX_RANGE_DAYS - 1);
    let found = ask(store, "2025-01-01", &longest.to_string()).await.unwrap();
    assert_eq!(found.days.len() as u64, MAX_RANGE_DAYS);
    let to = longest.succ_opt().unwrap();
    assert_eq!(Range::new(from, to), Err(QueryError::TooLong { from, to, days: MAX_RANGE_DAYS + 1 }));
    assert_eq!(ask(MemoryStore::new(), "2025-01-01", "2025-01-01").await, Err(QueryError::NoDeployment));
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
    let found = ask(store.clone(), "2026-01-01", "2026-05-30").await.unwrap();
    assert_eq!(found.days.len(), 150);
    assert!(found.days.iter().all(|day| day.metrics.figures.active_users == 1));
    assert!(!store.faults().is_empty());

    let never = |request: &Request<'_>| match request.operation {
        Operation::Sketches => Decision::fault(Fault::Items(vec![ItemFault::Unprocessed; request.keys.len()])),
        _ => Decision::default(),
    };
    let store = Faulty::new(store.inner().clone(), never);
    let error = ask(store, "2026-01-01", "2026-01-02").await.unwrap_err();
    assert!(matches!(error, QueryError::Store(StoreError::Throttled { .. })), "{error}");
}

#[tokio::test]
async fn a_damaged_item_is_named() {
    let store = deployed().await;
    let day = date("2026-03-01");
    store_day(&store, day, &["ann"], false).await;
    let (users, sessions, accounts, latencies) = (vec![1, 2, 3], Vec::new(), Vec::new(), Vec::new());
    let row = SketchesRow { date: day, users, sessions, accounts, latencies, made_of_day: 2, updated_ms: 2 };
    store.put_sketches(&row).await.unwrap();
    let error = ask(store.clone(), "2026-03-01", "2026-03-01").await.unwrap_err().to_string();
    assert!(error.contains("METRICS#2026-03-01 / SKETCHES") && error.contains("aggregate"), "{error}");
    let data = Object::from_iter([("date".to_owned(), json!("2026-03-01"))]);
    let row =
        DailyRow { date: day, data, made_of: MadeOf { day: 2, proof: 0, month: 2 }, created_ms: 1, updated_ms: 1 };
    store.put_daily(&row).await.unwrap();
    let error = ask(store, "2026-03-01", "2026-03-01").await.unwrap_err().to_string();
    assert!(error.contains("METRICS#2026-03-01 / DAILY"), "{error}");
}
