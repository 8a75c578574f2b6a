//! S3, through the SDK's own way to the network: its connections, its TLS, its credentials.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use headcount_runtime::aws::{ConnectOptions, sdk_config};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::client::{
    ClientOptions, CredentialProvider, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ObjectStore, RetryConfig};

/// How long one request may wait for its answer. The largest carries the 6 MB of one invocation.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long setting up a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a request is tried again before that is a failure; the mapping itself tries on after that.
const RETRIES: usize = 3;

/// The bucket, with what the AWS environment says of region, credentials and endpoint.
pub(super) async fn open(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    let config = sdk_config(&ConnectOptions::default()).await;
    let credentials =
        config.credentials_provider().ok_or("there are no AWS credentials; set them in the environment")?;
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| config.endpoint_url().map(str::to_owned));
    let region = config.region().map(Region::as_ref).map(str::to_owned);
    of(bucket, credentials, region, endpoint)
}

/// The bucket in `region`, or at an endpoint that stands in for S3.
pub(super) fn of(
    bucket: &str,
    credentials: SharedCredentialsProvider,
    region: Option<String>,
    endpoint: Option<String>,
) -> Result<Arc<dyn ObjectStore>, String> {
    let region = region.ok_or("no AWS region is set; set AWS_REGION")?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_credentials(Arc::new(FromSdk(credentials)))
        .with_http_connector(Network)
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: ANSWER_TIMEOUT, ..RetryConfig::default() });
    if let Some(endpoint) = endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http:"));
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    } else {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    builder.build().map(|store| Arc::new(store) as _).map_err(|error| error.to_string())
}

/// Credentials as the SDK finds and renews them.
#[derive(Debug)]
struct FromSdk(SharedCredentialsProvider);

#[async_trait]
impl CredentialProvider for FromSdk {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.0.provide_credentials().await;
        let found = found.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}

/// Makes [`Requests`].
#[derive(Debug)]
struct Network;

impl HttpConnector for Network {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Requests { tls: connector(true), plain: connector(false) }))
    }
}

fn connector(is_tls: bool) -> Connector {
    let settings =
        HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(ANSWER_TIMEOUT).build();
    let builder = ConnectorBuilder::default().connector_settings(settings);
    if is_tls { builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build() } else { builder.build_http() }
}

/// Requests as `object_store` makes them, sent as the SDK sends its own.
#[derive(Debug)]
struct Requests {
    tls: Connector,
    plain: Connector,
}

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let plain = request.uri().scheme_str() == Some("http");
        let request = request.map(SdkBody::from_body_1_x);
        let request = request.try_into().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let connector = if plain { &self.plain } else { &self.tls };
        let answer = connector.call(request).await.map_err(|error| {
            let kind = if error.is_timeout() { HttpErrorKind::Timeout } else { HttpErrorKind::Connect };
            HttpError::new(kind, error)
        })?;
        let answer = answer.try_into_http1x().map_err(|error| HttpError::new(HttpErrorKind::Decode, error))?;
        let (parts, body) = answer.into_parts();
        // Whole, for an invocation has at most 6 MB.
        let body = ByteStream::new(body).collect().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body.into_bytes())))
    }
}
