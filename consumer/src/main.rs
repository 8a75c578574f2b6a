//! The consumer as a Lambda function: wires the handler to the log, the table and the runtime.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use headcount_consumer::config::{Config, MEMORY, processors};
use headcount_consumer::deps::Deps;
use headcount_consumer::handler::{HandleError, respond};
use headcount_consumer::invocation;
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry::Telemetry;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

/// How long reading the price table may take.
const PRICES_TIME: Duration = Duration::from_secs(5);

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
    let log = Log::open(&config.log, Jitter::from_entropy()).await.context("the consumer cannot start")?;
    let config =
        config.with_price_table(&log, Instant::now() + PRICES_TIME).await.context("the consumer cannot start")?;
    let store = DynamoStore::new(connect(&ConnectOptions::default()).await, config.tables);
    let deps = Arc::new(Deps::new(log, store, Clock::system(), Jitter::from_entropy(), config.settings));
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let deps = deps.clone();
        async move {
            let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
            let deadline = Instant::now() + left;
            // Without its type: together with the runtime's own it would be too deep for the compiler.
            let handled: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
                let generation = deps.settings.stream_generation.as_deref();
                let batch = invocation::read(event.payload.get().as_bytes(), generation)?;
                respond(&deps, batch, deadline).await
            });
            let handled = handled.await;
            telemetry.flush();
            handled.map_err(|error: HandleError| Diagnostic {
                error_type: "HandleError".to_owned(),
                error_message: error.to_string(),
            })
        }
    });
    lambda_runtime::run(handler).await
}
