//! A client of Kinesis from the standard AWS environment, for programs that have none yet.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::Client;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// How long setting up a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one request may take in all: [`crate::limits::MAX_REQUEST_BYTES`] over a slow line.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that finds region, credentials and endpoint in the environment, as AWS's own tools do. With an endpoint of plain
/// HTTP (`AWS_ENDPOINT_URL_KINESIS`, `AWS_ENDPOINT_URL`, or `endpoint`) it needs no root certificates.
pub async fn kinesis(endpoint: Option<&str>) -> Client {
    let variables = ["AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL"];
    let endpoint = endpoint
        .map(str::to_owned)
        .or_else(|| variables.into_iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty()));
    let http = HttpClientBuilder::new();
    let is_plain = endpoint.as_deref().is_some_and(|at| at.starts_with("http:"))
        && std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| !key.is_empty());
    let http =
        if is_plain { http.build_http() } else { http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https() };
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(REQUEST_TIMEOUT).build();
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Client::new(&loader.load().await)
}
