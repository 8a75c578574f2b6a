//! The consumer as a Lambda function: wires the handler to DynamoDB and to the runtime.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use headcount_consumer::config::{Config, MEMORY, processors};
use headcount_consumer::delivery::Delivery;
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::{HandleError, handle};
use headcount_consumer::payload::Payload;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry::Telemetry;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::{ConnectOptions, connect};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use mimalloc::MiMalloc;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

/// The system's own takes a sixth more of the processor, and gives large blocks back after every invocation.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), lambda_runtime::Error> {
    let there = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = processors(std::env::var(MEMORY).ok().as_deref(), there);
    rayon::ThreadPoolBuilder::new().num_threads(processors).build_global().context("no threads to decode with")?;
    let mut runtime = if processors == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    let runtime = runtime.enable_all().build().context("no runtime")?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), lambda_runtime::Error> {
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
            let handled: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
                let delivery = Delivery::from_json(&json);
                drop(json);
                handle(&deps, delivery, Instant::now() + left).await
            });
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
