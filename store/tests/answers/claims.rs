//! What the answers to single statements of a batched insert become.

use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::WriteShards;
use headcount_core::origin::Origin;
use headcount_store::error::StoreError;
use headcount_store::rows::{Claim, EventRow};
use headcount_store::traits::EventStore as _;
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted};

const ORIGIN: &str = "events/shardId-000000000000#7#0";

fn rows(count: usize) -> Vec<EventRow<'static>> {
    let row = |n| EventRow {
        event: Event {
            id: format!("e-{n}").into(),
            user_id: "u".into(),
            session_id: "s".into(),
            event_type: EventType::PageView,
            timestamp_ms: 1_772_323_200_000,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        origin: ORIGIN.parse().expect("an origin"),
        date: "2026-03-01".parse().expect("a date"),
        shards: WriteShards::ONE,
        created_ms: 0,
        expires_s: 0,
    };
    (0..count).map(row).collect()
}

async fn claim(count: usize, responses: Value) -> Result<Vec<Claim>, StoreError> {
    let server = Scripted::new(Answer::json(&json!({ "Responses": responses }))).await;
    server.store().await.claim(&rows(count)).await
}

fn refused(code: &str) -> Value {
    json!({ "Error": { "Code": code, "Message": format!("said {code}") } })
}

#[tokio::test]
async fn every_code_has_its_claim() {
    let origin: Origin = ORIGIN.parse().expect("an origin");
    let duplicate = |item: Value| json!({ "Error": { "Code": "DuplicateItem", "Message": "", "Item": item } });
    let cases = [
        (json!({ "TableName": "t" }), Claim::Inserted),
        (json!({}), Claim::Inserted),
        (refused("DuplicateItem"), Claim::Exists(None)),
        (duplicate(json!({ "Origin": { "S": ORIGIN } })), Claim::Exists(Some(origin))),
        (duplicate(json!({ "Origin": { "S": "nonsense" } })), Claim::Exists(None)),
        (refused("ConditionalCheckFailed"), Claim::Exists(None)),
        (refused("ProvisionedThroughputExceeded"), Claim::Throttled),
        (refused("RequestLimitExceeded"), Claim::Throttled),
        (refused("ThrottlingError"), Claim::Throttled),
        (refused("TransactionConflict"), Claim::Throttled),
        (refused("InternalServerError"), Claim::Unknown),
        (refused("NobodyKnows"), Claim::Unknown),
        (json!({ "Error": {} }), Claim::Unknown),
        (refused("ValidationError"), Claim::Invalid("said ValidationError".into())),
        (refused("ItemCollectionSizeLimitExceeded"), Claim::Invalid("said ItemCollectionSizeLimitExceeded".into())),
    ];
    let (responses, claims): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(claim(claims.len(), json!(responses)).await, Ok(claims));
}

#[tokio::test]
async fn silence_about_a_statement_leaves_it_open() {
    assert_eq!(claim(3, json!([{}])).await, Ok(vec![Claim::Inserted, Claim::Unknown, Claim::Unknown]));
    assert_eq!(claim(2, json!([])).await, Ok(vec![Claim::Unknown; 2]));
}

#[tokio::test]
async fn what_concerns_the_table_fails_the_request() {
    for code in ["AccessDenied", "ResourceNotFound"] {
        let error = claim(2, json!([{}, refused(code)])).await.expect_err("an error");
        assert!(matches!(&error, StoreError::Unusable { detail } if detail.contains("table t")), "{error}");
    }
}

#[tokio::test]
async fn a_request_that_fails_as_a_whole_is_sorted_as_any_other() {
    let validation = Scripted::new(Answer::error(400, "ValidationException", "no")).await;
    let outcome = validation.store().await.claim(&rows(1)).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
    let reset = Scripted::new(Answer::HangsUp).await;
    let outcome = reset.store().await.claim(&rows(1)).await;
    assert!(outcome.as_ref().is_err_and(StoreError::is_unknown), "{outcome:?}");
    assert_eq!((validation.asked(), reset.asked()), (1, 1));
}
