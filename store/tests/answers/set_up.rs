//! Setting up: what is made, what is compared, what is left alone.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use headcount_store::dynamo::set_up::{SetUp, TableReport, set_up};
use serde_json::json;

use crate::scripted::{Answer, Scripted};
use crate::tables::{embedded, soon};

const PLAIN: SetUp = SetUp { recovery: true, fix: false };

/// What differs, and whether it breaks a promise.
fn differing(report: &TableReport) -> Vec<(&str, &str, bool)> {
    let named = report.differences.iter();
    named.map(|difference| (&*difference.what, &*difference.found, difference.breaks)).collect()
}

#[tokio::test]
async fn missing_tables_are_made_once_and_serve() {
    let (connection, _) = embedded().await;
    let tables = Tables::new("raw", "figures");
    for created in [true, false, false] {
        let reports = set_up(&connection, &tables, PLAIN, soon()).await.unwrap();
        let named: Vec<_> = reports.iter().map(|report| (&*report.table, report.created)).collect();
        assert_eq!(named, [("raw", created), ("figures", created)]);
        assert_eq!(differing(&reports[0]), []);
        // The embedded server has no backups; only the figures want them.
        assert_eq!(differing(&reports[1]), [("point-in-time recovery", "not known to this service", false)]);
    }
    assert_eq!(DynamoStore::new(connection, tables).check().await, Ok(()));
}

#[tokio::test]
async fn expiry_that_is_off_is_said_and_switched_on_only_when_asked() {
    let (connection, client) = embedded().await;
    let tables = Tables::one("tab");
    set_up(&connection, &tables, PLAIN, soon()).await.unwrap();
    let off = TimeToLiveSpecification::builder().attribute_name("TTL").enabled(false).build().unwrap();
    client.update_time_to_live().table_name("tab").time_to_live_specification(off).send().await.unwrap();
    let bare = SetUp { recovery: false, fix: false };
    for _ in 0..2 {
        let reports = set_up(&connection, &tables, bare, soon()).await.unwrap();
        assert_eq!(differing(&reports[0]), [("expiry of items", "off: events are kept for ever", true)]);
        assert!(reports[0].differences[0].remedy.contains("--fix"));
    }
    let reports = set_up(&connection, &tables, SetUp { fix: true, ..bare }, soon()).await.unwrap();
    assert_eq!((differing(&reports[0]), &reports[0].fixed[..]), (vec![], &["expiry of items"][..]));
    let reports = set_up(&connection, &tables, bare, soon()).await.unwrap();
    assert_eq!((differing(&reports[0]), &reports[0].fixed[..]), (vec![], &[][..]));
}

#[tokio::test]
async fn a_table_of_other_keys_is_described_and_never_touched() {
    let (connection, client) = embedded().await;
    let text = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::N);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let request = client.create_table().table_name("tab").billing_mode(BillingMode::PayPerRequest);
    let request = request.attribute_definitions(text.build().unwrap()).key_schema(key.build().unwrap());
    request.send().await.unwrap();
    let reports = set_up(&connection, &Tables::one("tab"), SetUp { recovery: false, fix: true }, soon()).await.unwrap();
    let wanted = [
        ("keys", "id (N)", true),
        ("keys of the index GSI1", "no such index", true),
        ("expiry of items", "off: events are kept for ever", true),
    ];
    assert_eq!(differing(&reports[0]), wanted);
    let described = client.describe_time_to_live().table_name("tab").send().await.unwrap();
    let expiry = described.time_to_live_description().and_then(|expiry| expiry.attribute_name());
    assert_eq!(expiry, None, "nobody else's items may expire");
}

#[tokio::test]
async fn what_a_service_says_of_expiry_recovery_index_and_billing_is_read() {
    let kind = |name| json!({"AttributeName": name, "AttributeType": "S"});
    let keys =
        |hash, range| json!([{"AttributeName": range, "KeyType": "RANGE"}, {"AttributeName": hash, "KeyType": "HASH"}]);
    let says = |expiry: &str, recovery: &str, projection: &str, billing: &str| {
        Answer::json(&json!({
            "Table": {
                "TableName": "t", "TableStatus": "ACTIVE", "KeySchema": keys("PK", "SK"),
                "AttributeDefinitions": (["PK", "SK", "GSI1PK", "GSI1SK"].map(kind)),
                "BillingModeSummary": {"BillingMode": billing},
                "GlobalSecondaryIndexes": [{"IndexName": "GSI1", "KeySchema": keys("GSI1PK", "GSI1SK"),
                    "Projection": {"ProjectionType": projection}}],
            },
            "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": expiry},
            "ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": recovery}},
        }))
    };
    for (answer, wanted) in [
        (says("TTL", "ENABLED", "KEYS_ONLY", "PAY_PER_REQUEST"), vec![]),
        (says("TTL", "DISABLED", "KEYS_ONLY", "PAY_PER_REQUEST"), vec![("point-in-time recovery", "off", false)]),
        (says("until", "ENABLED", "KEYS_ONLY", "PAY_PER_REQUEST"), vec![("expiry of items", "by until", true)]),
        (
            says("TTL", "ENABLED", "ALL", "PROVISIONED"),
            vec![("attributes of the index GSI1", "all", false), ("capacity", "provisioned", false)],
        ),
    ] {
        let server = Scripted::new(answer).await;
        let connection = connect(&ConnectOptions::local(&*server.endpoint)).await;
        let reports = set_up(&connection, &Tables::one("tab"), PLAIN, soon()).await.unwrap();
        assert_eq!(differing(&reports[0]), wanted);
        assert!(!reports[0].created);
    }
}
