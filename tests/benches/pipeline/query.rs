//! A year's figures of a product with a million users a month, from a table of this machine, by a client that has asked
//! nothing before.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chrono::{NaiveDate, Utc};
use headcount_core::calendar::{days, days_before};
use headcount_core::counters::{Counters, ModelUse};
use headcount_core::deployment::{Deployment, TableId, TableMeta};
use headcount_core::latency::ModelLatencies;
use headcount_core::limits::{ACCOUNT_SKETCH_PRECISION, DEFAULT_SKETCH_PRECISION};
use headcount_core::metrics::{DailyMetrics, DayInput};
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_local::table::{Table, TableOptions};
use headcount_query::{Deps, QueryError, Range, get_feature_usage, get_platform_metrics};
use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_store::rows::{DailyRow, MadeOf, SketchesRow, TotalRow};
use headcount_store::traits::{DailyStore as _, MetaStore as _};
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::Quiet;
use serde_json::{Value, json};

/// Days of the range.
const DAYS: u64 = 365;

/// Users that come within a month, and on a day.
const USERS: u64 = 1_000_000;
const USERS_A_DAY: u64 = 100_000;

/// How many different names a day has.
#[derive(Clone, Copy)]
struct Names {
    features: u32,
    content: u32,
    models: u32,
    errors: u32,
    platforms: u32,
}

/// As many as the events of `headcount generate`.
const AS_GENERATED: Names = Names { features: 12, content: 5, models: 4, errors: 6, platforms: 4 };

/// Far more than that.
const MANY_NAMES: Names = Names { features: 50, platforms: 50, ..AS_GENERATED };

/// How often each question is asked; the median is told.
const ROUNDS: usize = 21;

/// Measures.
pub(crate) async fn run() -> Result<()> {
    let table = Table::start(TableOptions::default()).await?;
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    create_tables(&connection, &Tables::one("headcount"), deadline).await?;
    let store = DynamoStore::new(connection, Tables::one("headcount"));
    let deployment = Deployment::new("bench".to_owned(), chrono_tz::UTC, "bench");
    store.create_meta(&TableMeta { deployment, table: TableId(1) }).await?;
    let today = Utc::now().date_naive();
    let year = Range::ending(today, DAYS)?;
    let mut random = fastrand::Rng::with_seed(6);
    for date in days(days_before(year.from, 29), today) {
        fill(&store, date, &mut random).await?;
    }
    let store = Faulty::new(store, Quiet);
    let requests = |store: &Faulty<DynamoStore>| store.requests().values().sum::<u64>();

    let counters_ms =
        async || median_ms(&store, async |deps: &Deps<_>| get_feature_usage(deps, year).await.map(drop)).await;
    print("query/counters", "a year's counters", "ms", counters_ms().await?, 100.0);
    let users =
        median_ms(&store, async |deps: &Deps<_>| get_platform_metrics(deps, year, false).await.map(drop)).await?;
    print("query/users", "a year's figures with its users", "ms", users, 300.0);

    for date in year.dates() {
        let counters = counters(MANY_NAMES, &mut random);
        store
            .inner()
            .put_daily(&daily(date, &counters, &SessionSample::default(), MadeOf { day: 2, proof: 0, month: 2 }))
            .await?;
    }
    let many = counters_ms().await?;
    print("query/counters-many-names", "a year's counters, 50 features, 50 platforms", "ms", many, 100.0);

    // One for each open day, side by side, and a few more.
    let store = Faulty::new(store.inner().clone(), Quiet);
    get_feature_usage(&Deps::new(store.clone()), year).await?;
    let asked = requests(&store);
    print("query/counters-requests", "requests for its counters", "requests", asked as f64, 16.0);
    get_platform_metrics(&Deps::new(store.clone()), year, false).await?;
    let users = (requests(&store) - asked) as f64;
    print("query/users-requests", "requests for its figures, in 3 waits", "requests", users, 22.0);
    Ok(())
}

