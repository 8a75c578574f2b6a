//! Functions read their secrets themselves, and take a new version without a deploy.

use std::time::Duration;

use headcount_collector::WriteKeys;
use headcount_runtime::aws::{ConnectOptions, StaticCredentials};
use headcount_runtime::secret::{FromSecret, SecretError};
use headcount_tests::iam::ACCOUNT;
use serde_json::{Value, json};

use crate::iam::services::Service;
use crate::stand_in::StandIn;

const NAME: &str = "headcount-write-keys";
const OLD: &str = "old-key-0123456789";
const NEW: &str = "new-key-0123456789";

async fn call(stand_in: &StandIn, operation: &str, mut input: Value) {
    let owner = Service { endpoint: stand_in.endpoint.clone(), principal: ACCOUNT.to_owned() };
    input["ClientRequestToken"] = format!("{:032}", input.to_string().len()).into();
    owner.call("secretsmanager", &format!("secretsmanager.{operation}"), input).await.unwrap();
}

async fn read(stand_in: &StandIn) -> Result<FromSecret<WriteKeys>, SecretError> {
    // The stand-in takes the key's id for the account.
    let credentials = StaticCredentials {
        access_key_id: ACCOUNT.to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    };
    let options = ConnectOptions { credentials: Some(credentials), ..ConnectOptions::local(&stand_in.endpoint) };
    FromSecret::read(&options, NAME, Duration::ZERO, |text| WriteKeys::parse(text).map_err(|error| error.to_string()))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_used_and_an_unusable_one_is_not() {
    let stand_in = StandIn::start();
    let absent = read(&stand_in).await.err().expect("there is no secret").to_string();
    assert!(absent.contains(NAME) && absent.contains("secretsmanager:GetSecretValue"), "{absent}");

    call(&stand_in, "CreateSecret", json!({"Name": NAME, "SecretString": "short"})).await;
    let unusable = read(&stand_in).await.err().expect("a key is too short").to_string();
    assert!(unusable.contains(NAME) && unusable.contains("write key 1") && !unusable.contains("short"), "{unusable}");

    let put =
        async |text: &str| call(&stand_in, "PutSecretValue", json!({"SecretId": NAME, "SecretString": text})).await;
    put(OLD).await;
    let keys = read(&stand_in).await.unwrap();
    assert!(keys.current().await.allow(Some(OLD)) && !keys.current().await.allow(Some(NEW)));
    put(&format!("{NEW},{OLD}")).await;
    assert!(keys.current().await.allow(Some(OLD)) && keys.current().await.allow(Some(NEW)));
    put("too short").await;
    assert!(keys.current().await.allow(Some(NEW)), "the last good version stays");
    put(NEW).await;
    assert!(keys.current().await.allow(Some(NEW)) && !keys.current().await.allow(Some(OLD)));
    drop(stand_in);
    assert!(keys.current().await.allow(Some(NEW)), "so it does where nobody answers");
}
