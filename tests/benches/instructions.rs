//! Instructions of the inner loops, counted by valgrind's callgrind: the same on every run of one build, however busy the machine is. A
//! file keeps them, so that a change shows where it is reviewed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use headcount_core::counters::Counters;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_core::record::OpenedRecord;
use headcount_core::session_sample::SessionSample;
use headcount_core::user_sketch::UserSketch;
use headcount_core::validate::{Accepted, Arrival, Rules, validate};
use serde_json::json;

/// Now, and when all events happen.
const NOW_MS: i64 = 1_772_323_200_000;

/// Events of a fixture.
const EVENTS: usize = 100;

/// How much more than is kept in the file a loop may take, as a share.
const MAX_GROWTH: f64 = 1.02;

#[derive(Parser)]
struct Arguments {
    /// Given by `cargo bench`; without it nothing is measured
    #[arg(long)]
    bench: bool,
    /// The file with what was counted last; it is written anew
    #[arg(long)]
    kept: Option<PathBuf>,
    /// Go through this loop, and do nothing else
    #[arg(long, requires = "times")]
    run: Option<String>,
    /// How often
    #[arg(long)]
    times: Option<usize>,
}

/// One inner loop.
struct Loop {
    name: &'static str,
    measures: &'static str,
    /// Rounds that are counted.
    rounds: usize,
    /// Things that a round does.
    things: usize,
    /// Prepares, and gives what a round does.
    prepare: fn() -> Box<dyn FnMut()>,
}

const LOOPS: [Loop; 10] = [
    Loop {
        name: "event",
        measures: "validating an ordinary event",
        rounds: 20,
        things: EVENTS,
        prepare: || validating(IpPolicy::Keep, ""),
    },
    Loop {
        name: "event-truncated",
        measures: "the same, its address truncated",
        rounds: 20,
        things: EVENTS,
        prepare: || validating(IpPolicy::Truncate, ""),
    },
    Loop {
        name: "event-by-rules",
        measures: "an event that needs mending",
        rounds: 20,
        things: EVENTS,
        prepare: || validating(IpPolicy::Keep, " "),
    },
    Loop { name: "record-packed", measures: "an event of a zstd record", rounds: 20, things: EVENTS, prepare: packed },
    Loop { name: "fold", measures: "counting an event", rounds: 20, things: EVENTS, prepare: folding },
    Loop { name: "counters", measures: "reading and writing counters", rounds: 20, things: 1, prepare: counters },
    Loop { name: "sketch-read", measures: "reading a dense sketch", rounds: 5, things: 1, prepare: reading_sketch },
    Loop { name: "sketch-write", measures: "writing a dense sketch", rounds: 5, things: 1, prepare: writing_sketch },
    Loop { name: "sketch-join", measures: "joining two dense sketches", rounds: 20, things: 1, prepare: joining },
    Loop { name: "sample", measures: "reading and writing a session sample", rounds: 20, things: 1, prepare: sample },
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(name), Some(times)) = (&arguments.run, arguments.times) {
        let one = LOOPS.iter().find(|one| one.name == name).context("no such loop")?;
        let mut round = (one.prepare)();
        (0..times).for_each(|_| round());
        return Ok(());
    }
    if !arguments.bench {
        return Ok(());
    }
    let path = arguments.kept.context("--kept is missing: the file with what was counted last")?;
    let kept = read(&path)?;
    let mut table = String::from(
        "# Instructions of one thing that each loop does, counted by callgrind. Written by `cargo xtask bench instructions`.\n",
    );
    for one in &LOOPS {
        eprintln!("instructions: {}", one.name);
        // The first round differs: memory is asked for, tables are filled.
        let count = count(one.name, one.rounds + 1)? - count(one.name, 1)?;
        let each = (count as f64 / (one.rounds * one.things) as f64).round();
        writeln!(table, "{}\t{each}", one.name)?;
        let mut line = json!({
            "name": format!("instructions/{}", one.name), "measures": one.measures, "unit": "instructions", "ours": each,
        });
        if let Some(kept) = kept.get(one.name) {
            line["peer"] = json!({"name": "kept in the file", "figure": kept});
            line["goal"] = json!({"ratioAtMost": MAX_GROWTH});
        }
        println!("{line}");
    }
    std::fs::write(&path, table).with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path) -> Result<BTreeMap<String, f64>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(BTreeMap::new()) };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, count) = line.split_once('\t').with_context(|| format!("{}: {line:?}", path.display()))?;
            Ok((name.to_owned(), count.parse()?))
        })
        .collect()
}

/// Instructions of this program when it goes through a loop so often.
fn count(name: &str, times: usize) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args(["--run", name, "--times", &times.to_string()]).env_clear();
    let output = command
        .output()
        .context("valgrind cannot be started: install it (Debian, Ubuntu: apt-get install valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    collected
        .context("valgrind does not say what it counted")?
        .1
        .trim()
        .parse()
        .context("valgrind's count is no number")
}

