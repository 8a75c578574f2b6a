//! What a batch left undone.

use chrono::NaiveDate;
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::{self, ItemKey};
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_store::error::StoreError;
use headcount_store::rows::{DailyRow, EventItem, Lookup, MadeOf, RejectedItem};
use headcount_store::traits::{BrowseStore as _, DailyStore as _, ItemStore as _, UserStore as _};
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted};

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).expect("a date")
}

fn key(pk: &str, sk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": sk } })
}

fn event(index: i64) -> EventItem<'static> {
    EventItem {
        event: Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000 + index,
            counted_ms: 1_772_323_200_000 + index,
            priced_by: None,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        date: date(1),
        created_ms: 0,
        expires_s: 0,
        is_indexed: false,
    }
}

fn rejected(index: u32) -> RejectedItem {
    RejectedItem {
        rejection: Rejection { problems: vec![Problem::new("f", "p")], payload: Payload::Withheld, count: 1 },
        origin: format!("events/shardId-000000000000#7#{index}").parse().expect("an origin"),
        arrival_date: date(1),
        arrived_ms: 1_772_323_200_000,
        expires_s: 0,
    }
}

async fn got(items: Value, unprocessed: Value) -> Scripted {
    let left = json!({ "t": { "Keys": unprocessed } });
    Scripted::new(Answer::json(&json!({ "Responses": { "t": items }, "UnprocessedKeys": left }))).await
}

#[tokio::test]
async fn an_unprocessed_key_is_not_absent() {
    let ItemKey { pk, sk } = keys::profile("c");
    let mut found = key(&pk, &sk);
    found["FirstDay"] = json!({ "S": "2026-03-01" });
    let server = got(json!([found]), json!([key("USER#b", "PROFILE")])).await;
    let first_days = server.store().await.first_days(&["a", "b", "c"]).await;
    assert_eq!(first_days, Ok(vec![Lookup::Absent, Lookup::Unprocessed, Lookup::Found(date(1))]));

    let [left, absent] = [event(1).key(), event(2).key()];
    let server = got(json!([]), json!([key(&left.pk, &left.sk)])).await;
    let events = server.store().await.events(&[left, absent]).await;
    assert_eq!(events, Ok(vec![Lookup::Unprocessed, Lookup::Absent]));

    let server = got(json!([]), json!([key("METRICS#2026-03-01", "DAILY")])).await;
    let dailies = server.store().await.dailies(&[date(1), date(2)]).await;
    assert_eq!(dailies, Ok(vec![Lookup::Unprocessed, Lookup::Absent]));

    let server = got(json!([]), json!([key("METRICS#2026-03-02", "SKETCHES")])).await;
    let sketches = server.store().await.sketches(&[date(1), date(2)]).await;
    assert_eq!(sketches, Ok(vec![Lookup::Absent, Lookup::Unprocessed]));
}

#[tokio::test]
async fn figures_that_are_malformed_are_named() {
    let number = json!({ "N": "1" });
    let mut whole = key("METRICS#2026-03-01", "DAILY");
    for name in ["MadeOfDay", "MadeOfMonth", "CreatedAt", "UpdatedAt"] {
        whole[name] = number.clone();
    }
    whole["MadeOfProof"] = json!({ "N": "0" });
    whole["Data"] = json!({ "M": { "activeUsers": number, "hours": { "L": [] } } });
    let data = json!({ "activeUsers": 1, "hours": [] }).as_object().cloned().expect("an object");
    let row =
        DailyRow { date: date(1), data, made_of: MadeOf { day: 1, proof: 0, month: 1 }, created_ms: 1, updated_ms: 1 };
    for (change, value, detail) in [
        ("Data", whole["Data"].clone(), None),
        ("Data", json!({ "S": "none" }), Some("Data is not what it should be")),
        ("Data", json!({ "M": { "a": { "B": "AA==" } } }), Some("Data is not what it should be")),
        ("MadeOfDay", json!({ "N": "-1" }), Some("MadeOfDay is not what it should be")),
    ] {
        let mut item = whole.clone();
        item[change] = value;
        let dailies = got(json!([item]), json!([])).await.store().await.dailies(&[date(1)]).await;
        match detail {
            None => assert_eq!(dailies, Ok(vec![Lookup::Found(row.clone())])),
            Some(detail) => {
                let error = dailies.expect_err("it is malformed");
                assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
                assert!(error.to_string().contains(detail), "{error}");
            }
        }
    }
}

/// A server that leaves out the put of this key.
async fn leaving(left: &ItemKey) -> Scripted {
    let put = json!({ "PutRequest": { "Item": key(&left.pk, &left.sk) } });
    Scripted::new(Answer::json(&json!({ "UnprocessedItems": { "t": [put] } }))).await
}

#[tokio::test]
async fn an_unprocessed_put_was_not_written() {
    let events = [event(0), event(1), event(2)];
    let server = leaving(&events[1].key()).await;
    assert_eq!(server.store().await.put_events(&events).await, Ok(vec![true, false, true]));
    let items = [rejected(0), rejected(1), rejected(2)];
    let server = leaving(&items[2].key()).await;
    assert_eq!(server.store().await.put_rejected(&items).await, Ok(vec![true, true, false]));

    let server = Scripted::new(Answer::json(&json!({}))).await;
    assert_eq!(server.store().await.put_events(&events).await, Ok(vec![true; 3]));
    assert_eq!(server.store().await.put_rejected(&items).await, Ok(vec![true; 3]));
}

#[tokio::test]
async fn an_item_that_is_no_event_is_named_without_its_id() {
    let wanted = [ItemKey { pk: "ANALYTICS#2026-03-01".into(), sk: "EVENT#1#secret".into() }];
    let server = got(json!([key(&wanted[0].pk, &wanted[0].sk)]), json!([])).await;
    let error = server.store().await.events(&wanted).await.expect_err("no event");
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the item ANALYTICS#2026-03-01 / EVENT#1#... is malformed: the attribute Data is missing"
    );
}
