//! How AWS is reached, for every service alike: endpoint, region, credentials, timeouts.

use std::fmt;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// How long setting up a connection may take, unless told otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one request may take in all, unless told otherwise.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// The region named to an endpoint that was given without one: it signs requests, and stand-ins do not care.
const FALLBACK_REGION: &str = "us-east-1";

/// How to reach AWS. What is not given here is taken from the standard AWS environment: variables, then the
/// profile files (with roles to assume), then a web identity token, the container's and the machine's own credentials.
/// Single sign-on and `credential_process` are not built in: export such credentials into the environment.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Another endpoint than the region's own, as `http://127.0.0.1:8000`.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Credentials to use as they are.
    pub credentials: Option<StaticCredentials>,
    /// How long setting up a connection may take.
    pub connect_timeout: Duration,
    /// How long one request may take in all.
    pub operation_timeout: Duration,
}

impl Default for ConnectOptions {
    /// All from the environment.
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            credentials: None,
            connect_timeout: CONNECT_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
        }
    }
}

impl ConnectOptions {
    /// For a stand-in on this machine, which takes any credentials. Nothing of the environment is used.
    ///
    /// ```
    /// use headcount_runtime::aws::ConnectOptions;
    /// let options = ConnectOptions::local("http://127.0.0.1:8000");
    /// assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:8000"));
    /// ```
    pub fn local(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: Some(endpoint.into()),
            region: Some(FALLBACK_REGION.to_owned()),
            credentials: Some(StaticCredentials {
                access_key_id: "local".to_owned(),
                secret_access_key: "local".to_owned(),
                session_token: None,
            }),
            ..Self::default()
        }
    }
}

/// An access key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session's token, for keys that expire.
    pub session_token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials")
    }
}

/// The SDK's configuration after these options, for clients of other services as well: its own retries are off,
/// because one method of a store is one request, and callers retry up to their own deadline.
pub async fn sdk_config(options: &ConnectOptions) -> SdkConfig {
    config_for(options, None).await
}

/// As [`sdk_config`], for a service whose own endpoint the environment names: the SDK takes it without showing it.
pub async fn config_for(options: &ConnectOptions, of_service: Option<&str>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        .operation_timeout(options.operation_timeout)
        .build();
    // Stalled streams are ended by the operation's timeout already.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts);
    let variable = |name: &str| std::env::var(name).ok();
    loader = if is_plain(options, of_service, variable) {
        loader.http_client(HttpClientBuilder::new().build_http())
    } else {
        loader.http_client(HttpClientBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
    };
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(given) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            &given.access_key_id,
            &given.secret_access_key,
            given.session_token.clone(),
            None,
            "headcount",
        ));
    }
    match (&options.region, &options.endpoint) {
        (Some(region), _) => loader = loader.region(Region::new(region.clone())),
        // The machine's metadata service is not asked: off AWS that takes seconds.
        (None, Some(_)) => {
            loader = loader.region(
                RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                    .or_else(ProfileFileRegionProvider::new())
                    .or_else(Region::new(FALLBACK_REGION)),
            );
        }
        (None, None) => {}
    }
    loader.load().await
}

/// Whether TLS is needed neither for the endpoint nor to get at credentials. A stand-in without it must work on a machine
/// without a single root certificate, where a client with it cannot even be made.
fn is_plain(options: &ConnectOptions, of_service: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let has_credentials =
        options.credentials.is_some() || (is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY"));
    has_credentials && options.endpoint.as_deref().or(of_service).is_some_and(|at| at.starts_with("http:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_left_out_only_where_nothing_needs_it() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let check = |endpoint: Option<&str>, of_service: Option<&str>, variables: &[(&str, &str)], plain: bool| {
            let options = ConnectOptions { endpoint: endpoint.map(str::to_owned), ..ConnectOptions::default() };
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(is_plain(&options, of_service, variable), plain, "{endpoint:?} {of_service:?} {variables:?}");
        };
        let (http, https) = (Some("http://127.0.0.1:8000"), Some("https://example.com"));
        check(http, None, &keys, true);
        check(None, http, &keys, true);
        // Credentials may come from anywhere else, over TLS.
        check(http, None, &keys[..1], false);
        check(None, http, &[], false);
        check(https, http, &keys, false);
        check(None, https, &keys, false);
        check(None, None, &keys, false);
        assert!(is_plain(&ConnectOptions::local("http://127.0.0.1:8000"), None, |_| None));
    }
}