/// Events of about 400 bytes, of every type. `blank` stands in front of a text of each.
fn events(blank: &str) -> Vec<String> {
    let event = |n: usize| {
        let (kind, data) = match n % 5 {
            0 => (
                "page_view",
                json!({"path": format!("{blank}/projects/{n}/board"), "referrer": "https://example.com/"}),
            ),
            1 => (
                "feature_use",
                json!({"feature": format!("feature-{}", n % 12), "path": format!("{blank}/projects/{n}")}),
            ),
            2 => {
                ("content_create", json!({"contentType": "document", "title": format!("{blank}Notes of meeting {n}")}))
            }
            3 => (
                "ai_request",
                json!({"model": "large-2", "inputTokens": 1_200 + n, "outputTokens": 180, "cost": 0.0125, "prompt": format!("{blank}sum up")}),
            ),
            _ => ("error", json!({"errorType": "Timeout", "message": format!("{blank}no answer within {n} ms")})),
        };
        json!({
            "eventId": format!("0198f2b1-5c1e-7cc3-9b2a-2f5d3c1e{n:04x}"), "userId": format!("user-{n}"),
            "sessionId": format!("session-{n}-1"), "eventType": kind, "timestamp": NOW_MS - n as i64, "eventData": data,
            "metadata": {
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
                "ipAddress": format!("203.0.113.{}", n % 256), "platform": "web", "locale": "de-DE",
            },
        })
        .to_string()
    };
    (0..EVENTS).map(event).collect()
}

fn arrival() -> Arrival {
    Arrival {
        source: Source::shard("events", None, "shardId-000000000000").unwrap(),
        sequence: 7.into(),
        arrived_ms: NOW_MS,
    }
}

fn rules(policy: IpPolicy) -> Rules {
    Rules::default().with_ip_policy(policy)
}

fn validating(policy: IpPolicy, blank: &str) -> Box<dyn FnMut()> {
    let (events, arrival, rules) = (events(blank), arrival(), rules(policy));
    Box::new(move || {
        for event in &events {
            black_box(validate(black_box(event), &arrival, 0, &rules).expect("a valid event"));
        }
    })
}

fn packed() -> Box<dyn FnMut()> {
    let data = zstd::encode_all(events("").join("\n").as_bytes(), 3).expect("memory takes all");
    let (arrival, rules) = (arrival(), rules(IpPolicy::Keep));
    Box::new(move || {
        let opened = OpenedRecord::open(black_box(&data));
        assert_eq!(black_box(opened.decode(&arrival, &rules)).events.len(), EVENTS);
    })
}

fn accepted(events: &[String]) -> Vec<Accepted<'_>> {
    events.iter().map(|event| validate(event, &arrival(), 0, &rules(IpPolicy::Keep)).expect("a valid event")).collect()
}

fn partial() -> Partial {
    let date = chrono::DateTime::from_timestamp_millis(NOW_MS).expect("a time").date_naive();
    Partial::new(date, arrival().source, headcount_core::limits::DEFAULT_SKETCH_PRECISION).expect("a partial")
}

fn folding() -> Box<dyn FnMut()> {
    let events = events("");
    let mut partial = partial();
    let events: Vec<_> = accepted(&events).into_iter().map(|one| one.event.into_owned()).collect();
    Box::new(move || events.iter().for_each(|event| partial.fold(black_box(event), chrono_tz::UTC)))
}

fn counters() -> Box<dyn FnMut()> {
    let events = events("");
    let mut partial = partial();
    for one in accepted(&events) {
        partial.fold(&one.event, chrono_tz::UTC);
    }
    let stored = partial.counters.encode();
    Box::new(move || {
        let counters = Counters::decode(black_box(&stored)).expect("what was written is read");
        assert_eq!(counters.encode(), stored);
    })
}

/// A dense sketch of a new deployment's precision.
fn dense(seed: u64) -> UserSketch {
    let mut sketch = UserSketch::new(headcount_core::limits::DEFAULT_SKETCH_PRECISION).expect("a usual precision");
    let mut random = fastrand::Rng::with_seed(seed);
    (0..400_000).for_each(|_| sketch.insert_hash(random.u64(..)));
    UserSketch::decode(&sketch.encode()).expect("what was written is read")
}

fn reading_sketch() -> Box<dyn FnMut()> {
    let stored = dense(1).encode();
    Box::new(move || drop(black_box(UserSketch::decode(black_box(&stored)))))
}

fn writing_sketch() -> Box<dyn FnMut()> {
    let mut sketch = dense(1);
    Box::new(move || drop(black_box(sketch.encode())))
}

fn joining() -> Box<dyn FnMut()> {
    let (mut union, other) = (dense(1), dense(2));
    union.merge(&other);
    Box::new(move || union.merge(black_box(&other)))
}

fn sample() -> Box<dyn FnMut()> {
    let mut sample = SessionSample::default();
    (0..5_000).for_each(|n| sample.insert(&format!("session-{n}"), NOW_MS + n % 1_000 * 1_000));
    let stored = sample.encode();
    Box::new(move || {
        let sample = SessionSample::decode(black_box(&stored)).expect("what was written is read");
        assert_eq!(sample.encode(), stored);
    })
}
