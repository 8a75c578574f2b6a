//! User sketches: how big, how fast to join, and how exact, beside the crate that grows them and, where its program is
//! given, beside Apache's `datasketches`.

mod apache;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use headcount_core::user_sketch::UserSketch;
use hyperloglogplus::{HyperLogLog as _, HyperLogLogPlus};
use rayon::prelude::*;
use serde_json::{Value, json};

use apache::Apache;

/// The crate, as its peer lines name it.
const CRATE: &str = "hyperloglogplus 0.4.1";

/// Sketches that are counted for each number of users. The root mean square of so many is itself off by 2 in 100.
const TRIALS: u64 = 1_000;

/// The numbers of users.
const USERS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Days and sources of the month that is merged.
const MONTH: (usize, usize) = (30, 64);

/// Times that it is, and that two sketches are joined.
const MONTHS: usize = 10;
const JOINS: usize = 1_000;

/// The precision of a new deployment.
const PRECISION: u8 = headcount_core::limits::DEFAULT_SKETCH_PRECISION;

#[derive(Parser)]
struct Arguments {
    /// Given by `cargo bench`; without it nothing is measured
    #[arg(long)]
    bench: bool,
    /// Where the hashes begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The interpreter and the program of Apache's `datasketches`, whose argument is the number of trials
    #[arg(long, num_args = 2, value_names = ["PYTHON", "PROGRAM"])]
    peer: Vec<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        return Ok(());
    }
    eprintln!("seed {}", arguments.seed);
    let apache = match &arguments.peer[..] {
        [python, program] => Some(apache::ask(python, program)?),
        _ => None,
    };
    sizes(arguments.seed, apache.as_ref());
    joins(arguments.seed, apache.as_ref());
    month(arguments.seed);
    errors(arguments.seed);
    if let Some(apache) = &apache {
        joined_error(arguments.seed, apache);
    }
    Ok(())
}

fn print(line: &Value) {
    println!("{line}");
}

fn ours(precision: u8, hashes: impl Iterator<Item = u64>) -> UserSketch {
    let mut sketch = UserSketch::new(precision).expect("a usual precision");
    hashes.for_each(|hash| sketch.insert_hash(hash));
    sketch
}

type Theirs = HyperLogLogPlus<u64, std::hash::RandomState>;

fn random(seed: u64, count: u64) -> impl Iterator<Item = u64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(move |_| rng.u64(..))
}

/// The crate's sketch of as many users; which ones makes no difference to its size or speed.
fn theirs(precision: u8, builder: &std::hash::RandomState, seed: u64, count: u64) -> Theirs {
    let mut sketch = Theirs::new(precision, builder.clone()).expect("a usual precision");
    random(seed, count).for_each(|hash| sketch.insert(&hash));
    sketch.count();
    sketch
}

/// Stored bytes of a dense sketch. The crate keeps 6 bits a register, 5 in a word.
fn sizes(seed: u64, apache: Option<&Apache>) {
    for (precision, goal) in [(14, 6.2), (16, 23.7)] {
        let stored = ours(precision, random(seed, 1_000_000)).encode().len() as f64 / 1e3;
        let packed = f64::from((1u32 << precision).div_ceil(5) * 4) / 1e3;
        print(&json!({
            "name": format!("sketch/size-{precision}"), "measures": "stored, dense", "unit": "KB", "ours": stored,
            "peer": {"name": format!("{CRATE}, its registers"), "figure": packed}, "goal": {"atMost": goal},
        }));
        for (kind, peer, figures) in apache.into_iter().flat_map(Apache::kinds) {
            let goal = if kind == "hll" { json!({"ratioAtMost": 1.0}) } else { Value::Null };
            print(&json!({
                "name": format!("sketch/size-{precision}/{kind}"), "measures": "the same", "unit": "KB", "ours": stored,
                "peer": {"name": peer, "figure": figures.stored[&precision] / 1e3}, "goal": goal,
            }));
        }
    }
}

/// The shortest of many runs: what the machine does besides only makes them longer.
fn shortest(runs: usize, mut run: impl FnMut()) -> Duration {
    let once = |()| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    std::iter::repeat_n((), runs).map(once).min().unwrap_or_default()
}

