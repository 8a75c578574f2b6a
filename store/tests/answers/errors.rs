//! Requests that fail as a whole.

use chrono::NaiveDate;
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::event::{Event, EventType};
use headcount_core::json::Json;
use headcount_core::keys::Follower;
use headcount_core::origin::Source;
use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::{Checkpoint, DailyRow, EventItem, FirstDay, MadeOf, Put};
use headcount_store::traits::{
    BrowseStore as _, CheckpointStore as _, DailyStore as _, ItemStore as _, MetaStore as _,
};
use headcount_store::traits::{PartialStore as _, Stamp, UserStore as _};

use crate::scripted::{Answer, Scripted, store};

const TABLE: TableId = TableId(1);

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

fn meta() -> TableMeta {
    TableMeta { deployment: Deployment::new("d-1".into(), chrono_tz::UTC, "p"), table: TABLE }
}

fn source() -> Source {
    Source::shard("events", None, "shardId-000000000000").expect("a source")
}

fn partial() -> PartialRecord {
    let (counters, users, sessions, accounts) = (vec![1], vec![2], vec![3], vec![4]);
    PartialRecord {
        date: date(),
        source: source(),
        version: 2,
        as_of: 1,
        first: 1,
        counters,
        users,
        sessions,
        accounts,
        checksum: 0,
    }
}

fn event() -> EventItem<'static> {
    EventItem {
        event: Event {
            id: "e".into(),
            user_id: "nobody-else".into(),
            session_id: Some("s".into()),
            event_type: EventType::PageView,
            account_id: None,
            timestamp_ms: 1_772_323_200_000,
            counted_ms: 1_772_323_200_000,
            priced_by: None,
            event_data: Json::EMPTY,
            metadata: Json::EMPTY,
        },
        date: date(),
        created_ms: 0,
        expires_s: 0,
        is_indexed: true,
    }
}

fn daily() -> DailyRow {
    let data = serde_json::Map::new();
    DailyRow { date: date(), data, made_of: MadeOf::default(), created_ms: 0, updated_ms: 0 }
}

/// The answer is sorted so, whatever was asked, and the error's text holds these words.
async fn check(answer: Answer, expected: Sort, words: &[&str]) {
    let server = Scripted::new(answer.clone()).await;
    let store = server.store().await;
    let first_day = FirstDay { user_id: "nobody-else".into(), date: date(), seen_ms: 0 };
    let stamp = Stamp { now_ms: 0, expires_s: 0 };
    let checkpoint = Checkpoint { entry: 1, last: 1.into() };
    let (source, figures) = (source(), Follower::Figures);
    let errors = [
        store.read_meta().await.err(),
        store.create_meta(&meta()).await.err(),
        store.put_first_day(&first_day).await.err(),
        store.first_days(&["nobody-else"]).await.err(),
        store.new_users_page(date(), None).await.err(),
        store.put_events(&[event()]).await.err(),
        store.events(&[event().key()]).await.err(),
        store.rejections_page(date(), None, 9).await.err(),
        store.dailies(&[date()]).await.err(),
        store.put_daily(&daily()).await.err(),
        store.read_partial(TABLE, date(), &source).await.err(),
        store.write_partial(TABLE, &partial(), 0, stamp).await.err(),
        store.write_partial(TABLE, &partial(), 1, stamp).await.err(),
        store.partials_page(TABLE, date(), None).await.err(),
        store.read_checkpoint(TABLE, figures, &source).await.err(),
        store.write_checkpoint(TABLE, figures, &source, &checkpoint).await.err(),
        store.checkpoints_page(TABLE, None).await.err(),
        store.mark_finished(TABLE, figures, &source, 1).await.err(),
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
    let error = server.store().await.read_meta().await.expect_err("no answer");
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
        ("AccessDeniedException", &["denies access to the table t (no)", "check the policies"]),
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

/// AWS's words: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
#[tokio::test]
async fn a_refused_right_names_its_action_and_nobody() {
    let denied = "User: arn:aws:sts::123456789012:assumed-role/nobody-else/f is not authorized to perform: dynamodb:BatchWriteItem on \
                  resource: arn:aws:dynamodb:eu-west-1:123456789012:table/t because no identity-based policy allows the \
                  dynamodb:BatchWriteItem action";
    let says = ["denies dynamodb:BatchWriteItem on the table t", "allow this action"];
    check(Answer::error(400, "AccessDeniedException", denied), Sort::Unusable, &says).await;
}

#[tokio::test]
async fn a_condition_that_fails_is_no_error() {
    let server = Scripted::new(Answer::error(400, "ConditionalCheckFailedException", "no")).await;
    let store = server.store().await;
    let stamp = Stamp { now_ms: 0, expires_s: 0 };
    let checkpoint = Checkpoint { entry: 1, last: 1.into() };
    let puts = [
        store.create_meta(&meta()).await,
        store.write_partial(TABLE, &partial(), 0, stamp).await,
        store.write_partial(TABLE, &partial(), 1, stamp).await,
        store.write_checkpoint(TABLE, Follower::Items, &source(), &checkpoint).await,
        store.mark_finished(TABLE, Follower::Items, &source(), 1).await,
        store.put_daily(&daily()).await,
    ];
    assert_eq!(puts.map(Result::ok), [Some(Put::Refused); 6]);
}

#[tokio::test]
async fn nobody_listening_is_a_bad_moment_later_and_a_wrong_endpoint_at_first() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let store = store(&endpoint).await;
    let later = store.read_meta().await.expect_err("nobody");
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
