//! The aggregator over a table and a log in memory: a day of many sources rolled up, and a day folded anew from its log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::NaiveDate;
use headcount_aggregator::{Deps, Settings, rebuild, roll_up};
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::event::{Event, EventType};
use headcount_core::limits::DEFAULT_SKETCH_PRECISION;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_log::entry::encode;
use headcount_log::{Content, EntryFacts, Log};
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::traits::{MetaStore as _, PartialStore as _, Stamp};
use headcount_testkit::memory::MemoryStore;
use headcount_tests::processor;
use object_store::memory::InMemory;
use serde_json::json;
use tokio::time::Instant;

/// Sources of a large day, and of one with many more.
const SOURCES: [u32; 2] = [64, 640];

/// Partials of one page: a megabyte of dense ones.
const PARTIALS_A_PAGE: usize = 25;

/// Users of each source, so many that its sketch is dense.
const USERS: u64 = 100_000;

/// Sessions of each source, more than its sample keeps.
const SESSIONS: u64 = 6_000;

/// Events of the day that is folded anew, their sources, and those of one entry.
const EVENTS: u64 = 300_000;
const EVENT_SOURCES: u64 = 4;
const EVENTS_AN_ENTRY: u64 = 5_000;

/// How often the large day is rolled up; the mean is told.
const ROUNDS: u32 = 20;

/// Measures.
pub(crate) async fn run() -> Result<()> {
    let [few, many] = SOURCES;
    let day = day_of_sources(few).await?;
    let before = processor::seconds();
    for _ in 0..ROUNDS {
        rolled_up(&day, &empty_log()).await?;
    }
    let seconds = (processor::seconds() - before) / f64::from(ROUNDS);
    print("aggregator/roll-up", &format!("CPU to roll up a day of {few} dense sources"), "ms", seconds * 1e3, None);

    let mut peaks = Vec::new();
    for sources in SOURCES {
        let day = day_of_sources(sources).await?;
        // From here on the system notes the most memory anew.
        std::fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be noted anew")?;
        let before = memory("VmRSS")?;
        rolled_up(&day, &empty_log()).await?;
        peaks.push((memory("VmHWM")? - before) / 1e3);
    }
    let measures = format!("memory that rolling up {many} sources takes more than {few}");
    print("aggregator/roll-up-memory", &measures, "MB", peaks[1] - peaks[0], Some(json!({"atMost": 10.0})));

    let (day, log) = day_of_events().await?;
    let (begun, before) = (Instant::now(), processor::seconds());
    let rebuilt = rebuild(&deps(&day, &log), &[date()?], deadline()).await?;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), processor::seconds() - before);
    anyhow::ensure!(rebuilt.is_complete(), "a rebuild left something: {rebuilt:?}");
    let figure = EVENTS as f64 / wall;
    print("aggregator/rebuild", "events of a rebuilt day", "1/s", figure, Some(json!({"atLeast": 100_000.0})));
    print("aggregator/rebuild-cpu", "CPU of an event of a rebuilt day", "µs", cpu * 1e6 / EVENTS as f64, None);
    Ok(())
}

fn print(name: &str, measures: &str, unit: &str, ours: f64, goal: Option<serde_json::Value>) {
    let mut line = json!({"name": name, "measures": measures, "unit": unit, "ours": ours});
    if let Some(goal) = goal {
        line["goal"] = goal;
    }
    println!("{line}");
}

fn date() -> Result<NaiveDate> {
    "2026-03-10".parse().context("a date")
}

