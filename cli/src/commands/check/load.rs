//! How busy the table was, from its daily figures.

use headcount_core::calendar::day_of;
use headcount_query::{Deps, Range, get_platform_metrics};
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::MetaStore as _;

use crate::check::seen::Load;
use crate::failure::Failure;

/// Days that are looked at, today among them.
const DAYS: u64 = 7;

const HOUR_S: f64 = 3_600.0;

/// The busiest hour; none where nothing was counted yet.
pub(super) async fn of(store: &DynamoStore) -> Result<Option<Load>, Failure> {
    let Some(meta) = store.read_meta().await.map_err(Failure::said)? else { return Ok(None) };
    let Some(today) = day_of(meta.deployment.zone, Clock::system().now_ms()) else { return Ok(None) };
    let week = Range::ending(today, DAYS).map_err(Failure::said)?;
    let metrics = get_platform_metrics(&Deps::new(store.clone()), week, false).await.map_err(Failure::said)?;
    let hours = metrics.days.iter().flat_map(|day| &day.metrics.figures.events_by_hour);
    let busiest = hours.max().copied().unwrap_or_default();
    Ok((busiest > 0).then_some(Load { peak_rate: busiest as f64 / HOUR_S }))
}
