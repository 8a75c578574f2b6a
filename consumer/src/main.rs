//! The consumer as a Lambda function: wires the handler to DynamoDB and to the runtime.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use headcount_consumer::config::Config;
use headcount_consumer::delivery::Delivery;
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::{HandleError, handle};
use headcount_consumer::payload::Payload;
use headcount_store::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{ConnectOptions, connect};
use headcount_store::retry::Jitter;
use headcount_store::telemetry::Telemetry;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
    let config = Config::read(|name| std::env::var(name).ok()).context("the consumer cannot start")?;
    let telemetry = Telemetry::start(&config.settings.project)?;
    let connection = connect(&ConnectOptions::default()).await;
    let store = DynamoStore::new(connection, config.tables);
    let deps = Arc::new(Deps::new(store, Clock::system(), Jitter::from_entropy(), config.settings));
    let payload = Payload::default();
    let layer = payload.clone();
    let handler = service_fn(move |event: LambdaEvent<()>| {
        let (deps, json) = (deps.clone(), payload.take());
        async move {
            let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
            // Without its type: together with the runtime's own it would be too deep for the compiler.
            let handled: Pin<Box<dyn Future<Output = _> + Send>> =
                Box::pin(async move { handle(&deps, Delivery::from_json(&json), Instant::now() + left).await });
            let handled = handled.await;
            telemetry.flush();
            handled.map_err(|error: HandleError| Diagnostic {
                error_type: "HandleError".to_owned(),
                error_message: error.to_string(),
            })
        }
    });
    Runtime::new(handler).layer(TracingLayer::new()).layer(layer).run().await
}
