use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use super::*;
use crate::clients;

const NAME: &str = "things";
const PATIENCE: Duration = Duration::from_secs(20);

async fn create(client: &Client) {
    let key = AttributeDefinition::builder().attribute_name("PK").attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder().attribute_name("PK").key_type(KeyType::Hash);
    client
        .create_table()
        .table_name(NAME)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(key.build().unwrap())
        .key_schema(schema.build().unwrap())
        .send()
        .await
        .unwrap();
    let ttl = TimeToLiveSpecification::builder().attribute_name("TTL").enabled(true).build().unwrap();
    client.update_time_to_live().table_name(NAME).time_to_live_specification(ttl).send().await.unwrap();
}

async fn put(client: &Client, key: &str, ttl_s: Option<u64>) {
    let ttl = ttl_s.map(|at| AttributeValue::N(at.to_string()));
    let mut put = client.put_item().table_name(NAME).item("PK", AttributeValue::S(key.into()));
    if let Some(ttl) = ttl {
        put = put.item("TTL", ttl);
    }
    put.send().await.unwrap();
}

async fn keys(client: &Client) -> Vec<String> {
    let found = client.scan().table_name(NAME).consistent_read(true).send().await.unwrap();
    let mut keys: Vec<String> = found.items().iter().map(|item| item["PK"].as_s().unwrap().clone()).collect();
    keys.sort();
    keys
}

fn on_file(dir: &Path) -> TableOptions {
    TableOptions { data_dir: Some(dir.to_owned()), ..TableOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_on_a_file_reopens_with_its_items() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/when/needed");
    let table = Table::start(on_file(&dir)).await.unwrap();
    let client = clients::dynamodb(&table.endpoint());
    create(&client).await;
    put(&client, "kept", None).await;
    table.stop().await;

    let table = Table::start(on_file(&dir)).await.unwrap();
    assert_eq!(keys(&clients::dynamodb(&table.endpoint())).await, ["kept"]);
    table.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_memory_is_empty_again() {
    for _ in 0..2 {
        let table = Table::start(TableOptions::default()).await.unwrap();
        create(&clients::dynamodb(&table.endpoint())).await;
        table.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_never_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Table::start(on_file(dir.path())).await.unwrap();
    let refused = Table::start(on_file(dir.path())).await.unwrap_err().to_string();
    assert!(refused.contains(&dir.path().display().to_string()) && refused.contains("table.lock"), "{refused}");
    first.stop().await;
    Table::start(on_file(dir.path())).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_places_are_named() {
    let taken = Table::start(TableOptions::default()).await.unwrap();
    let addr = taken.serving.addr();
    let refused = Table::start(TableOptions { addr, ..TableOptions::default() }).await.unwrap_err().to_string();
    let port = format!("port {} is in use", addr.port());
    assert!(refused.contains(&port) && refused.contains("--dynamodb-port"), "{refused}");
    taken.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let refused = Table::start(on_file(&file)).await.unwrap_err().to_string();
    assert!(refused.contains("file cannot be created") && refused.contains("data directory"), "{refused}");

    let garbage = dir.path().join("garbage");
    std::fs::create_dir(&garbage).unwrap();
    std::fs::write(garbage.join(FILE_NAME), "no database at all, but long enough to look at".repeat(100)).unwrap();
    let refused = Table::start(on_file(&garbage)).await.unwrap_err().to_string();
    assert!(refused.contains(FILE_NAME) && refused.contains("is damaged"), "{refused}");

    let refused = Table::start(TableOptions { ttl_interval: Duration::ZERO, ..TableOptions::default() }).await;
    assert!(refused.unwrap_err().to_string().contains("ttl_interval"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_deletes_what_has_expired_and_nothing_else() {
    let options = TableOptions { ttl_interval: Duration::from_millis(10), ..TableOptions::default() };
    let table = Table::start(options).await.unwrap();
    let client = clients::dynamodb(&table.endpoint());
    create(&client).await;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    put(&client, "eternal", None).await;
    put(&client, "later", Some(now_s + 3600)).await;
    put(&client, "expired", Some(now_s - 10)).await;
    let swept = async {
        while keys(&client).await != ["eternal", "later"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.expect("the expired item is swept, the others stay");
    table.stop().await;
}
