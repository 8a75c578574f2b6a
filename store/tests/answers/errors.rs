//! Requests that fail as a whole.

use chrono::NaiveDate;
use headcount_core::deployment::Deployment;
use headcount_core::keys::{WriteShards, profile};
use headcount_core::origin::Source;
use headcount_store::error::StoreError;
use headcount_store::rows::{FirstDay, Put};
use headcount_store::traits::{DailyStore as _, DeploymentStore as _, EventSpan, EventStore as _};
use headcount_store::traits::{PartialStore as _, UserStore as _};

use crate::scripted::{Answer, Scripted, store};

/// What a caller must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Throttled,
    Unknown,
    Invalid,
    Unusable,
}

fn sort(error: &StoreError) -> Sort {
    match error {
        StoreError::Throttled { .. } => Sort::Throttled,
        StoreError::Unknown { .. } => Sort::Unknown,
        StoreError::Invalid { .. } => Sort::Invalid,
        StoreError::Unusable { .. } => Sort::Unusable,
        StoreError::Malformed { .. } => panic!("{error}"),
    }
}

fn date() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date")
}

/// The answer is sorted so, whatever was asked, and the error's text holds these words.
async fn check(answer: Answer, expected: Sort, words: &[&str]) {
    let server = Scripted::new(answer.clone()).await;
    let store = server.store().await;
    let span = EventSpan { date: date(), shards: WriteShards::ONE, shard: 0, from_ms: 0, to_ms: i64::MAX };
    let first_day = FirstDay { user_id: "nobody-else".into(), date: date(), shards: WriteShards::ONE, seen_ms: 0 };
    let source = Source::new("events", "shardId-000000000000");
    let errors = [
        store.read_deployment().await.err(),
        store.create_deployment(&Deployment::new(chrono_tz::UTC, "p")).await.err(),
        store.put_first_day(&first_day).await.err(),
        store.first_days(&["nobody-else"]).await.err(),
        store.origins(&[profile("nobody-else")]).await.err(),
        store.dailies(&[date()]).await.err(),
        store.events_page(&span, None).await.err(),
        store.read_partial(date(), WriteShards::ONE, &source).await.err(),
        store.new_users_page(date(), WriteShards::ONE, 0, None).await.err(),
    ];
    assert_eq!(server.asked(), errors.len(), "{answer:?}: one method is one request");
    for error in errors {
        let error = error.unwrap_or_else(|| panic!("{answer:?}: an error"));
        let text = error.to_string();
        assert_eq!(sort(&error), expected, "{answer:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{answer:?}: {word:?} is not in {text:?}");
        }
        assert!(!text.contains("nobody-else") && text.len() < 500, "{text}");
    }
}

#[tokio::test]
async fn want_of_capacity_is_throttling() {
    for code in [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "TransactionConflictException",
    ] {
        check(Answer::error(400, code, "slow down"), Sort::Throttled, &[code, "slow down"]).await;
    }
    check(Answer::Says(429, String::new()), Sort::Throttled, &[]).await;
}

#[tokio::test]
async fn what_may_have_happened_is_unknown() {
    check(Answer::error(500, "InternalServerError", "oops"), Sort::Unknown, &["oops"]).await;
    check(Answer::error(503, "ServiceUnavailable", "oops"), Sort::Unknown, &["oops"]).await;
    check(Answer::error(500, "NobodyKnows", "oops"), Sort::Unknown, &["500", "oops"]).await;
    check(Answer::Says(502, "<html>bad gateway</html>".into()), Sort::Unknown, &["502"]).await;
    check(Answer::Says(200, "{\"Item\": [".into()), Sort::Unknown, &["no readable answer"]).await;
    check(Answer::HangsUp, Sort::Unknown, &["no answer"]).await;
    check(Answer::Breaks, Sort::Unknown, &[]).await;
}

#[tokio::test]
async fn a_late_answer_is_unknown() {
    let server = Scripted::new(Answer::Silence).await;
    let error = server.store().await.read_deployment().await.expect_err("no answer");
    assert_eq!((sort(&error), server.asked()), (Sort::Unknown, 1), "{error}");
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_invalid() {
    check(Answer::error(400, "ValidationException", "a bad name"), Sort::Invalid, &["a bad name"]).await;
    check(Answer::error(400, "SerializationException", "a bad body"), Sort::Invalid, &["a bad body"]).await;
    check(Answer::error(400, "ValidationException", &"ü".repeat(4_000)), Sort::Invalid, &["üüü"]).await;
}

#[tokio::test]
async fn what_a_person_must_change_says_so() {
    let cases = [
        ("ResourceNotFoundException", &["table t does not exist at http://127.0.0.1:", "create it"][..]),
        ("AccessDeniedException", &["denies access to the table t", "permissions"]),
        ("UnrecognizedClientException", &["does not accept these credentials", "access key"]),
        ("InvalidSignatureException", &["does not accept these credentials", "clock"]),
        ("ExpiredTokenException", &["expired"]),
        ("UnknownOperationException", &["HTTP status 400", "check the endpoint"]),
    ];
    for (code, words) in cases {
        check(Answer::error(400, code, "no"), Sort::Unusable, words).await;
    }
    check(Answer::Says(404, "<html>".into()), Sort::Unusable, &["HTTP status 404", "check the endpoint"]).await;
}

#[tokio::test]
async fn a_condition_that_fails_is_no_error() {
    let server = Scripted::new(Answer::error(400, "ConditionalCheckFailedException", "no")).await;
    let put = server.store().await.create_deployment(&Deployment::new(chrono_tz::UTC, "p")).await;
    assert_eq!(put, Ok(Put::Refused));
}

#[tokio::test]
async fn nobody_listening_is_a_bad_moment_later_and_a_wrong_endpoint_at_first() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let store = store(&endpoint).await;
    let later = store.read_deployment().await.expect_err("nobody");
    assert_eq!(sort(&later), Sort::Unknown, "{later}");
    let first = store.check().await.expect_err("nobody");
    assert_eq!(sort(&first), Sort::Unusable, "{first}");
    assert!(first.to_string().contains(&endpoint) && first.to_string().contains("check the endpoint"), "{first}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_address_says_so() {
    for endpoint in ["http://", "no address", "ftp://127.0.0.1"] {
        let error = store(endpoint).await.check().await.expect_err("no address");
        assert_eq!(sort(&error), Sort::Unusable, "{endpoint}: {error}");
        assert!(error.to_string().contains("endpoint"), "{endpoint}: {error}");
    }
}
