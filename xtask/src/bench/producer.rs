//! What putting an event onto a stream costs, in bytes and processor time, beside `async-kinesis` from the Python Package Index.

use std::fs::File;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::line::Line;
use super::place::Place;

/// Pins async-kinesis.
const REQUIREMENTS: &str = "tests/python/async-kinesis.txt";

/// The peer's program.
const PEER: &str = "tests/python/async_kinesis_producer.py";

/// Events that are sent in each way.
const EVENTS: &str = "200000";

pub(super) fn run(place: &Place) -> Result<Vec<Line>> {
    let python = place.python(REQUIREMENTS, "bench-async-kinesis")?;
    let events = place.target().join("bench-producer.ndjson");
    let headcount = place.headcount()?;
    place.say(format_args!("{EVENTS} events: generating"));
    let output = File::create(&events).with_context(|| format!("cannot write {}", events.display()))?;
    let mut generate = Command::new(headcount);
    generate.args(["generate", "--events", EVENTS, "--invalid", "0", "--duplicates", "0"]);
    let status = generate.stdout(output).status().context("cannot generate events")?;
    if !status.success() {
        bail!("no events: {status}");
    }
    let program = place.root().join(PEER);
    let peer =
        ["--peer", "async-kinesis 3.0.1", &python.to_string_lossy(), &program.to_string_lossy()].map(str::to_owned);
    let events = ["--events".to_owned(), events.to_string_lossy().into_owned()];
    let arguments: Vec<_> = events.iter().chain(&peer).map(String::as_str).collect();
    place.measure_part("producer", &arguments)
}
