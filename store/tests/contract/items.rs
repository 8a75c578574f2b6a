//! The items themselves, as any other client of the table sees them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::keys::{self, Follower, ItemKey};
use headcount_core::partial::PartialRecord;
use headcount_store::error::StoreError;
use headcount_store::rows::{AlarmRow, BudgetRow, Checkpoint, DailyRow, EventItem, MadeOf, Put, SketchesRow, TotalRow};
use headcount_store::traits::{
    BrowseStore as _, BudgetStore as _, CheckpointStore as _, DailyStore as _, ItemStore as _, MetaStore as _,
};
use headcount_store::traits::{PartialStore as _, UserStore as _};

use crate::rows::{STAMP, START_MS, TABLE, date, event, first_day, object, origin, partial, rejected, source};
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
    let unlisted = EventItem { is_indexed: false, ..event("b", 1) };
    embedded.store.put_events(&[event("a", 0), unlisted.clone()]).await.expect("put");
    let key = ItemKey { pk: "ANALYTICS#2026-03-01".into(), sk: "EVENT#1772323200000#a".into() };
    let mut expected = vec![
        "CreatedAt N 1772323200005",
        "Data M 8",
        "EntityType S AnalyticsEvent",
        "GSI1PK S USER#ann",
        "GSI1SK S EVENT#1772323200000",
        "PK S ANALYTICS#2026-03-01",
        "SK S EVENT#1772323200000#a",
        "TTL N 1780000000",
        "UpdatedAt N 1772323200005",
    ];
    assert_eq!(shown(&item(&embedded, "events", &key).await), expected);
    expected.retain(|attribute| !attribute.starts_with("GSI1"));
    expected[4] = "SK S EVENT#1772323200001#b";
    assert_eq!(shown(&item(&embedded, "events", &unlisted.key()).await), expected);
}

#[tokio::test]
async fn profiles_partials_checkpoints_and_rejections_are_stored_as_designed() {
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

    embedded.store.write_partial(TABLE, &partial(0, 1), 0, STAMP).await.expect("written");
    let expected = [
        "Accounts B",
        "AsOf N 7",
        "Checksum N 18446744073709551615",
        "Counters B",
        "EntityType S Partial",
        "First N 3",
        "PK S SKETCH#2026-03-01",
        "SK S SOURCE#events/shardId-000000000000",
        "Sessions B",
        "TTL N 1800000000",
        "Table N 18446744073709551614",
        "UpdatedAt N 1772323200000",
        "Users B",
        "Version N 1",
    ];
    assert_eq!(shown(&item(&embedded, "events", &keys::partial(date(1), &source(0))).await), expected);

    for follower in Follower::ALL {
        let checkpoint = Checkpoint { entry: 12, last: origin(0).sequence };
        embedded.store.write_checkpoint(TABLE, follower, &source(0), &checkpoint).await.expect("written");
        let sk = format!("SK S {}events/shardId-000000000000", follower.prefix());
        let mut expected = vec![
            "EntityType S Checkpoint",
            "Entry N 12",
            "Last S 49590338271490256608559692538361571095921575989136588898",
            "PK S CHECKPOINT",
            &sk,
            "Table N 18446744073709551614",
        ];
        let key = keys::checkpoint(follower, &source(0));
        assert_eq!(shown(&item(&embedded, "events", &key).await), expected);
        embedded.store.mark_finished(TABLE, follower, &source(0), 12).await.expect("marked");
        expected.insert(2, "Finished BOOL true");
        assert_eq!(shown(&item(&embedded, "events", &key).await), expected);
    }

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
    let made_of = MadeOf { day: 3, proof: 0, month: 4 };
    let data = object(serde_json::json!({"activeUsers": 2}));
    let (created_ms, updated_ms) = (START_MS, START_MS + 1);
    embedded.store.put_daily(&DailyRow { date: date(1), data, made_of, created_ms, updated_ms }).await.expect("put");
    let (users, sessions, accounts, latencies) = (vec![1], vec![2], vec![3], vec![4]);
    let sketches = SketchesRow { date: date(1), users, sessions, accounts, latencies, made_of_day: 3, updated_ms };
    embedded.store.put_sketches(&sketches).await.expect("put");
    embedded.store.put_total(&TotalRow { date: date(1), new_users: 9, made_of }).await.expect("put");
    let deployment = Deployment::new("d-1".into(), chrono_tz::Europe::Berlin, "p");
    embedded.store.create_meta(&TableMeta { deployment: deployment.clone(), table: TABLE }).await.expect("created");
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
                "MadeOfProof N 0",
                "PK S METRICS#2026-03-01",
                "SK S DAILY",
                "UpdatedAt N 1772323200001",
            ],
        ),
        (
            keys::sketches(date(1)),
            vec![
                "Accounts B",
                "EntityType S Sketches",
                "Latencies B",
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
                "MadeOfProof N 0",
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
                "Id S d-1",
                "LogRetentionDays N 90",
                "PK S META",
                &precision,
                "Project S p",
                "SK S DEPLOYMENT",
                "SchemaVersion N 2",
                "Table N 18446744073709551614",
                "TimeZone S Europe/Berlin",
            ],
        ),
    ];
    for (key, attributes) in expected {
        assert_eq!(shown(&item(&embedded, "metrics", &key).await), attributes);
    }
}

