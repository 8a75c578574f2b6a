//! A client of DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder as ConfigBuilder;
use headcount_runtime::aws::{ConnectOptions, config_for};

use super::meter::Meter;
use super::refusal::Endpoint;

/// A client of DynamoDB. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
}

impl Connection {
    /// Where requests go, for messages: the endpoint, or the region.
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }
}

/// A client with these options. Nothing is sent yet: [`super::DynamoStore::check`] tells whether it works.
pub async fn connect(options: &ConnectOptions) -> Connection {
    connect_with(options, |config| config).await
}

/// As [`connect`], and what its requests consume is summed.
pub async fn connect_metered(options: &ConnectOptions) -> (Connection, Meter) {
    let meter = Meter::default();
    let connection = connect_with(options, |config| config.interceptor(meter.clone())).await;
    (connection, meter)
}

async fn connect_with(options: &ConnectOptions, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Connection {
    // The SDK takes an endpoint of the service's own from the environment without showing it.
    let of_service =
        ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"].into_iter().find_map(|name| std::env::var(name).ok());
    let of_service = of_service.filter(|_| options.endpoint.is_none());
    let config = config_for(options, of_service.as_deref()).await;
    let endpoint = Endpoint {
        url: of_service.or_else(|| config.endpoint_url().map(str::to_owned)),
        region: config.region().map(|region| region.as_ref().to_owned()),
    };
    Connection { client: Client::from_conf(change(ConfigBuilder::from(&config)).build()), endpoint }
}
