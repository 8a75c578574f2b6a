//! Requests that go straight to the connection, by what the SDK found out for an earlier one.
//!
//! For every request the SDK puts its configuration together again, goes through the rules for endpoints, and describes
//! itself: a quarter of what the consumer did, before there was this. The first request of a client shows what all have
//! in common: address, headers, signer, connector. The next ones take it over. Credentials still come from the SDK's
//! cache, which renews them, its signer signs, and its client sends. After anything but a success what was learned is
//! forgotten, and the next request is the SDK's again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme as _, AuthSchemeEndpointConfig, SharedAuthScheme};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity as _, SharedIdentityResolver};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::endpoint::Endpoint;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::timeout;

use super::refusal::{Place, cut, sort_answer};
use crate::error::StoreError;

/// Headers that are made for each request anew, or tell something of one request alone.
const OF_ONE_REQUEST: [&str; 3] = ["content-length", "amz-sdk-invocation-id", "amz-sdk-request"];

/// The header that names the operation, and what stands before its name.
const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// What a client learned of its requests. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Direct(Arc<Mutex<Learned>>);

#[derive(Debug, Default)]
enum Learned {
    /// Nothing yet: the next request of the SDK tells.
    #[default]
    Nothing,
    Common(Arc<Common>),
    /// The SDK does something that is not known here.
    Never,
}

/// What requests have in common.
#[derive(Debug)]
struct Common {
    /// Without body and signature.
    request: HttpRequest,
    components: RuntimeComponents,
    scheme: SharedAuthScheme,
    identities: SharedIdentityResolver,
    /// What the signer wants to know.
    signing: ConfigBag,
    connector: SharedHttpConnector,
    timeout: Option<Duration>,
}

/// An error as DynamoDB words it.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "__type")]
    kind: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl Direct {
    /// One that never learns: each request goes through the SDK.
    pub(super) fn never() -> Self {
        Self(Arc::new(Mutex::new(Learned::Never)))
    }

    /// Has it learn from the requests of the client that this is given to.
    pub(super) fn teacher(&self) -> Teacher {
        Teacher(Arc::downgrade(&self.0))
    }

    /// Sends one request with this body, and gives the body of a success. None where the SDK must be asked, which nobody was
    /// yet.
    ///
    /// # Errors
    /// As those of the SDK's requests are sorted.
    pub(super) async fn send(
        &self,
        operation: &str,
        body: &Bytes,
        place: &Place,
        table: &str,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(common) = self.common() else { return Ok(None) };
        let Some(request) = common.request(operation, body.clone()).await else {
            self.replace(&common, Learned::Nothing);
            return Ok(None);
        };
        let error = match common.answer(request, place).await {
            Ok((200, body)) => return Ok(Some(body)),
            Ok((status, body)) => {
                let said: Said = serde_json::from_slice(&body).unwrap_or_default();
                // As in `com.amazonaws.dynamodb.v20120810#ThrottlingException`.
                let code = said.kind.as_deref().and_then(|kind| kind.rsplit('#').next());
                sort_answer(code, said.message.as_deref(), status, place, table)
            }
            Err(error) => error,
        };
        // The SDK may know better: it asks anew for what depends on the time or on the credentials.
        let is_refused = matches!(error, StoreError::Unusable { .. });
        self.replace(&common, if is_refused { Learned::Never } else { Learned::Nothing });
        Err(error)
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn common(&self) -> Option<Arc<Common>> {
        match &*self.learned() {
            Learned::Common(common) => Some(common.clone()),
            Learned::Nothing | Learned::Never => None,
        }
    }

    fn replace(&self, known: &Arc<Common>, by: Learned) {
        let mut learned = self.learned();
        if matches!(&*learned, Learned::Common(current) if Arc::ptr_eq(current, known)) {
            *learned = by;
        }
    }
}

impl Common {
    /// None where something of it would be another for the next request, or is not known here.
    fn of(
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Option<Self> {
        let endpoint = config.load::<Endpoint>()?;
        if !endpoint.auth_schemes().is_empty() || endpoint.properties().contains_key("authSchemes") {
            return None;
        }
        let scheme = components.auth_scheme(SCHEME_ID)?;
        let identities = scheme.identity_resolver(components)?;
        let mut signing = Layer::new("signing");
        signing.store_put(config.load::<SigV4OperationSigningConfig>()?.clone());
        signing.store_put(config.load::<SigningName>()?.clone());
        signing.store_put(config.load::<SigningRegion>()?.clone());
        let timeouts = config.load::<TimeoutConfig>();
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.and_then(TimeoutConfig::connect_timeout));
        settings.set_read_timeout(timeouts.and_then(TimeoutConfig::read_timeout));
        let connector = components.http_client()?.http_connector(&settings.build(), components);

        let theirs = context.request();
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method(theirs.method()).ok()?;
        request.set_uri(theirs.uri()).ok()?;
        for (name, value) in theirs.headers().iter().filter(|(name, _)| !OF_ONE_REQUEST.contains(name)) {
            request.headers_mut().append(name.to_owned(), value.to_owned());
        }
        Some(Self {
            request,
            components: components.clone(),
            scheme,
            identities,
            signing: ConfigBag::of_layers([signing]),
            connector,
            timeout: timeouts.and_then(TimeoutConfig::operation_timeout),
        })
    }

    /// A signed request. None where there are no credentials for it, which the SDK explains better.
    async fn request(&self, operation: &str, body: Bytes) -> Option<HttpRequest> {
        let cache = self.components.identity_cache();
        let resolved = cache.resolve_cached_identity(self.identities.clone(), &self.components, &self.signing);
        let identity = resolved.await.ok()?;
        let mut request = self.request.try_clone()?;
        request.headers_mut().insert("content-length", body.len().to_string());
        request.headers_mut().insert(TARGET, format!("{TARGET_PREFIX}{operation}"));
        *request.body_mut() = SdkBody::from(body);
        let of_endpoint = AuthSchemeEndpointConfig::empty();
        let signer = self.scheme.signer();
        signer.sign_http_request(&mut request, &identity, of_endpoint, &self.components, &self.signing).ok()?;
        Some(request)
    }

    /// Status and body.
    async fn answer(&self, request: HttpRequest, place: &Place) -> Result<(u16, Bytes), StoreError> {
        let no_answer =
            |error: BoxError| StoreError::Unknown { detail: cut(&format!("no answer from {place}: {error}")) };
        let answer = async {
            let answer = self.connector.call(request).await.map_err(|error| no_answer(error.into()))?;
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await.map_err(|error| no_answer(error.into()))?;
            Ok((status, body.into_bytes()))
        };
        match self.timeout {
            None => answer.await,
            Some(longest) => timeout(longest, answer)
                .await
                .map_err(|_| StoreError::Unknown { detail: format!("{place} did not answer in time") })?,
        }
    }
}

/// Looks at the SDK's requests. It does not keep alive what it taught: what is learned keeps the client's parts, and
/// this is one of them.
#[derive(Debug)]
pub(super) struct Teacher(Weak<Mutex<Learned>>);

#[dyn_dispatch_hint]
impl Intercept for Teacher {
    fn name(&self) -> &'static str {
        "Teacher"
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(direct) = self.0.upgrade().map(Direct) else { return Ok(()) };
        let mut learned = direct.learned();
        if matches!(*learned, Learned::Nothing) {
            *learned = Common::of(context, components, config)
                .map_or(Learned::Never, |common| Learned::Common(Arc::new(common)));
        }
        Ok(())
    }
}
