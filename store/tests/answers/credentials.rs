//! Where credentials and region come from. The environment belongs to a whole process, so each case is one of its own:
//! this test's own binary, which runs the one test named [`CHILD`] under the case's environment.

use std::process::Command;

use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;

use crate::scripted::{Answer, Scripted};

const CHILD: &str = "credentials::child_asks_under_its_environment";

/// Tells the child that it is one, and where to ask.
const ENDPOINT: &str = "HEADCOUNT_TEST_ENDPOINT";

/// What the child prints before the outcome.
const MARK: &str = "outcome: ";

#[tokio::test]
async fn child_asks_under_its_environment() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let endpoint = (!endpoint.is_empty()).then_some(endpoint);
    let connection = connect(&ConnectOptions { endpoint, ..ConnectOptions::default() }).await;
    let endpoint = connection.endpoint();
    let outcome = DynamoStore::new(connection, Tables::one("t")).check().await;
    println!("{MARK}{endpoint}: {}", outcome.map_or_else(|error| error.to_string(), |()| "works".into()));
}

/// The outcome of a child under this environment, and nothing else of ours.
async fn outcome(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", CHILD, "--nocapture"]).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let outcome = text.lines().find_map(|line| line.split_once(MARK)).map(|(_, outcome)| outcome.to_owned());
    outcome.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// A server that refuses whoever can sign a request, in words that show that one arrived.
async fn signed() -> Scripted {
    Scripted::new(Answer::error(400, "AccessDeniedException", "no")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_are_taken() {
    let server = signed().await;
    let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), (ENDPOINT, &server.endpoint)];
    let said = outcome(&keys).await;
    assert!(said.contains("denies access to the table t"), "{said}");
    // The endpoint may come from the environment as well.
    let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), (ENDPOINT, "")];
    let more = [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_DYNAMODB", &*server.endpoint)];
    let said = outcome(&[&keys[..], &more].concat()).await;
    assert!(said.contains("denies access") && said.starts_with(&server.endpoint), "{said}");
    assert_eq!(server.asked(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_taken() {
    let server = signed().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("credentials");
    std::fs::write(&file, "[team]\naws_access_key_id = k\naws_secret_access_key = s\n").expect("written");
    let file = file.to_str().expect("text");
    let said =
        outcome(&[("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_PROFILE", "team"), (ENDPOINT, &server.endpoint)]).await;
    assert!(said.contains("denies access to the table t"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named() {
    let server = signed().await;
    let said = outcome(&[(ENDPOINT, &server.endpoint)]).await;
    assert!(said.contains("no AWS credentials were found: set AWS_ACCESS_KEY_ID"), "{said}");
    let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), (ENDPOINT, "")];
    let said = outcome(&keys).await;
    assert!(said.contains("no AWS region is configured: set AWS_REGION"), "{said}");
    assert_eq!(server.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_should_give_them_and_does_not_is_not_taken_for_the_table() {
    let giver = signed().await;
    let server = signed().await;
    let said = outcome(&[(ENDPOINT, &server.endpoint), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &giver.endpoint)]).await;
    assert!(said.contains("could not be fetched") && said.contains("set AWS_ACCESS_KEY_ID"), "{said}");
    assert!(!said.contains("cannot be reached"), "{said}");
    assert_eq!(server.asked(), 0);
}