fn joins(seed: u64, apache: Option<&Apache>) {
    let builder = std::hash::RandomState::new();
    for precision in [14, 16] {
        let (mut union, other) =
            (ours(precision, random(seed, 1_000_000)), ours(precision, random(seed + 1, 1_000_000)));
        let mut read = UserSketch::decode(&other.clone().encode()).expect("what was written is read");
        read.merge(&other);
        let mine = shortest(JOINS, || black_box(&mut union).merge(black_box(&read)));
        let (mut union, other) =
            (theirs(precision, &builder, seed, 1_000_000), theirs(precision, &builder, seed + 1, 1_000_000));
        let peer = shortest(JOINS, || drop(black_box(&mut union).merge(black_box(&other))));
        let mine = mine.as_secs_f64() * 1e6;
        print(&json!({
            "name": format!("sketch/merge-{precision}"), "measures": "joining two dense sketches", "unit": "µs",
            "ours": mine, "peer": {"name": CRATE, "figure": peer.as_secs_f64() * 1e6}, "goal": {"ratioAtMost": 0.05},
        }));
        for (kind, peer, figures) in apache.into_iter().flat_map(Apache::kinds) {
            print(&json!({
                "name": format!("sketch/merge-{precision}/{kind}"), "measures": "the same", "unit": "µs", "ours": mine,
                "peer": {"name": peer, "figure": figures.join[&precision]}, "goal": {"ratioAtMost": 1.0},
            }));
        }
    }
}

/// A month of sources from their stored bytes to its number of users, on one thread.
fn month(seed: u64) {
    let (days, sources) = MONTH;
    let stored: Vec<_> =
        (0..sources as u64).map(|source| ours(PRECISION, random(seed + source, 200_000)).encode()).collect();
    let took = shortest(MONTHS, || {
        let mut union = UserSketch::new(PRECISION).expect("a usual precision");
        for bytes in std::iter::repeat_n(&stored, days).flatten() {
            union.merge(&UserSketch::decode(bytes).expect("what was written is read"));
        }
        black_box(union.estimate());
    });
    print(&json!({
        "name": "sketch/month", "measures": format!("{days} days of {sources} dense sources, read and joined"), "unit": "s",
        "ours": took.as_secs_f64(), "goal": {"atMost": 0.25},
    }));
}

/// How far an estimate is off, in percent.
fn off(estimate: f64, users: u64) -> f64 {
    (estimate - users as f64) / users as f64 * 100.0
}

fn root_mean_square(off: &[f64]) -> f64 {
    (off.iter().map(|off| off * off).sum::<f64>() / off.len() as f64).sqrt()
}

/// The random numbers of one trial.
fn of_trial(seed: u64, trial: u64) -> u64 {
    seed.wrapping_mul(1_000_003) + trial
}

/// How far the number of users is off: root mean square, the 99th of 100, and on the whole.
fn errors(seed: u64) {
    for users in USERS {
        let one = |trial| off(ours(PRECISION, random(of_trial(seed, trial), users)).estimate(), users);
        let mut off: Vec<f64> = (0..TRIALS).into_par_iter().map(one).collect();
        let count = off.len() as f64;
        let bias = off.iter().sum::<f64>() / count;
        let rms = root_mean_square(&off);
        off.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
        let p99 = off[off.len() * 99 / 100 - 1].abs();
        let line = |what: &str, measures: &str, ours: f64, goal: f64| {
            print(&json!({
                "name": format!("sketch/{what}-{users}"), "measures": format!("{measures}, {users} users"), "unit": "%",
                "ours": ours, "goal": {"atMost": goal},
            }));
        };
        line("rms", "error, root mean square", rms, 0.45);
        line("p99", "error, 99 of 100 below", p99, 1.1);
        // The mean of so many trials is itself off by their deviation over its root: three of these are allowed.
        line("bias", "error on the whole", bias.abs(), 0.05 + 3.0 * rms / count.sqrt());
    }
}

/// How far it is off where the users are in two sketches that are joined, as those of sources and days are.
fn joined_error(seed: u64, apache: &Apache) {
    let one = |trial| {
        let mut hashes = random(of_trial(seed, trial), apache::USERS);
        let mut union = ours(PRECISION, hashes.by_ref().take((apache::USERS / 2) as usize));
        union.merge(&ours(PRECISION, hashes));
        off(union.estimate(), apache::USERS)
    };
    let off: Vec<f64> = (0..apache::TRIALS).into_par_iter().map(one).collect();
    let rms = root_mean_square(&off);
    for (kind, peer, figures) in apache.kinds() {
        print(&json!({
            "name": format!("sketch/joined-rms/{kind}"), "measures": format!("error, {} users in 2 sketches", apache::USERS),
            "unit": "%", "ours": rms, "peer": {"name": peer, "figure": figures.error},
        }));
    }
}
