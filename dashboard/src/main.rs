//! The API as a Lambda function behind its own address: wires the router to DynamoDB, to who may read and to the runtime.

use std::sync::Arc;

use anyhow::Context as _;
use headcount_dashboard::access::Access;
use headcount_dashboard::config::{AccessBy, Config};
use headcount_dashboard::token::ReadToken;
use headcount_dashboard::{Health, router};
use headcount_query::Deps;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::secret::{FromSecret, REFRESH};
use lambda_http::{Request, run, service_fn};
use tower_service::Service as _;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
    let config = Config::read(|name| std::env::var(name).ok()).context("the dashboard cannot start")?;
    let deps = Deps::from_environment(&config.table, &config.metrics_table).await;
    let secret = match config.access {
        AccessBy::Fixed(access) => return run(router(deps, *access, Health::default())).await,
        AccessBy::Secret(secret) => secret,
    };
    let of_token = move |text: &str| {
        let token = ReadToken::new(text).map_err(|error| error.to_string())?;
        Ok(router(deps.clone(), Access::by_token(token), Health::default()))
    };
    let routers = FromSecret::read(&ConnectOptions::default(), secret, REFRESH, of_token).await;
    let routers = Arc::new(routers.context("the dashboard cannot start")?);
    run(service_fn(move |request: Request| {
        let routers = Arc::clone(&routers);
        async move { routers.current().await.as_ref().clone().call(request).await }
    }))
    .await
}
