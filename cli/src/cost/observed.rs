//! What a table tells about its load: the last full days, the newest of them looked at more closely.

use chrono::NaiveDate;
use headcount_core::calendar::{day_of, days_before, end_of, start_of};
use headcount_query::{Deps, Range, get_platform_metrics};
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::{DeploymentStore as _, EventSpan, EventStore as _, PartialStore as _};
use serde_json::json;

use crate::failure::Failure;

/// Full days that are looked at.
const DAYS: u64 = 7;

/// What was seen, each as far as it could be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observed {
    pub(crate) days: usize,
    pub(crate) events_per_day: f64,
    pub(crate) users: f64,
    pub(crate) new_users: f64,
    pub(crate) invalid: f64,
    pub(crate) event_bytes: Option<f64>,
    pub(crate) sources: Option<u32>,
    pub(crate) precision: u8,
}

/// Reads it: a few requests, whatever the table's size.
pub(crate) async fn observe(store: &DynamoStore) -> Result<Observed, Failure> {
    let deployment = store.read_deployment().await.map_err(Failure::said)?.ok_or_else(no_events)?;
    let today = day_of(deployment.zone, Clock::system().now_ms()).ok_or_else(no_events)?;
    let week = Range::ending(days_before(today, 1), DAYS).map_err(Failure::said)?;
    let metrics = get_platform_metrics(&Deps::new(store.clone()), week, false).await.map_err(Failure::said)?;
    let (mut sums, mut days, mut last) = ([0.0; 4], 0, None);
    for day in metrics.days.iter().map(|day| &day.metrics) {
        let valid: u64 = day.figures.events_by_type.values().sum();
        if valid == 0 {
            continue;
        }
        let rejected = day.figures.rejected;
        for (sum, number) in
            sums.iter_mut().zip([valid + rejected, day.figures.active_users, day.figures.new_signups_24h, rejected])
        {
            *sum += number as f64;
        }
        (days, last) = (days + 1, Some(day.date));
    }
    let last = last.ok_or_else(no_events)?;
    let shards = deployment.write_shards.on(last);
    let span = EventSpan {
        date: last,
        shards,
        shard: 0,
        from_ms: start_of(deployment.zone, last),
        to_ms: end_of(deployment.zone, last),
    };
    let page = store.events_page(&span, None).await.map_err(Failure::said)?;
    let bytes: Vec<f64> = page.items.iter().map(|row| json_bytes(&row.event)).collect();
    let event_bytes = (!bytes.is_empty()).then(|| bytes.iter().sum::<f64>() / bytes.len() as f64);
    Ok(Observed {
        days,
        events_per_day: sums[0] / days as f64,
        users: sums[1] / days as f64,
        new_users: sums[2] / sums[0],
        invalid: sums[3] / sums[0],
        event_bytes,
        sources: sources(store, last, shards).await?,
        precision: deployment.precision,
    })
}

/// The sources of a day, as far as one page lists them.
async fn sources(
    store: &DynamoStore,
    date: NaiveDate,
    shards: headcount_core::keys::WriteShards,
) -> Result<Option<u32>, Failure> {
    let page = store.partials_page(date, shards, 0, None).await.map_err(Failure::said)?;
    // A file of history is a source as well, but no shard.
    let of_shards = page.items.iter().filter(|partial| !partial.source.as_str().starts_with("import/")).count();
    // With several write shards, sources are spread over keys: the first alone would tell too few.
    let all = page.next.is_none() && shards.count() == 1 && of_shards > 0;
    Ok(all.then_some(of_shards as u32))
}

/// Bytes of the event as JSON, as a producer sends it.
fn json_bytes(event: &headcount_core::event::Event<'_>) -> f64 {
    let json = json!({
        "eventId": event.id, "userId": event.user_id, "sessionId": event.session_id,
        "eventType": event.event_type.as_str(), "timestamp": event.timestamp_ms,
        "eventData": event.event_data.to_object(), "metadata": event.metadata.to_object(),
    });
    json.to_string().len() as f64
}

fn no_events() -> Failure {
    Failure::new(
        format!("the table has no figures of the last {DAYS} full days"),
        "give --events-per-day, or run `headcount rollup` once events of a full day are in",
    )
}
