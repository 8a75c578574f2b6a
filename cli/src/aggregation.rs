//! What the commands hand to the aggregator.

use std::time::Duration;

use headcount_aggregator::config::{Config, EVENTS_TABLE, LOG, METRICS_TABLE};
use headcount_aggregator::{Deps, Settings};
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use tokio::time::Instant;

use crate::args::{DeploymentArgs, TableArgs, TablesArgs};
use crate::connect;
use crate::failure::Failure;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_hours(1);

/// Log and table of the command line, and the settings of the Lambda function's own environment variables: lateness and
/// retention decide when a day is final, and must be the deployment's.
pub(crate) async fn deps(args: &DeploymentArgs) -> Result<Deps<DynamoStore>, Failure> {
    let DeploymentArgs { table, log } = args;
    let log = connect::log(&table.services, log).await?;
    deps_over(connect::table(table).await?, log, table)
}

/// The same over a log and a table that are connected already.
pub(crate) fn deps_over(store: DynamoStore, log: Log, args: &TableArgs) -> Result<Deps<DynamoStore>, Failure> {
    let TablesArgs { dynamodb, metrics_table } = &args.tables;
    let settings = settings(&dynamodb.table, metrics_table.as_deref())?;
    Ok(Deps::new(log, store, Clock::system(), Jitter::from_entropy(), settings))
}

/// The settings of the Lambda function's own environment variables, for these tables.
pub(crate) fn settings(events: &str, metrics: Option<&str>) -> Result<Settings, Failure> {
    let variable = |name: &str| match name {
        EVENTS_TABLE => Some(events.to_owned()),
        METRICS_TABLE => metrics.map(str::to_owned),
        // It is open already, but has to be set.
        LOG => Some("open".to_owned()),
        _ => std::env::var(name).ok(),
    };
    Ok(Config::read(variable).map_err(Failure::said)?.settings)
}

/// How long a restore may take: it follows the whole log.
const RESTORE_PATIENCE: Duration = Duration::from_hours(48);

/// When a restore that begins now must have ended.
pub(crate) fn restore_deadline() -> Instant {
    Instant::now() + RESTORE_PATIENCE
}

/// When a run that begins now must have ended.
pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}
