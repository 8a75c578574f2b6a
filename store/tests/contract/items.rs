//! The items themselves, as any other client of the table sees them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::keys::{self, ItemKey, WriteShards};
use headcount_store::error::StoreError;
use headcount_store::rows::{DailyRow, EventRow, MadeOf, SketchesRow, TotalRow};
use headcount_store::traits::{DailyStore as _, DeploymentStore as _, EventSpan, EventStore as _, PartialStore as _};
use headcount_store::traits::{RejectedStore as _, UserStore as _};

use crate::rows::{STAMP, START_MS, date, event, first_day, object, partial, rejected, shards, source};
use crate::subjects::{Embedded, dynamo};

type Item = HashMap<String, AttributeValue>;

async fn item(embedded: &Embedded, table: &str, key: &ItemKey) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let request = embedded.client.get_item().table_name(table).key("PK", text(&key.pk)).key("SK", text(&key.sk));
    request.send().await.expect("an answer").item.unwrap_or_else(|| panic!("{key:?} is in {table}"))
}

/// The attributes as text, sorted by name; maps and bytes by their kind only.
fn shown(item: &Item) -> Vec<String> {
    let mut shown: Vec<_> = item
        .iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => format!("{name} S {text}"),
            AttributeValue::N(number) => format!("{name} N {number}"),
            AttributeValue::Bool(flag) => format!("{name} BOOL {flag}"),
            AttributeValue::B(_) => format!("{name} B"),
            AttributeValue::M(map) => format!("{name} M {}", map.len()),
            AttributeValue::L(list) => format!("{name} L {}", list.len()),
            other => format!("{name} {other:?}"),
        })
        .collect();
    shown.sort();
    shown
}

const ORIGIN: &str = "events/shardId-000000000000#49590338271490256608559692538361571095921575989136588898#0";

#[tokio::test]
async fn an_event_is_stored_as_designed() {
    let embedded = dynamo().await;
    let spread = EventRow { shards: shards(4), ..event("b", 1) };
    embedded.store.claim(&[event("a", 0), spread.clone()]).await.expect("claimed");
    let key = ItemKey { pk: "ANALYTICS#2026-03-01".into(), sk: "EVENT#1772323200000#a".into() };
    let origin = format!("Origin S {ORIGIN}");
    let expected = [
        "CreatedAt N 1772323200005",
        "Data M 7",
        "EntityType S AnalyticsEvent",
        "GSI1PK S USER#ann",
        "GSI1SK S EVENT#1772323200000",
        &origin,
        "PK S ANALYTICS#2026-03-01",
        "SK S EVENT#1772323200000#a",
        "TTL N 1780000000",
        "UpdatedAt N 1772323200005",
    ];
    assert_eq!(shown(&item(&embedded, "events", &key).await), expected);
    let spread_item = item(&embedded, "events", &spread.key()).await;
    let suffix = &spread.key().pk["ANALYTICS#2026-03-01".len()..];
    assert_eq!(spread_item["GSI1PK"], AttributeValue::S(format!("USER#ann{suffix}")), "spread as the event is");
}

#[tokio::test]
async fn profiles_partials_and_rejections_are_stored_as_designed() {
    let embedded = dynamo().await;
    embedded.store.put_first_day(&first_day("ann", 1)).await.expect("put");
    let profile = item(&embedded, "events", &keys::profile("ann")).await;
    let expected = [
        "EntityType S User",
        "FirstDay S 2026-03-01",
        "FirstSeen N 1772323200000",
        "GSI1PK S NEWUSERS#2026-03-01",
        "GSI1SK S USER#ann",
        "PK S USER#ann",
        "SK S PROFILE",
    ];
    assert_eq!(shown(&profile), expected);

    embedded.store.write_partial(&partial(0, 1), WriteShards::ONE, 0, STAMP).await.expect("written");
    let key = keys::partial(date(1), WriteShards::ONE, &source(0));
    let expected = [
        "Counters B",
        "Dirty BOOL false",
        "EntityType S Partial",
        "LastSequence S 49590338271490256608559692538361571095921575989136588898",
        "PK S SKETCH#2026-03-01",
        "SK S SOURCE#events/shardId-000000000000",
        "Sessions B",
        "TTL N 1800000000",
        "UpdatedAt N 1772323200000",
        "Users B",
        "Version N 1",
    ];
    assert_eq!(shown(&item(&embedded, "events", &key).await), expected);

    embedded.store.put_rejected(&[rejected(0)]).await.expect("put");
    let key = ItemKey { pk: "REJECTED#2026-03-01".into(), sk: format!("REJECT#1772323200000#{ORIGIN}") };
    let (origin, sk) = (format!("Origin S {ORIGIN}"), format!("SK S {}", key.sk));
    let expected = [
        "ArrivedAt N 1772323200000",
        "Count N 1",
        "EntityType S RejectedEvent",
        &origin,
        "PK S REJECTED#2026-03-01",
        "Payload S {\"userId\":\"\"}",
        "Problems L 1",
        &sk,
        "TTL N 1780000000",
        "Truncated BOOL false",
    ];
    assert_eq!(shown(&item(&embedded, "events", &key).await), expected);
}

