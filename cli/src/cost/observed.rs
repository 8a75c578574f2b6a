//! What table and log tell about their load: the last full days, the newest of them looked at more closely.

use std::time::Duration;

use headcount_core::calendar::{day_of, days_before};
use headcount_core::event::Event;
use headcount_core::partial::PartialRecord;
use headcount_log::{Log, LogError};
use headcount_query::{Deps, Range, get_platform_metrics};
use headcount_runtime::clock::Clock;
use headcount_store::dynamo::DynamoStore;
use headcount_store::traits::{MetaStore as _, PartialStore as _};
use serde_json::json;
use tokio::time::Instant;

use crate::failure::Failure;

/// Full days that are looked at.
const DAYS: u64 = 7;

/// How long the log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(30);

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

/// Reads it: a few requests, however large table and log are. Without the log, how large events are is not seen.
pub(crate) async fn observe(store: &DynamoStore, log: Option<&Log>) -> Result<Observed, Failure> {
    let meta = store.read_meta().await.map_err(Failure::said)?.ok_or_else(no_events)?;
    let today = day_of(meta.deployment.zone, Clock::system().now_ms()).ok_or_else(no_events)?;
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
    let partials = store.partials_page(meta.table, last, None).await.map_err(Failure::said)?;
    let of_shards: Vec<_> = partials.items.iter().filter(|partial| partial.source.is_shard()).collect();
    let event_bytes = match (log, of_shards.first()) {
        (Some(log), Some(partial)) => event_bytes(log, partial).await?,
        _ => None,
    };
    // As far as one page lists them.
    let all_listed = partials.next.is_none() && !of_shards.is_empty();
    Ok(Observed {
        days,
        events_per_day: sums[0] / days as f64,
        users: sums[1] / days as f64,
        new_users: sums[2] / sums[0],
        invalid: sums[3] / sums[0],
        event_bytes,
        sources: all_listed.then_some(of_shards.len() as u32),
        precision: meta.deployment.precision,
    })
}

/// Bytes of an event, in the mean of the last entry that the partial was made of; none where it is gone.
async fn event_bytes(log: &Log, partial: &PartialRecord) -> Result<Option<f64>, Failure> {
    let deadline = Instant::now() + LOG_PATIENCE;
    log.deployment(deadline).await.map_err(Failure::said)?;
    let entry = match log.read(&partial.source, partial.as_of, deadline).await {
        Ok(entry) => entry,
        Err(LogError::Damaged { .. }) => return Ok(None),
        Err(error) => return Err(Failure::said(error)),
    };
    let opened = entry.open().map_err(Failure::said)?;
    let content = opened.content().map_err(Failure::said)?;
    let events = content.days.values().flat_map(|day| &day.events);
    let bytes: Vec<f64> = events.map(|(_, event)| json_bytes(event)).collect();
    Ok((!bytes.is_empty()).then(|| bytes.iter().sum::<f64>() / bytes.len() as f64))
}

/// Bytes of the event as JSON, as a producer sends it.
fn json_bytes(event: &Event<'_>) -> f64 {
    let mut json = json!({
        "eventId": event.id, "userId": event.user_id,
        "eventType": event.event_type.as_str(), "timestamp": event.timestamp_ms,
        "eventData": event.event_data.to_object(), "metadata": event.metadata.to_object(),
    });
    if let Some(session_id) = &event.session_id {
        json["sessionId"] = json!(session_id);
    }
    json.to_string().len() as f64
}

fn no_events() -> Failure {
    Failure::new(
        format!("the table has no figures of the last {DAYS} full days"),
        "give --events-per-day, or run `headcount rollup` once events of a full day are in",
    )
}