/// Puts an item with one attribute besides its key.
async fn put(embedded: &Embedded, table: &str, key: &ItemKey, attributes: &[(&str, AttributeValue)]) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = Item::from([("PK".to_owned(), text(&key.pk)), ("SK".to_owned(), text(&key.sk))]);
    item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    embedded.client.put_item().table_name(table).set_item(Some(item)).send().await.expect("put");
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn ours() -> (&'static str, AttributeValue) {
    ("Table", number(TABLE.0))
}

#[tokio::test]
async fn foreign_items_are_named_without_anybodys_id() {
    let embedded = dynamo().await;
    put(&embedded, "events", &event("secret", 0).key(), &[("Data", text("nonsense"))]).await;
    put(&embedded, "events", &keys::profile("secret"), &[("FirstDay", text("someday"))]).await;
    put(&embedded, "events", &keys::partial(date(1), &source(0)), &[ours(), ("Version", text("1"))]).await;
    let checkpoint = keys::checkpoint(Follower::Figures, &source(0));
    put(&embedded, "events", &checkpoint, &[ours(), ("Entry", number(1)), ("Last", text("x"))]).await;
    put(&embedded, "metrics", &keys::deployment(), &[("SchemaVersion", number(2)), ("Id", text("d-1"))]).await;

    let store = &embedded.store;
    let cases = [
        (store.events(&[event("secret", 0).key()]).await.expect_err("no map"), "Data"),
        (store.first_days(&["secret"]).await.expect_err("no day"), "FirstDay"),
        (store.read_partial(TABLE, date(1), &source(0)).await.expect_err("no number"), "Version"),
        (store.partials_page(TABLE, date(1), None).await.expect_err("no number"), "Version"),
        (store.read_checkpoint(TABLE, Follower::Figures, &source(0)).await.expect_err("no digits"), "Last"),
        (store.checkpoints_page(TABLE, None).await.expect_err("no digits"), "Last"),
        (store.read_meta().await.expect_err("no zone"), "TimeZone"),
    ];
    for (error, attribute) in cases {
        assert!(matches!(&error, StoreError::Malformed { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(attribute) && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_partial_that_lacks_a_part_is_read_and_can_be_replaced() {
    let embedded = dynamo().await;
    put(&embedded, "events", &keys::partial(date(1), &source(0)), &[ours(), ("Version", number(4))]).await;
    let store = &embedded.store;
    let read = store.read_partial(TABLE, date(1), &source(0)).await.expect("a reading").expect("a partial");
    assert_eq!((read.version, read.bytes()), (4, 0));
    assert!(headcount_core::partial::Partial::decode(&read).is_err(), "it is damaged");
    let folded_again = PartialRecord { version: 5, ..partial(0, 5) };
    assert_eq!(store.write_partial(TABLE, &folded_again, 4, STAMP).await, Ok(Put::Written));
}

#[tokio::test]
async fn a_partial_and_a_checkpoint_without_a_tables_number_count_as_absent() {
    let embedded = dynamo().await;
    let (partial_key, checkpoint_key) =
        (keys::partial(date(1), &source(0)), keys::checkpoint(Follower::Items, &source(0)));
    put(&embedded, "events", &partial_key, &[("Version", number(4))]).await;
    put(&embedded, "events", &checkpoint_key, &[("Entry", number(40)), ("Last", text("7"))]).await;
    let store = &embedded.store;
    assert_eq!(store.read_partial(TABLE, date(1), &source(0)).await, Ok(None));
    assert_eq!(store.read_checkpoint(TABLE, Follower::Items, &source(0)).await, Ok(None));
    assert_eq!(store.write_partial(TABLE, &partial(0, 5), 4, STAMP).await, Ok(Put::Refused));
    assert_eq!(store.write_partial(TABLE, &partial(0, 1), 0, STAMP).await, Ok(Put::Written));
    let checkpoint = Checkpoint { entry: 1, last: 1.into() };
    assert_eq!(store.write_checkpoint(TABLE, Follower::Items, &source(0), &checkpoint).await, Ok(Put::Written));
}

#[tokio::test]
async fn a_record_of_another_schema_version_is_refused_in_a_sentence() {
    let embedded = dynamo().await;
    let older = [
        ("SchemaVersion", number(1)),
        ("TimeZone", text("UTC")),
        ("Project", text("p")),
        ("Precision", number(14)),
        ("HashVersion", number(1)),
        ("WriteShards", AttributeValue::M(Item::new())),
    ];
    let says = ["schema version 1, which this build no longer reads: create a new table", "upgrade headcount"];
    for (attributes, says) in [(&older[..], says[0]), (&[("SchemaVersion", number(3))][..], says[1])] {
        put(&embedded, "metrics", &keys::deployment(), attributes).await;
        let error = embedded.store.read_meta().await.expect_err("another version");
        assert!(matches!(&error, StoreError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        let meta = TableMeta { deployment: Deployment::new("d-1".into(), chrono_tz::UTC, "p"), table: TableId(1) };
        assert_eq!(embedded.store.create_meta(&meta).await, Ok(Put::Refused), "it is not replaced");
    }
}

#[tokio::test]
async fn budgets_and_their_alarms_are_stored_as_designed() {
    let embedded = dynamo().await;
    let scope = BudgetScope::account("acme").expect("a name");
    let budget = Budget { scope: scope.clone(), monthly_nanos: 50_000_000_000 };
    embedded.store.put_budget(&BudgetRow { budget, updated_ms: START_MS }).await.expect("put");
    let key = ItemKey { pk: "BUDGETS".into(), sk: "BUDGET#ACCOUNT#acme".into() };
    let expected = [
        "EntityType S Budget",
        "MonthlyNanos N 50000000000",
        "PK S BUDGETS",
        "SK S BUDGET#ACCOUNT#acme",
        "UpdatedAt N 1772323200000",
    ];
    assert_eq!(shown(&item(&embedded, "metrics", &key).await), expected);

    let (month, claimed_ms) = (Month::of(date(1)), START_MS);
    let alarm = AlarmRow { month, scope, amount_nanos: 50_000_000_000, claim: u64::MAX, claimed_ms, raised_ms: None };
    embedded.store.claim_alarm(&alarm, 0).await.expect("put");
    let key = ItemKey { pk: "BUDGETS".into(), sk: "ALARM#2026-03#ACCOUNT#acme".into() };
    let mut expected = vec![
        "AmountNanos N 50000000000",
        "Claim N 18446744073709551615",
        "ClaimedAt N 1772323200000",
        "EntityType S BudgetAlarm",
        "PK S BUDGETS",
        "SK S ALARM#2026-03#ACCOUNT#acme",
    ];
    assert_eq!(shown(&item(&embedded, "metrics", &key).await), expected);
    embedded.store.finish_alarm(&alarm, START_MS + 1).await.expect("put");
    expected.insert(5, "RaisedAt N 1772323200001");
    assert_eq!(shown(&item(&embedded, "metrics", &key).await), expected);
}
