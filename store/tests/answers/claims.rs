//! What the answers to single statements of a batched insert become.

use std::collections::BTreeMap;
use std::time::Duration;

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
            counted_ms: 1_772_323_200_000,
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

/// As the SDK reads it, and as a direct request does.
async fn claim(count: usize, responses: Value) -> Result<Vec<Claim>, StoreError> {
    let server = Scripted::new(Answer::json(&json!({ "Responses": responses }))).await;
    let store = server.store().await;
    let outcome = store.claim(&rows(count)).await;
    assert_eq!(store.claim(&rows(count)).await, outcome);
    assert_eq!(by_sdk(&server), [true, false]);
    outcome
}

/// Which requests the SDK made: it numbers them.
fn by_sdk(server: &Scripted) -> Vec<bool> {
    server.heads().iter().map(|head| head.contains("\r\namz-sdk-invocation-id:")).collect()
}

fn all_inserted() -> Answer {
    Answer::json(&json!({ "Responses": [{ "TableName": "t" }] }))
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
    for (answer, detail) in [
        (Answer::error(400, "ValidationException", "bad"), "ValidationException bad"),
        (Answer::error(400, "ThrottlingException", "slow down"), "ThrottlingException slow down"),
        (Answer::error(400, "UnrecognizedClientException", "no"), "does not accept these credentials"),
        (Answer::error(400, "ResourceNotFoundException", "no"), "the table t does not exist"),
        (Answer::Says(404, "<html>".into()), "HTTP status 404"),
        (Answer::error(500, "InternalServerError", "oops"), "oops"),
        (Answer::Says(502, "<html>bad gateway</html>".into()), "HTTP status 502"),
        (Answer::Says(200, "{\"Responses\": [".into()), "no readable answer"),
        (Answer::HangsUp, "no answer"),
        (Answer::Breaks, ""),
        (Answer::Silence, "did not answer in time"),
    ] {
        let server = Scripted::new(answer.clone()).await;
        let store = server.store().await;
        let sdk = store.claim(&rows(1)).await.expect_err("an error");
        let direct = store.claim(&rows(1)).await.expect_err("an error");
        assert_eq!(by_sdk(&server), [true, false], "{answer:?}");
        assert_eq!(std::mem::discriminant(&direct), std::mem::discriminant(&sdk), "{answer:?}: {direct} and {sdk}");
        for error in [sdk, direct] {
            assert!(error.to_string().contains(detail), "{answer:?}: {error}");
        }
    }
}

#[tokio::test]
async fn after_an_error_the_sdk_is_asked_again() {
    let throttled = Answer::error(400, "ThrottlingException", "slow down");
    let server = Scripted::of([all_inserted(), throttled, all_inserted()]).await;
    let store = server.store().await;
    for is_ok in [true, false, true, true] {
        assert_eq!(store.claim(&rows(1)).await.is_ok(), is_ok);
    }
    assert_eq!(by_sdk(&server), [true, false, true, false]);
}

#[tokio::test]
async fn what_is_not_accepted_is_left_to_the_sdk() {
    let refused = Answer::error(400, "InvalidSignatureException", "no");
    let server = Scripted::of([all_inserted(), refused, all_inserted()]).await;
    let store = server.store().await;
    for is_ok in [true, false, true, true] {
        assert_eq!(store.claim(&rows(1)).await.is_ok(), is_ok);
    }
    assert_eq!(by_sdk(&server), [true, false, true, true]);
}

#[tokio::test]
async fn a_direct_request_looks_like_one_of_the_sdk() {
    let server = Scripted::new(all_inserted()).await;
    let store = server.store().await;
    // What is learned of another operation serves as well.
    drop(store.origins(&[headcount_core::keys::profile("u")]).await);
    store.claim(&rows(1)).await.expect("an answer");
    let heads = server.heads();
    let headers = |head: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let [mut sdk, direct] = [headers(&heads[0]), headers(&heads[1])];
    sdk.retain(|name, _| !name.starts_with("amz-sdk-"));
    assert_eq!(sdk.keys().collect::<Vec<_>>(), direct.keys().collect::<Vec<_>>());
    for name in ["host", "content-type", "user-agent"] {
        assert_eq!(sdk[name], direct[name], "{name}");
    }
    assert_eq!(direct["x-amz-target"], "dynamodb_20120810.batchexecutestatement");
    let scope = |headers: &BTreeMap<String, String>| headers["authorization"].split(", ").next().map(str::to_owned);
    assert_eq!(scope(&sdk), scope(&direct), "the same key, region and service");
    assert!(direct["authorization"].contains("host;x-amz-date;x-amz-target"), "{direct:?}");
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_no_connection() {
    let server = Scripted::new(all_inserted()).await;
    let store = server.store().await;
    for _ in 0..2 {
        store.claim(&rows(1)).await.expect("an answer");
    }
    assert_eq!(server.connections(), 1);
    drop(store);
    let closed = async {
        while server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("what was learned keeps the client alive");
}
