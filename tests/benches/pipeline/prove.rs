//! The proof of a day from a log in a folder: processor time and memory for a day of millions of events.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::NaiveDate;
use headcount_core::event::{Event, EventType};
use headcount_core::limits::{DAY_MS, DEFAULT_SKETCH_PRECISION};
use headcount_core::origin::Source;
use headcount_log::entry::encode;
use headcount_log::{Content, EntryFacts, Log};
use headcount_proof::{Position, Proving, prove};
use headcount_runtime::compute::Compute;
use headcount_runtime::retry::Jitter;
use headcount_tests::processor;
use serde_json::json;
use tokio::time::Instant;

/// Shards of the day.
const SHARDS: u64 = 4;

/// Events of one entry.
const EVENTS_AN_ENTRY: u64 = 10_000;

/// 2026-03-10T00:00:00Z.
const START_MS: i64 = 1_773_100_800_000;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Events of the day
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Megabytes that the proof may use
    #[arg(long, default_value_t = 600)]
    memory: u64,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { events, memory } = arguments;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let log = Log::in_folder(folder.path(), Jitter::from_seed(1))?;
    let sources = fill(&log, events).await?;
    let date = NaiveDate::from_ymd_opt(2026, 3, 10).context("a date")?;
    let dates = BTreeSet::from([date]);
    std::fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be noted anew")?;
    let before = (processor::seconds(), Instant::now());
    let proving = Proving {
        log: &log,
        zone: chrono_tz::UTC,
        precision: DEFAULT_SKETCH_PRECISION,
        sources: &sources,
        dates: &dates,
        late_ms: DAY_MS,
        expected: events,
        memory: memory << 20,
        at_once: 8,
        compute: Compute::Pool,
        deadline: deadline(),
    };
    let proven = prove(proving).await?.remove(&date).context("the day")?;
    let (seconds, elapsed) = (processor::seconds() - before.0, before.1.elapsed().as_secs_f64());
    let counted = proven.figures.counters.events;
    ensure!(counted == events - events / 100, "{counted} events were counted, one in a hundred was sent twice");
    let peak = super::aggregator::memory("VmHWM")? / 1024.0;
    let millions = events as f64 / 1e6;
    print(
        "prove/cpu",
        &format!("CPU to prove a day of {millions} million events"),
        "s",
        seconds,
        json!(millions * 2.0),
    );
    print("prove/time", "elapsed meanwhile", "s", elapsed, json!(null));
    print("prove/memory", "peak of the process meanwhile", "MB", peak, json!(memory));
    Ok(())
}

fn print(name: &str, measures: &str, unit: &str, ours: f64, goal: serde_json::Value) {
    let mut line = json!({"name": name, "measures": measures, "unit": unit, "ours": ours});
    if !goal.is_null() {
        line["goal"] = json!({"atMost": goal});
    }
    println!("{line}");
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

/// One event in a hundred comes a second time.
async fn fill(log: &Log, events: u64) -> Result<Vec<Position>> {
    let mut positions = Vec::new();
    for shard in 0..SHARDS {
        let source = Source::shard("events", None, &format!("shardId-{shard:012}"))?;
        positions.push(Position { source, entry: 0, newest: 0 });
    }
    for batch in 0..events.div_ceil(EVENTS_AN_ENTRY) {
        let position = &mut positions[(batch % SHARDS) as usize];
        let mut content = Content::default();
        let day = content.days.entry(NaiveDate::from_ymd_opt(2026, 3, 10).context("a date")?).or_default();
        for index in 0..EVENTS_AN_ENTRY.min(events - batch * EVENTS_AN_ENTRY) {
            let n = batch * EVENTS_AN_ENTRY + index;
            // The one before it, which is no repetition itself.
            let n = if n % 100 == 99 { n - 1 } else { n };
            day.events.push((index as u32, event(n, events)));
        }
        position.newest += 1;
        position.entry = position.newest;
        let facts = EntryFacts {
            deployment: "bench".to_owned(),
            source: position.source.clone(),
            entry: position.newest,
            last: position.newest.into(),
            appended_ms: START_MS,
            arrived_ms: START_MS,
        };
        log.append(&position.source, position.newest, encode(&facts, &content), deadline()).await?;
    }
    Ok(positions)
}

/// A user has some ten sessions of some ten events.
fn event(n: u64, events: u64) -> Event<'static> {
    let at_ms = START_MS + (n * 79_200_000 / events) as i64;
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let session = mixed % (events / 10).max(1);
    Event {
        id: format!("{mixed:08x}-7c4e-7d63-9f1a-{n:012}").into(),
        user_id: format!("user-{}", session / 10).into(),
        session_id: Some(format!("session-{session}").into()),
        event_type: if n.is_multiple_of(3) { EventType::FeatureUse } else { EventType::PageView },
        account_id: None,
        timestamp_ms: at_ms,
        counted_ms: at_ms,
        priced_by: None,
        event_data: json!({"feature": format!("feature-{}", n % 40), "durationMs": n % 5_000}).into(),
        metadata: json!({
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "ipAddress": "203.0.113.0", "platform": if n.is_multiple_of(2) { "web" } else { "ios" }, "locale": "en-US",
        })
        .into(),
    }
}
