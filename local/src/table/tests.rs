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
    let addr = taken.listener.addr();
    let refused = Table::start(TableOptions { addr, ..TableOptions::default() }).await.unwrap_err().to_string();
    let port = format!("port {} is in use", addr.port());
    assert!(refused.contains(&port) && refused.contains("--dynamodb-port"), "{refused}");
    taken.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let refused = Table::start(on_file(&file)).await.unwrap_err().to_string();
    assert!(refused.contains("file cannot be created") && refused.contains("data directory"), "{refused}");

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

/// Names of moved files in the directory.
fn aside(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("damaged")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_moved_aside_and_a_sound_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, "no database at all, but long enough to look at".repeat(100)).unwrap();
    let table = Table::start(on_file(dir.path())).await.unwrap();
    assert_eq!(aside(dir.path()).len(), 1);
    let client = clients::dynamodb(&table.endpoint());
    create(&client).await;
    for n in 0..300 {
        put(&client, &format!("kept-{n:03}"), None).await;
    }
    // A copy as a crash leaves it, with its write-ahead log.
    let crashed = tempfile::tempdir().unwrap();
    let copy = |suffix: &str| {
        let name = format!("{FILE_NAME}{suffix}");
        std::fs::copy(dir.path().join(&name), crashed.path().join(&name)).unwrap()
    };
    assert!(copy("") > 0 && copy("-wal") > 100_000);
    table.stop().await;

    let check = |dir: &Path| sound::set_aside_if_damaged(&dir.join(FILE_NAME), None).unwrap();
    let spoiled = |suffix: &str, at: fn(usize) -> usize| {
        let spoiled = tempfile::tempdir().unwrap();
        for name in ["", "-wal"].map(|suffix| format!("{FILE_NAME}{suffix}")) {
            std::fs::copy(crashed.path().join(&name), spoiled.path().join(&name)).unwrap();
        }
        let path = spoiled.path().join(format!("{FILE_NAME}{suffix}"));
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at(bytes.len());
        bytes[at..at + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(&path, bytes).unwrap();
        spoiled
    };
    for at in [|_| 0, |bytes| bytes / 2, |bytes| bytes - 64] as [fn(usize) -> usize; 3] {
        let spoiled = spoiled("-wal", at);
        assert!(check(spoiled.path()).is_some());
        assert!(!spoiled.path().join(FILE_NAME).exists() && check(spoiled.path()).is_none());
    }
    assert_eq!(check(crashed.path()), None, "what a crash leaves is sound");
    let table = Table::start(on_file(crashed.path())).await.unwrap();
    assert_eq!(keys(&clients::dynamodb(&table.endpoint())).await.len(), 300);
    table.stop().await;
    assert!(aside(crashed.path()).is_empty());
}