/// How long a question takes a client that has asked nothing before.
async fn median_ms(
    store: &Faulty<DynamoStore>,
    ask: impl AsyncFn(&Deps<Faulty<DynamoStore>>) -> Result<(), QueryError>,
) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (deps, begun) = (Deps::new(store.clone()), Instant::now());
        ask(&deps).await?;
        times.push(begun.elapsed());
    }
    median(times)
}

/// A day of a busy product: something of everything in every hour.
fn counters(names: Names, random: &mut fastrand::Rng) -> Counters {
    let mut counters = Counters::default();
    for (kind, map, count) in [
        ("feature", &mut counters.features, names.features),
        ("content", &mut counters.content, names.content),
        ("error", &mut counters.errors, names.errors),
        ("platform", &mut counters.platforms, names.platforms),
    ] {
        (0..count).for_each(|n| map.add(&format!("{kind}-{n}"), &random.u64(1..100_000)));
    }
    for n in 0..names.models {
        let used = ModelUse {
            requests: random.u64(1..100_000),
            tokens: random.u64(1..100_000_000),
            cost_nanos: 12,
            ..ModelUse::default()
        };
        counters.models.add(&format!("model-{n}"), &used);
    }
    counters.by_hour.fill_with(|| random.u64(1..100_000));
    for event_type in ["page_view", "feature_use", "content_create", "ai_request", "error"] {
        counters.by_type.add(event_type, &random.u64(1..100_000));
    }
    counters
}

/// A day's figures as the aggregator stores them.
fn daily(date: NaiveDate, counters: &Counters, sessions: &SessionSample, made_of: MadeOf) -> DailyRow {
    let day = DailyMetrics::of_day(&DayInput {
        date,
        counters,
        users: USERS_A_DAY,
        users_relative_standard_error: 0.004,
        sessions,
        weekly_users: USERS_A_DAY,
        monthly_users: USERS,
        accounts: 0,
        accounts_relative_standard_error: 0.0,
        weekly_accounts: 0,
        monthly_accounts: 0,
        new_users: 1,
        total_users: USERS,
        sources_set_aside: 0,
        is_final: false,
    });
    DailyRow { date, data: day.to_object(), made_of, created_ms: 1, updated_ms: 1 }
}

/// Stores a day's results as the aggregator does.
async fn fill(store: &DynamoStore, date: NaiveDate, random: &mut fastrand::Rng) -> Result<()> {
    let mut users = UserSketch::new(DEFAULT_SKETCH_PRECISION)?;
    let mut sessions = SessionSample::default();
    for _ in 0..USERS_A_DAY {
        // A bijection on 64 bits, as good as a hash of the number.
        let user = random.u64(..USERS).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        users.insert_hash((user ^ (user >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    }
    let start = date.and_hms_opt(9, 0, 0).context("a morning")?.and_utc().timestamp_millis();
    for n in 0..3_000 {
        sessions.insert(&format!("{date}-{n}"), start);
        sessions.insert(&format!("{date}-{n}"), start + random.i64(0..3_600_000));
    }
    let made_of = MadeOf { day: 1, proof: 0, month: 1 };
    store.put_daily(&daily(date, &counters(AS_GENERATED, random), &sessions, made_of)).await?;
    let (users, sessions) = (users.encode(), sessions.encode());
    let accounts = UserSketch::new(ACCOUNT_SKETCH_PRECISION)?.encode();
    let latencies = ModelLatencies::default().encode();
    let row = SketchesRow { date, users, sessions, accounts, latencies, made_of_day: 1, updated_ms: 1 };
    store.put_sketches(&row).await?;
    store.put_total(&TotalRow { date, new_users: 1, made_of }).await?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Result<f64> {
    times.sort();
    let middle = times.get(times.len() / 2).context("something was measured")?;
    Ok(middle.as_secs_f64() * 1_000.0)
}

fn print(name: &str, measures: &str, unit: &str, ours: f64, at_most: f64) {
    let line: Value =
        json!({"name": name, "measures": measures, "unit": unit, "ours": ours, "goal": {"atMost": at_most}});
    println!("{line}");
}
