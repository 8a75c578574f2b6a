//! The aggregator as a Lambda function: wires the handler to the log, DynamoDB and the runtime.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use headcount_aggregator::budgets::Alarms;
use headcount_aggregator::config::Config;
use headcount_aggregator::deps::Deps;
use headcount_aggregator::handler::handle;
use headcount_aggregator::topic::Topic;
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_runtime::telemetry::Telemetry;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
    let config = Config::read(|name| std::env::var(name).ok()).context("the aggregator cannot start")?;
    let telemetry = Telemetry::start(&config.project)?;
    let log = Log::open(&config.log, Jitter::from_entropy()).await.context("the aggregator cannot start")?;
    let store = DynamoStore::new(connect(&ConnectOptions::default()).await, config.tables);
    let alarms = match config.alarm_topic {
        Some(arn) => Alarms::Topic(Topic::connect(arn, &ConnectOptions::default()).await),
        None => Alarms::Log,
    };
    let deps = Deps::new(log, store, Clock::system(), Jitter::from_entropy(), config.settings).with_alarms(alarms);
    let deps = Arc::new(deps);
    run(service_fn(move |event: LambdaEvent<Value>| {
        let deps = deps.clone();
        async move {
            let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
            let handled = handle(&deps, &event.payload, left).await;
            telemetry.flush();
            handled
        }
    }))
    .await
}
