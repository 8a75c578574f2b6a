//! How fast `headcount report` is, and in how much memory, beside DuckDB and chdb on the same file and the same cores.
//!
//! The peers count the same figures of events that they take as they are: they neither validate, sanitize nor deduplicate. Of
//! them only the queries are timed, of us the whole process. Everybody runs several times, in turns; the fastest run counts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::line::{Goal, Line, Peer};
use super::place::Place;

/// Pins DuckDB and chdb.
const REQUIREMENTS: &str = "tests/python/report-peers.txt";

/// The peers' program.
const PEER: &str = "tests/python/report_peer.py";

/// Runs ours, and tells what it took.
const MEASURED: &str = "tests/python/measured.py";

/// The peers, as the program knows them, and how many times as fast as each of them we want to be.
const PEERS: [(&str, Option<f64>); 2] = [("duckdb", Some(1.5)), ("chdb", None)];

/// Events of the file that all read; of about 400 bytes.
const EVENTS: u32 = 1_000_000;

/// Events of the file that shows whether memory is bounded: 4 GB.
const MANY_EVENTS: u32 = 10_000_000;

/// The most memory for them, in megabytes.
const MAX_MEGABYTES: f64 = 1_000.0;

/// How often everybody runs: a shared machine may give one run half as much again as the next.
const RUNS: usize = 7;

const MEGABYTE: f64 = 1_000_000.0;

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let program = place.headcount()?;
    let python = place.python(REQUIREMENTS, "bench-report-peers")?;
    let folder = Folder::make(place.target().join("bench-report"))?;
    let bench = Bench { place, python, program, folder: &folder.0 };
    let events = bench.generate(EVENTS, &["--invalid", "0", "--duplicates", "0"])?;
    // As they come: with invalid ones, and some twice.
    let mixed = bench.generate(EVENTS, &[])?;
    let mut lines = Vec::new();
    for threads in [1, 2] {
        lines.extend(bench.compare(&events, &mixed, threads)?);
    }
    fs::remove_file(&events).and_then(|()| fs::remove_file(&mixed)).context("cannot remove what was generated")?;
    let many = bench.generate(MANY_EVENTS, &["--days", "30"])?;
    let (took, _) = bench.ours(&many, 2)?;
    lines.push(Line {
        name: "report/memory".to_owned(),
        measures: format!("peak memory of {MANY_EVENTS} events, 2 threads"),
        unit: "MB".to_owned(),
        ours: took.peak_bytes / MEGABYTE,
        peer: None,
        goal: Some(Goal::AtMost(MAX_MEGABYTES)),
    });
    Ok(lines)
}

/// A folder that goes with all that is in it, whatever happens: it takes gigabytes.
struct Folder(PathBuf);

impl Folder {
    fn make(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run took.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Took {
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: f64,
}

/// What a peer says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    name: String,
    #[serde(flatten)]
    took: Took,
    events_by_type: Value,
    feature_usage: Value,
    platforms: Value,
    tokens_by_model: Value,
}

impl Said {
    /// Whether its figures are ours.
    fn agrees_with(&self, total: &Value) -> bool {
        let models = total["aiUsage"]["byModel"].as_object();
        let tokens: Value =
            models.into_iter().flatten().map(|(name, model)| (name.clone(), model["tokens"].clone())).collect();
        [
            (&self.events_by_type, &total["eventsByType"]),
            (&self.feature_usage, &total["featureUsage"]),
            (&self.platforms, &total["platforms"]),
            (&self.tokens_by_model, &tokens),
        ]
        .into_iter()
        .all(|(theirs, ours)| theirs == ours)
    }
}

struct Bench<'a> {
    place: &'a Place,
    python: PathBuf,
    program: PathBuf,
    folder: &'a Path,
}

