//! How busy the table was, from its daily figures.

use headcount_core::calendar::{day_of, days_before};
use headcount_query::platform::platform_metrics;
use headcount_store::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::DeploymentStore as _;

use crate::check::seen::Load;
use crate::failure::Failure;

/// Days that are looked at, today among them.
const DAYS: u64 = 7;

const HOUR_S: f64 = 3_600.0;

/// The busiest hour; none where nothing was counted yet.
pub(super) async fn of(store: &DynamoStore) -> Result<Option<Load>, Failure> {
    let Some(deployment) = store.read_deployment().await.map_err(Failure::said)? else { return Ok(None) };
    let Some(today) = day_of(deployment.zone, Clock::system().now_ms()) else { return Ok(None) };
    let metrics = platform_metrics(store, days_before(today, DAYS - 1), today).await.map_err(Failure::said)?;
    let busiest = metrics.days.iter().flat_map(|day| &day.figures.events_by_hour).max().copied().unwrap_or_default();
    let write_shards = deployment.write_shards.on(today).count();
    Ok((busiest > 0).then_some(Load { peak_rate: busiest as f64 / HOUR_S, write_shards }))
}
