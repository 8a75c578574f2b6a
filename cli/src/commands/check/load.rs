//! How busy the table was, and what its newest events tell of users, from its daily figures.

use headcount_core::calendar::day_of;
use headcount_query::{Deps, Range, get_platform_metrics};
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::MetaStore as _;

use crate::check::seen::{DayEvents, Load, Seen};
use crate::failure::Failure;

/// Days that are looked at, today among them.
const DAYS: u64 = 7;

const HOUR_S: f64 = 3_600.0;

/// Days whose users are told: yesterday and today.
const NEWEST_DAYS: usize = 2;

/// Adds what the table tells: how long the log keeps an entry, the busiest hour, and the newest days.
pub(super) async fn look(store: &DynamoStore, seen: &mut Seen) -> Result<(), Failure> {
    let Some(meta) = store.read_meta().await.map_err(Failure::said)? else { return Ok(()) };
    seen.log_days = Some(meta.deployment.log_retention_days);
    let Some(today) = day_of(meta.deployment.zone, Clock::system().now_ms()) else { return Ok(()) };
    let week = Range::ending(today, DAYS).map_err(Failure::said)?;
    let metrics = get_platform_metrics(&Deps::new(store.clone()), week, false).await.map_err(Failure::said)?;
    let hours = metrics.days.iter().flat_map(|day| &day.metrics.figures.events_by_hour);
    let busiest = hours.max().copied().unwrap_or_default();
    let newest = &metrics.days[metrics.days.len().saturating_sub(NEWEST_DAYS)..];
    let newest = newest.iter().map(|day| &day.metrics).map(|day| DayEvents {
        date: day.date,
        events: day.figures.events_by_hour.iter().sum(),
        without_user: day.figures.events_without_user,
    });
    seen.load = (busiest > 0).then_some(Load { peak_rate: busiest as f64 / HOUR_S });
    seen.days = newest.collect();
    Ok(())
}