#[tokio::test]
async fn results_are_stored_as_designed() {
    let embedded = dynamo().await;
    let made_of = MadeOf { day: 3, month: 4 };
    let data = object(serde_json::json!({"activeUsers": 2}));
    let (created_ms, updated_ms) = (START_MS, START_MS + 1);
    embedded.store.put_daily(&DailyRow { date: date(1), data, made_of, created_ms, updated_ms }).await.expect("put");
    let sketches = SketchesRow { date: date(1), users: vec![1], sessions: vec![2], made_of_day: 3, updated_ms };
    embedded.store.put_sketches(&sketches).await.expect("put");
    embedded.store.put_total(&TotalRow { date: date(1), new_users: 9, made_of }).await.expect("put");
    let deployment = headcount_core::deployment::Deployment::new(chrono_tz::Europe::Berlin, "p");
    embedded.store.create_deployment(&deployment).await.expect("created");
    let precision = format!("Precision N {}", deployment.precision);
    let expected: [(ItemKey, Vec<&str>); 4] = [
        (
            keys::daily(date(1)),
            vec![
                "CreatedAt N 1772323200000",
                "Data M 1",
                "EntityType S AggregatedMetrics",
                "MadeOfDay N 3",
                "MadeOfMonth N 4",
                "PK S METRICS#2026-03-01",
                "SK S DAILY",
                "UpdatedAt N 1772323200001",
            ],
        ),
        (
            keys::sketches(date(1)),
            vec![
                "EntityType S Sketches",
                "MadeOfDay N 3",
                "PK S METRICS#2026-03-01",
                "SK S SKETCHES",
                "Sessions B",
                "UpdatedAt N 1772323200001",
                "Users B",
            ],
        ),
        (
            keys::total(date(1)),
            vec![
                "EntityType S DayTotal",
                "MadeOfDay N 3",
                "MadeOfMonth N 4",
                "NewUsers N 9",
                "PK S TOTALS",
                "SK S DAY#2026-03-01",
            ],
        ),
        (
            keys::deployment(),
            vec![
                "EntityType S Deployment",
                "HashVersion N 1",
                "PK S META",
                &precision,
                "Project S p",
                "SK S DEPLOYMENT",
                "SchemaVersion N 1",
                "TimeZone S Europe/Berlin",
                "WriteShards M 0",
            ],
        ),
    ];
    for (key, attributes) in expected {
        assert_eq!(shown(&item(&embedded, "metrics", &key).await), attributes);
    }
}

#[tokio::test]
async fn foreign_items_are_named_without_anybodys_id() {
    let embedded = dynamo().await;
    let put = |key: ItemKey, name: &str, value: &str| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request =
            embedded.client.put_item().table_name("events").item("PK", text(&key.pk)).item("SK", text(&key.sk));
        request.item(name, text(value)).send()
    };
    put(event("secret", 0).key(), "Origin", "nonsense").await.expect("put");
    put(keys::profile("secret"), "FirstDay", "someday").await.expect("put");
    put(keys::partial(date(1), WriteShards::ONE, &source(0)), "Version", "1").await.expect("put");

    let store = &embedded.store;
    let origins = store.origins(&[event("secret", 0).key()]).await.expect_err("no origin");
    let first_days = store.first_days(&["secret"]).await.expect_err("no day");
    let version = store.read_partial(date(1), WriteShards::ONE, &source(0)).await.expect_err("no number");
    let span = EventSpan { date: date(1), shards: WriteShards::ONE, shard: 0, from_ms: 0, to_ms: i64::MAX };
    let page = store.events_page(&span, None).await.expect_err("no event");
    let cases = [(origins, "Origin"), (first_days, "FirstDay"), (version, "Version"), (page, "Data")];
    for (error, attribute) in cases {
        assert!(matches!(&error, StoreError::Malformed { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(attribute) && !text.contains("secret"), "{text}");
    }
}
