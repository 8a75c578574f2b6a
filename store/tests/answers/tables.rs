//! Making tables, and looking at those that are there.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProjectionType, ScalarAttributeType, TimeToLiveStatus,
};
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{Connection, connect};
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::error::StoreError;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::scripted::{Answer, Scripted};

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// An embedded server without tables.
pub(crate) async fn embedded() -> (Connection, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let options = ConnectOptions::local(format!("http://{}", listener.local_addr().expect("bound")));
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().expect("a database in memory")));
    (connect(&options).await, Client::new(&sdk_config(&options).await))
}

fn unusable(outcome: Result<(), StoreError>, words: &[&str]) {
    let error = outcome.expect_err("an error");
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
}

#[tokio::test]
async fn tables_are_made_once_with_keys_index_and_expiry() {
    let (connection, client) = embedded().await;
    let tables = Tables::new("raw", "figures");
    let store = DynamoStore::new(connection.clone(), tables.clone());
    unusable(store.check().await, &["table raw does not exist", "create it"]);
    for _ in 0..3 {
        assert_eq!(create_tables(&connection, &tables, soon()).await, Ok(()));
        assert_eq!(store.check().await, Ok(()));
    }
    let listed = client.list_tables().send().await.expect("a list");
    let mut names = listed.table_names().to_vec();
    names.sort();
    assert_eq!(names, ["figures", "raw"]);

    let described = client.describe_table().table_name("raw").send().await.expect("a description");
    let table = described.table().expect("the table");
    let names = |keys: &[KeySchemaElement]| keys.iter().map(|key| key.attribute_name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(table.key_schema()), ["PK", "SK"]);
    let index = &table.global_secondary_indexes()[0];
    assert_eq!((index.index_name(), names(index.key_schema())), (Some("GSI1"), vec!["GSI1PK".into(), "GSI1SK".into()]));
    let kept = index.projection().and_then(|kept| kept.projection_type());
    assert_eq!(kept, Some(&ProjectionType::KeysOnly));
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    assert_eq!(billing, Some(&BillingMode::PayPerRequest));

    let described = client.describe_time_to_live().table_name("raw").send().await.expect("a description");
    let expiry = described.time_to_live_description().expect("expiry");
    assert_eq!(
        (expiry.attribute_name(), expiry.time_to_live_status()),
        (Some("TTL"), Some(&TimeToLiveStatus::Enabled))
    );
}

#[tokio::test]
async fn two_makers_at_once_both_succeed() {
    let (connection, _) = embedded().await;
    let tables = Tables::one("both");
    let makers = [connection.clone(), connection.clone(), connection.clone()].map(|connection| {
        let tables = tables.clone();
        tokio::spawn(async move { create_tables(&connection, &tables, soon()).await })
    });
    for maker in makers {
        assert_eq!(maker.await.expect("no panic"), Ok(()));
    }
    assert_eq!(DynamoStore::new(connection, tables).check().await, Ok(()));
}

#[tokio::test]
async fn a_foreign_table_is_refused() {
    let (connection, client) = embedded().await;
    for (name, keys) in [("other-keys", &["id"][..]), ("no-index", &["PK", "SK"])] {
        let mut request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
            let text = AttributeDefinition::builder().attribute_name(*key).attribute_type(ScalarAttributeType::S);
            let element = KeySchemaElement::builder().attribute_name(*key).key_type(kind);
            request = request
                .attribute_definitions(text.build().expect("complete"))
                .key_schema(element.build().expect("complete"));
        }
        request.send().await.expect("created");
        let tables = Tables::one(name);
        let words = [name, "not one of Headcount's", "use another name"];
        unusable(DynamoStore::new(connection.clone(), tables.clone()).check().await, &words);
        unusable(create_tables(&connection, &tables, soon()).await, &words);
    }
}

#[tokio::test]
async fn a_name_that_no_table_may_have_is_refused() {
    let (connection, _) = embedded().await;
    let outcome = create_tables(&connection, &Tables::one("a\"b"), soon()).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_table_that_never_gets_ready_ends_at_the_deadline() {
    let table = serde_json::json!({
        "TableName": "t", "TableStatus": "CREATING",
        "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [{"IndexName": "GSI1", "IndexStatus": "CREATING", "KeySchema":
            [{"AttributeName": "GSI1PK", "KeyType": "HASH"}, {"AttributeName": "GSI1SK", "KeyType": "RANGE"}]}],
    });
    let server = Scripted::new(Answer::json(&serde_json::json!({ "Table": table, "TableDescription": table }))).await;
    let connection = connect(&ConnectOptions::local(&*server.endpoint)).await;
    let outcome = create_tables(&connection, &Tables::one("t"), Instant::now() + Duration::from_secs(1)).await;
    unusable(outcome, &["table t", "did not become ready"]);
    unusable(DynamoStore::new(connection, Tables::one("t")).check().await, &["table t", "not ready yet"]);
    assert!(server.asked() < 20, "{} requests in a second are a busy loop", server.asked());
}
