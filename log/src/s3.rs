//! S3, through the SDK's own way to the network: its connections, its TLS, its credentials.

use std::sync::{Arc, OnceLock};
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

/// How long one request may take, from the first byte sent to the last one received. The largest carries an entry, or an
/// invocation of 6 MB.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long setting up a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The bucket, with what the AWS environment says of region, credentials and endpoint. A request is made once: callers try
/// again up to their own deadline.
///
/// # Errors
///
/// What is missing in the environment.
pub async fn open(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    let config = sdk_config(&ConnectOptions::default()).await;
    let credentials =
        config.credentials_provider().ok_or("there are no AWS credentials; set them in the environment")?;
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| config.endpoint_url().map(str::to_owned));
    let region = config.region().map(Region::as_ref).map(str::to_owned);
    of(bucket, credentials, region, endpoint)
}

/// The bucket in `region`, or at an endpoint that stands in for S3.
///
/// # Errors
///
/// What is missing or malformed.
pub fn of(
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
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
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
        Ok(HttpClient::new(Requests { tls: OnceLock::new(), plain: OnceLock::new() }))
    }
}

fn settings() -> HttpConnectorSettings {
    HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(ANSWER_TIMEOUT).build()
}

/// Requests as `object_store` makes them, sent as the SDK sends its own. TLS is set up when it is first needed: a stand-in
/// without it must work on a machine without root certificates.
#[derive(Debug)]
struct Requests {
    tls: OnceLock<Connector>,
    plain: OnceLock<Connector>,
}

impl Requests {
    fn connector(&self, scheme: Option<&str>) -> &Connector {
        let builder = || ConnectorBuilder::default().connector_settings(settings());
        if scheme == Some("http") {
            self.plain.get_or_init(|| builder().build_http())
        } else {
            self.tls.get_or_init(|| builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build())
        }
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let connector = self.connector(request.uri().scheme_str());
        let request = request.map(SdkBody::from_body_1_x);
        let request = request.try_into().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let answer = connector.call(request).await.map_err(|error| {
            let kind = if error.is_timeout() { HttpErrorKind::Timeout } else { HttpErrorKind::Connect };
            HttpError::new(kind, error)
        })?;
        let answer = answer.try_into_http1x().map_err(|error| HttpError::new(HttpErrorKind::Decode, error))?;
        let (parts, body) = answer.into_parts();
        // Whole, for entries and invocations are small.
        let body = ByteStream::new(body).collect().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body.into_bytes())))
    }
}

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.answer(request)).await;
        answer.unwrap_or_else(|elapsed| Err(HttpError::new(HttpErrorKind::Timeout, elapsed)))
    }
}
