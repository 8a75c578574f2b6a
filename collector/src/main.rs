//! The collector as a Lambda function behind a function URL: wires requests to the collector, and it to the stream.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use headcount_collector::config::Config;
use headcount_collector::{Collector, RETRY_FOR, Settings, WriteKeys};
use headcount_producer::{Producer, connect};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::secret::{FromSecret, REFRESH};
use http_body_util::Full;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Response, run, service_fn};
use tracing_subscriber::EnvFilter;

/// How long the events of a request wait for each other, so that they share a record. Nothing outlives a request here.
const LINGER: Duration = Duration::from_millis(2);

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
    let config = Config::read(|name| std::env::var(name).ok()).context("the collector cannot start")?;
    let settings = Producer::builder().submit_linger(LINGER).retry_for(RETRY_FOR);
    let producer =
        settings.build(&connect::kinesis(None).await, &config.stream).context("the collector cannot start")?;
    let collectors = match config.keys_secret {
        None => Collectors::Fixed(Arc::new(Collector::new(producer, config.settings))),
        Some(secret) => Collectors::of_secret(secret, producer, config.settings).await?,
    };
    let collectors = Arc::new(collectors);
    run(service_fn(move |request: Request| {
        let collectors = Arc::clone(&collectors);
        async move { Ok::<_, lambda_http::Error>(answer(&*collectors.current().await, request).await) }
    }))
    .await
}

/// The collector, and when it is another.
enum Collectors {
    /// Its keys never change while it runs.
    Fixed(Arc<Collector<Producer>>),
    /// Its keys are in a secret.
    OfSecret(FromSecret<Collector<Producer>>),
}

impl Collectors {
    async fn of_secret(secret: String, producer: Producer, settings: Settings) -> anyhow::Result<Self> {
        let with_keys = move |text: &str| {
            let keys = WriteKeys::parse(text).map_err(|error| error.to_string())?;
            if keys.is_empty() {
                return Err("it has no write key, and without one everybody could post".to_owned());
            }
            Ok(Collector::new(producer.clone(), Settings { keys, ..settings.clone() }))
        };
        let read = FromSecret::read(&ConnectOptions::default(), secret, REFRESH, with_keys).await;
        read.map(Self::OfSecret).context("the collector cannot start")
    }

    async fn current(&self) -> Arc<Collector<Producer>> {
        match self {
            Self::Fixed(collector) => Arc::clone(collector),
            Self::OfSecret(collectors) => collectors.current().await,
        }
    }
}

async fn answer(collector: &Collector<Producer>, request: Request) -> Response<Body> {
    let source = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok()),
        _ => None,
    };
    let (head, body) = request.into_parts();
    let body = Full::new(Bytes::from(body.to_vec()));
    let peer = source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    // As bytes, answers travel in base64. Only those in Protobuf are no text.
    collector.answer(&head, body, peer).await.map(|answer| match String::from_utf8(answer.into()) {
        Ok(text) => Body::Text(text),
        Err(binary) => Body::Binary(binary.into_bytes()),
    })
}
