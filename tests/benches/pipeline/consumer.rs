//! What the consumer's handler costs an event, in processor time of its process: from the JSON bytes of an invocation to
//! its answer, with the log in memory and against a table that answers at once, in a process of its own. Measured with event
//! items and without. Peers, whose programs are given, do the obvious part of the same job with the same bytes: decode,
//! parse, write by batches of 25.
//!
//! One thread does everything, as in a function with one processor.

mod events;
mod stub;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::Utc;
use clap::Args;
use fastrand::Rng;
use headcount_consumer::deps::{Deps, Settings};
use headcount_consumer::handler::respond;
use headcount_consumer::invocation;
use headcount_core::limits::DEFAULT_LOG_RETENTION_DAYS;
use headcount_core::validate::Rules;
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::Tables;
use headcount_tests::processor;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::time::Instant;

use events::{Form, Payload};
use stub::Stub;

const TABLE: &str = "headcount";

/// Events of an invocation: as many as fit into the 6 MB that Lambda hands a function, one a record.
const EVENTS: usize = 5_000;

/// Events of one packed record.
const PACKED: usize = 100;

/// Invocations before those that are measured: connections, the cache of users, the allocator.
const WARM_UP: usize = 8;

/// How often everybody runs, in turns; the fastest run counts: what the machine does besides only makes them longer.
const RUNS: usize = 5;

/// Microseconds of an event that are aimed at.
const GOAL: f64 = 6.0;

/// What is given.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Be the table
    #[arg(long)]
    stub: bool,
    /// How long each is measured, in seconds of its processor time
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Measure so many invocations of the plain form, and nothing else: for profilers
    #[arg(long)]
    invocations: Option<usize>,
    /// A peer's name, its interpreter, and its program, whose arguments are the endpoint, the table, a payload's file and
    /// the seconds
    #[arg(long, num_args = 3)]
    peer: Vec<String>,
}

/// Measures, or is the table.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    if arguments.stub {
        return stub::serve();
    }
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let one = Payload::new(&mut Rng::with_seed(7), 0, EVENTS, Form::Plain, Utc::now().timestamp_millis());
    let bytes = one.event_bytes / EVENTS;

    let until = arguments.invocations.map_or(Until::Seconds(arguments.seconds as f64), Until::Invocations);
    let ours = |form: Form, event_items: bool| {
        // A table of its own: it belongs to one log, and each measurement begins with an empty one.
        let stub = Stub::start()?;
        runtime.block_on(measure(&stub.endpoint, form, until, event_items))
    };
    if arguments.invocations.is_some() {
        return ours(Form::Plain, true).map(drop);
    }
    let folder = tempfile::tempdir()?;
    let payload = folder.path().join("payload.json");
    std::fs::write(&payload, &one.json)?;
    let peers: Vec<_> = arguments.peer.chunks(3).collect();
    let stub = Stub::start()?;
    let (mut least_plain, mut least_packed, mut least_of) =
        (f64::INFINITY, f64::INFINITY, vec![f64::INFINITY; peers.len()]);
    let mut least_without_items = f64::INFINITY;
    for run in 1..=RUNS {
        eprintln!("consumer: run {run} of {RUNS}: one event of {bytes} bytes a record");
        least_plain = least_plain.min(ours(Form::Plain, true)?);
        least_without_items = least_without_items.min(ours(Form::Plain, false)?);
        eprintln!("consumer: run {run} of {RUNS}: {PACKED} events a record");
        least_packed = least_packed.min(ours(Form::Packed(PACKED), false)?);
        for (peer, least) in peers.iter().zip(&mut least_of) {
            eprintln!("consumer: run {run} of {RUNS}: {}", peer[0]);
            *least = least.min(run_peer(peer, &stub.endpoint, &payload, arguments.seconds)?);
        }
    }

    let line = |name: &str, measures: &str, ours: f64, extra: Value| {
        let mut line =
            json!({"name": format!("consumer/{name}"), "measures": measures, "unit": "µs/event", "ours": ours});
        for (field, value) in extra.as_object().into_iter().flatten() {
            line[field] = value.clone();
        }
        println!("{line}");
    };
    let goal = json!({"atMost": GOAL});
    let one = format!("CPU, one event of {bytes} bytes a record");
    line("items", &format!("{one}, with event items"), least_plain, json!({}));
    line("log", &format!("{one}, without event items"), least_without_items, json!({"goal": goal}));
    line(
        "packed",
        &format!("CPU, {PACKED} events of {bytes} bytes a record, zstd, without event items"),
        least_packed,
        json!({"goal": goal}),
    );
    for (peer, figure) in peers.iter().zip(least_of) {
        let name = peer[0].split(' ').next().unwrap_or_default().to_lowercase();
        let measures = "CPU, one event a record; the peer neither validates nor counts";
        line(&name, measures, least_plain, json!({"peer": {"name": peer[0], "figure": figure}}));
    }
    Ok(())
}

/// When enough is measured.
#[derive(Clone, Copy)]
enum Until {
    /// After so many seconds of processor time.
    Seconds(f64),
    /// After so many invocations.
    Invocations(usize),
}

/// Microseconds of processor time an event.
async fn measure(endpoint: &str, form: Form, until: Until, event_items: bool) -> Result<f64> {
    let store = DynamoStore::new(connect(&ConnectOptions::local(endpoint)).await, Tables::one(TABLE));
    let settings = Settings {
        rules: Rules::default(),
        zone: None,
        project: "bench".to_owned(),
        log_retention_days: DEFAULT_LOG_RETENTION_DAYS,
        stream_generation: None,
        items: ItemOptions { event_items, user_index: true },
    };
    let log = Log::new(Arc::new(InMemory::new()), Jitter::from_entropy());
    let deps = Deps::new(log, store, Clock::system(), Jitter::from_entropy(), settings);
    let (mut random, mut seconds, mut events, mut measured) = (Rng::with_seed(7), 0.0, 0, 0);
    // Not every profiler stands a look at the clock.
    let clock = || if matches!(until, Until::Seconds(_)) { processor::seconds() } else { 0.0 };
    let warm_up = if matches!(until, Until::Seconds(_)) { WARM_UP } else { 1 };
    for n in 0_usize.. {
        // Events that came before would be dropped as duplicates.
        let payload = Payload::new(&mut random, n as u64, EVENTS, form, Utc::now().timestamp_millis());
        let began = clock();
        let batch = invocation::read(&payload.json, None)?;
        let answer = respond(&deps, batch, Instant::now() + Duration::from_mins(1)).await?;
        let took = clock() - began;
        ensure!(answer.batch_item_failures.is_empty(), "the handler failed: {answer:?}");
        if n < warm_up {
            continue;
        }
        (seconds, events, measured) = (seconds + took, events + EVENTS, measured + 1);
        let enough = match until {
            Until::Seconds(wanted) => seconds >= wanted,
            Until::Invocations(wanted) => measured >= wanted,
        };
        if enough {
            break;
        }
    }
    Ok(seconds * 1e6 / events as f64)
}

fn run_peer(peer: &[String], endpoint: &str, payload: &Path, seconds: u64) -> Result<f64> {
    let mut command = Command::new(&peer[1]);
    command.arg(&peer[2]).args([endpoint, TABLE]).arg(payload).arg(seconds.to_string());
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the peer failed ({})", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).context("the peer prints one JSON object")?;
    let figure = |name: &str| said[name].as_f64().with_context(|| format!("the peer does not say {name}"));
    Ok(figure("cpuSeconds")? * 1e6 / figure("events")?)
}
