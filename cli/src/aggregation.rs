//! What the commands hand to the aggregator.

use std::time::Duration;

use headcount_aggregator::Deps;
use headcount_aggregator::config::{Config, EVENTS_TABLE, METRICS_TABLE};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use tokio::time::Instant;

use crate::args::TableArgs;
use crate::connect;
use crate::failure::Failure;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_hours(1);

/// The table of the command line, and the settings of the Lambda function's own environment variables: lateness and
/// retention decide when a day is closed, and must be the deployment's.
pub(crate) async fn deps(args: &TableArgs) -> Result<Deps<DynamoStore>, Failure> {
    deps_over(connect::table(args).await?, args)
}

/// The same over a table that is connected already.
pub(crate) fn deps_over(store: DynamoStore, args: &TableArgs) -> Result<Deps<DynamoStore>, Failure> {
    let variable = |name: &str| match name {
        EVENTS_TABLE => Some(args.tables.dynamodb.table.clone()),
        METRICS_TABLE => args.tables.metrics_table.clone(),
        _ => std::env::var(name).ok(),
    };
    let settings = Config::read(variable).map_err(Failure::said)?.settings;
    Ok(Deps { store, clock: Clock::system(), jitter: Jitter::from_entropy(), settings })
}

/// When a run that begins now must have ended.
pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}