impl Bench<'_> {
    fn generate(&self, events: u32, arguments: &[&str]) -> Result<PathBuf> {
        self.place.say(format_args!("{events} events {}: generating", arguments.join(" ")));
        let path = self.folder.join(format!("events-{events}-{}.ndjson", arguments.len()));
        let output = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut generate = Command::new(&self.program);
        generate.args(["generate", "--events", &events.to_string()]).args(arguments).stdout(output);
        let status = generate.status().context("cannot generate events")?;
        ensure!(status.success(), "no events: {status}");
        Ok(path)
    }

    /// All lines of one number of threads.
    fn compare(&self, events: &Path, mixed: &Path, threads: u32) -> Result<Vec<Line>> {
        let mut ours = Vec::new();
        let mut ours_mixed = Vec::new();
        let mut theirs: Vec<Vec<Said>> = PEERS.iter().map(|_| Vec::new()).collect();
        for run in 1..=RUNS {
            self.place.say(format_args!("{threads} threads, run {run} of {RUNS}"));
            let (took, total) = self.ours(events, threads)?;
            ours.push(took);
            ours_mixed.push(self.ours(mixed, threads)?.0);
            for ((peer, _), runs) in PEERS.iter().zip(&mut theirs) {
                let said = self.peer(peer, events, threads)?;
                ensure!(said.agrees_with(&total), "{peer} counts other figures: {said:?}, and we {total:#}");
                runs.push(said);
            }
        }
        let ours = fastest(ours)?;
        let line = |what: &str, measures: &str, unit: &str, figure| Line {
            name: format!("report/{threads}-threads/{what}"),
            measures: format!("{measures}, {threads} threads"),
            unit: unit.to_owned(),
            ours: figure,
            peer: None,
            goal: None,
        };
        let speed = |took: &Took| f64::from(EVENTS) / took.seconds;
        let mut lines = Vec::new();
        for ((peer, goal), runs) in PEERS.iter().zip(theirs) {
            let name = runs.first().map(|said| said.name.clone()).unwrap_or_default();
            let theirs = fastest(runs.into_iter().map(|said| said.took).collect())?;
            let beside = |line: Line, figure| Line { peer: Some(Peer { name: name.clone(), figure }), ..line };
            lines.extend([
                Line {
                    goal: goal.map(Goal::RatioAtLeast),
                    ..beside(line(peer, "events of 400 bytes", "events/s", speed(&ours)), speed(&theirs))
                },
                beside(line(&format!("{peer}/cpu"), "the same", "CPU s", ours.cpu_seconds), theirs.cpu_seconds),
                beside(
                    line(&format!("{peer}/memory"), "the same, peak", "MB", ours.peak_bytes / MEGABYTE),
                    theirs.peak_bytes / MEGABYTE,
                ),
            ]);
        }
        lines.push(line("mixed", "1 % invalid, 1 % twice", "events/s", speed(&fastest(ours_mixed)?)));
        Ok(lines)
    }

    /// Runs ours; what it took, and its total.
    fn ours(&self, events: &Path, threads: u32) -> Result<(Took, Value)> {
        let printed = self.folder.join("report.json");
        let mut command = self.python(MEASURED);
        command.arg(threads.to_string()).arg(&printed).arg(&self.program).arg("report").arg(events);
        command.args(["--json", "--threads", &threads.to_string()]);
        let took = said(&mut command)?;
        let report: Value = serde_json::from_slice(&fs::read(&printed)?).context("the report is no JSON")?;
        Ok((took, report["total"].clone()))
    }

    fn peer(&self, peer: &str, events: &Path, threads: u32) -> Result<Said> {
        said(self.python(PEER).arg(peer).arg(events).arg(threads.to_string()))
    }

    fn python(&self, program: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.place.root().join(program));
        command
    }
}

/// Runs a program that prints one JSON object.
fn said<T: for<'de> Deserialize<'de>>(command: &mut Command) -> Result<T> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?} prints one JSON object"))
}

fn fastest(runs: Vec<Took>) -> Result<Took> {
    runs.into_iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("nothing ran")
}