/// A moment of the day.
fn at(hour: u32) -> Result<i64> {
    Ok(date()?.and_hms_opt(hour, 0, 0).context("an hour")?.and_utc().timestamp_millis())
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

fn empty_log() -> Log {
    Log::new(Arc::new(InMemory::new()), Jitter::from_seed(1))
}

fn deps(store: &MemoryStore, log: &Log) -> Deps<MemoryStore> {
    // The evening of the day: it is open.
    let now = at(23).unwrap_or_default();
    let (clock, jitter) = (Clock::from_fn(move || now), Jitter::from_seed(1));
    Deps::new(log.clone(), store.clone(), clock, jitter, Settings::default())
}

async fn rolled_up(store: &MemoryStore, log: &Log) -> Result<()> {
    let done = roll_up(&deps(store, log), Some(&[date()?]), deadline()).await?;
    anyhow::ensure!(done.failed().next().is_none(), "a roll-up failed: {done:?}");
    Ok(())
}

fn source(n: u64) -> Result<Source> {
    Ok(Source::shard("events", None, &format!("shardId-{n:012}"))?)
}

const TABLE: TableId = TableId(1);

/// A table that belongs to the bench's deployment.
async fn table() -> Result<(MemoryStore, Deployment)> {
    let store = MemoryStore::with_page_items(PARTIALS_A_PAGE);
    let deployment = Deployment::new("bench".to_owned(), chrono_tz::UTC, "bench");
    store.create_meta(&TableMeta { deployment: deployment.clone(), table: TABLE }).await?;
    Ok((store, deployment))
}

async fn day_of_sources(sources: u32) -> Result<MemoryStore> {
    let (store, _) = table().await?;
    let mut random = fastrand::Rng::with_seed(7);
    let start = at(9)?;
    for n in 0..u64::from(sources) {
        let mut partial = Partial::new(date()?, source(n)?, DEFAULT_SKETCH_PRECISION)?;
        for _ in 0..USERS {
            partial.users.insert_hash(random.u64(..));
        }
        for session in 0..SESSIONS {
            partial.sessions.insert(&format!("{n}-{session}"), start + random.i64(0..3_600_000));
        }
        for feature in 0..50 {
            let name = format!("feature-{feature}");
            let event = event(n, &name, start);
            (0..3).for_each(|_| partial.counters.add(&event, chrono_tz::UTC));
        }
        partial.version = 1;
        partial.advance(1);
        let stamp = Stamp { now_ms: at(22)?, expires_s: at(22)? };
        store.write_partial(TABLE, &partial.encode(), 0, stamp).await?;
    }
    Ok(store)
}

fn event(n: u64, feature: &str, timestamp_ms: i64) -> Event<'static> {
    Event {
        id: format!("0198c5a1-7c4e-7d63-9f1a-{n:012}").into(),
        user_id: format!("user-{}", n % 30_000).into(),
        session_id: Some(format!("session-{}", n % 50_000).into()),
        event_type: EventType::FeatureUse,
        account_id: None,
        timestamp_ms,
        counted_ms: timestamp_ms,
        priced_by: None,
        event_data: json!({"feature": feature, "durationMs": n % 5_000}).into(),
        metadata: json!({
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "ipAddress": "203.0.113.0", "platform": "web", "locale": "en-US",
        })
        .into(),
    }
}

async fn day_of_events() -> Result<(MemoryStore, Log)> {
    let (store, deployment) = table().await?;
    let log = empty_log();
    log.open_deployment(&deployment, deadline()).await?;
    let (start, spread) = (at(0)?, 22 * 60 * 60 * 1_000 / EVENTS as i64);
    for n in 0..EVENTS / EVENTS_AN_ENTRY {
        let (source, entry) = (source(n % EVENT_SOURCES)?, n / EVENT_SOURCES + 1);
        let mut content = Content::default();
        for index in 0..EVENTS_AN_ENTRY {
            let id = n * EVENTS_AN_ENTRY + index;
            let event = event(id, &format!("feature-{}", id % 40), start + id as i64 * spread);
            content.days.entry(date()?).or_default().events.push((index as u32, event));
        }
        let facts = EntryFacts {
            deployment: deployment.id.clone(),
            source: source.clone(),
            entry,
            last: entry.into(),
            appended_ms: start,
            arrived_ms: start,
        };
        log.append(&source, entry, encode(&facts, &content), deadline()).await?;
    }
    Ok((store, log))
}

/// Kilobytes of memory, as the system names them.
pub(crate) fn memory(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("the system does not tell {name}"))
}
