//! The API as a Lambda function behind its own address: wires the router to DynamoDB and to the runtime.

use anyhow::Context as _;
use headcount_dashboard::config::Config;
use headcount_dashboard::{Health, router};
use headcount_query::Deps;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
    let config = Config::read(|name| std::env::var(name).ok()).context("the dashboard cannot start")?;
    let deps = Deps::from_environment(&config.table, &config.metrics_table).await;
    lambda_http::run(router(deps, config.access, Health::default())).await
}
