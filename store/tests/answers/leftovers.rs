//! What a batch left undone.

use chrono::NaiveDate;
use headcount_core::keys::{ItemKey, WriteShards};
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_store::error::StoreError;
use headcount_store::rows::{DailyRow, Lookup, MadeOf, RejectedRow};
use headcount_store::traits::{DailyStore as _, EventStore as _, RejectedStore as _, UserStore as _};
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted};

const ORIGIN: &str = "events/shardId-000000000000#7#0";

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).expect("a date")
}

fn key(pk: &str, sk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": sk } })
}

async fn got(items: Value, unprocessed: Value) -> Scripted {
    let left = json!({ "t": { "Keys": unprocessed } });
    Scripted::new(Answer::json(&json!({ "Responses": { "t": items }, "UnprocessedKeys": left }))).await
}

#[tokio::test]
async fn an_unprocessed_key_is_not_absent() {
    let mut found = key("p", "1");
    found["Origin"] = json!({ "S": ORIGIN });
    let server = got(json!([found]), json!([key("p", "2")])).await;
    let keys = ["2", "3", "1"].map(|sk| ItemKey { pk: "p".into(), sk: sk.into() });
    let found = Lookup::Found(ORIGIN.parse().expect("an origin"));
    assert_eq!(server.store().await.origins(&keys).await, Ok(vec![Lookup::Unprocessed, Lookup::Absent, found]));

    let server = got(json!([]), json!([key("USER#b", "PROFILE")])).await;
    let first_days = server.store().await.first_days(&["a", "b"]).await;
    assert_eq!(first_days, Ok(vec![Lookup::Absent, Lookup::Unprocessed]));

    let server = got(json!([]), json!([key("METRICS#2026-03-01", "DAILY")])).await;
    let store = server.store().await;
    // As the SDK reads it, and as it is read from a direct request.
    for _ in 0..2 {
        assert_eq!(store.dailies(&[date(1), date(2)]).await, Ok(vec![Lookup::Unprocessed, Lookup::Absent]));
    }
    assert_eq!(server.asked(), 2);

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
    whole["Data"] = json!({ "M": { "activeUsers": number, "hours": { "L": [] } } });
    let data = json!({ "activeUsers": 1, "hours": [] }).as_object().cloned().expect("an object");
    let row = DailyRow { date: date(1), data, made_of: MadeOf { day: 1, month: 1 }, created_ms: 1, updated_ms: 1 };
    for (change, value, detail) in [
        ("Data", whole["Data"].clone(), None),
        ("Data", json!({ "S": "none" }), Some("Data is not what it should be")),
        ("Data", json!({ "M": { "a": { "B": "AA==" } } }), Some("Data is not what it should be")),
        ("MadeOfDay", json!({ "N": "-1" }), Some("MadeOfDay is not what it should be")),
    ] {
        let mut item = whole.clone();
        item[change] = value;
        let store = got(json!([item]), json!([])).await.store().await;
        for _ in 0..2 {
            let dailies = store.dailies(&[date(1)]).await;
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
}

#[tokio::test]
async fn an_unprocessed_put_was_not_written() {
    let row = |index: u32| RejectedRow {
        rejection: Rejection { problems: vec![Problem::new("f", "p")], payload: Payload::Withheld, count: 1 },
        origin: format!("events/shardId-000000000000#7#{index}").parse().expect("an origin"),
        arrival_date: date(1),
        arrived_ms: 1_772_323_200_000,
        shards: WriteShards::ONE,
        expires_s: 0,
    };
    let rows = [row(0), row(1), row(2)];
    let left = rows[1].key();
    let put = json!({ "PutRequest": { "Item": key(&left.pk, &left.sk) } });
    let server = Scripted::new(Answer::json(&json!({ "UnprocessedItems": { "t": [put] } }))).await;
    assert_eq!(server.store().await.put_rejected(&rows).await, Ok(vec![true, false, true]));
    let server = Scripted::new(Answer::json(&json!({}))).await;
    assert_eq!(server.store().await.put_rejected(&rows).await, Ok(vec![true; 3]));
}

#[tokio::test]
async fn an_item_without_an_origin_is_named() {
    let server = got(json!([key("ANALYTICS#2026-03-01", "EVENT#1#secret")]), json!([])).await;
    let wanted = [ItemKey { pk: "ANALYTICS#2026-03-01".into(), sk: "EVENT#1#secret".into() }];
    let error = server.store().await.origins(&wanted).await.expect_err("no origin");
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the item ANALYTICS#2026-03-01 / EVENT#1#... is malformed: the attribute Origin is missing"
    );
}
