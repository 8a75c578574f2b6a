//! SDK clients for the stand-ins of this machine: plain HTTP, static test credentials.

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use headcount_runtime::aws::StaticCredentials;

/// The region that the stand-ins name.
pub const REGION: &str = "us-east-1";

/// The access key and secret that the clients sign with. The stand-ins take any.
pub const TEST_KEY: &str = "test";

/// A client of the stream service at `endpoint`, for example `http://127.0.0.1:4567`.
pub fn kinesis(endpoint: &str) -> aws_sdk_kinesis::Client {
    aws_sdk_kinesis::Client::new(&config(endpoint, None))
}

/// A client of the table service at `endpoint`, for example `http://127.0.0.1:8000`.
pub fn dynamodb(endpoint: &str) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&config(endpoint, None))
}

/// What both clients are made of; nothing of it comes from the environment. Without keys, requests are signed with
/// [`TEST_KEY`].
pub fn config(endpoint: &str, keys: Option<&StaticCredentials>) -> SdkConfig {
    let (id, secret) = keys.map_or((TEST_KEY, TEST_KEY), |keys| (&*keys.access_key_id, &*keys.secret_access_key));
    let credentials = Credentials::new(id, secret, None, None, "headcount-local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .app_name(AppName::new("headcount-local").expect("a valid name"))
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}
