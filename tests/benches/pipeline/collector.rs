//! How many events a second the collector accepts: one core serves, the other sends, and is the stream.
//!
//! The collector is the real command, with its real producer. Events come by keep-alive connections in batches of 100, as
//! NDJSON of about 400 bytes each, and count when they were answered with 202: on the stream. The same as batches of Segment's, as
//! its SDKs send them, must go at least half as fast.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use chrono::{SecondsFormat, Utc};
use clap::Args;
use headcount_local::stream::{Stream, StreamOptions};
use serde_json::json;

const STREAM: &str = "headcount-events";

/// Events in one request.
const BATCH: u64 = 100;

/// Connections at once: a batch waits up to 20 ms for company, so one alone could not go faster than that.
const CONNECTIONS: u64 = 32;

/// Events a second that are aimed at.
const GOAL: f64 = 20_000.0;

/// How much slower than native events those of Segment may be.
const SEGMENT_SHARE: f64 = 0.5;

/// The format of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Native,
    Segment,
}

impl Format {
    fn path(self) -> &'static str {
        match self {
            Self::Native => "/v1/events",
            Self::Segment => "/v1/batch",
        }
    }

    /// The status of a success.
    fn accepted(self) -> u16 {
        match self {
            Self::Native => 202,
            Self::Segment => 200,
        }
    }

    fn batch(self, from: u64) -> String {
        match self {
            Self::Native => batch(from),
            Self::Segment => segment_batch(from),
        }
    }
}

/// What is given.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The command `headcount`
    #[arg(long)]
    program: PathBuf,
    /// How long events are sent, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    pin(std::process::id(), 1);
    let stream = Stream::start(StreamOptions::new(STREAM, 4)).await?;
    let mut collector = Collector::start(&arguments.program, &stream.endpoint())?;
    pin(collector.child.id(), 0);
    let host = collector.host.clone();
    let lasting = Duration::from_secs(arguments.seconds);
    let before = collector.cpu_seconds();
    let sending = tokio::task::spawn_blocking({
        let host = host.clone();
        move || send(&host, lasting, Format::Native)
    });
    let (accepted, mut took) = sending.await??;
    let cpu = collector.cpu_seconds().zip(before).map(|(after, before)| after - before);
    took.sort_by(f64::total_cmp);
    let rate = accepted as f64 / lasting.as_secs_f64();
    let line = |name: &str, measures: &str, unit: &str, ours: f64| json!({"name": format!("collector/{name}"), "measures": measures, "unit": unit, "ours": ours});
    let mut accepted_line = line("accepted", "batches of 100, one core serving", "events/s", rate);
    accepted_line["goal"] = json!({"atLeast": GOAL});
    println!("{accepted_line}");
    println!("{}", line("p50", "request to 202", "ms", quantile(&took, 0.5)));
    println!("{}", line("p99", "request to 202", "ms", quantile(&took, 0.99)));
    if let Some(cpu) = cpu {
        println!("{}", line("cpu", "CPU of an event", "us", cpu * 1_000_000.0 / accepted as f64));
    }
    let sending = tokio::task::spawn_blocking(move || send(&host, lasting, Format::Segment));
    let of_segment = sending.await??.0 as f64 / lasting.as_secs_f64();
    let mut segment_line = line("segment", "the same as batches of Segment's", "events/s", of_segment);
    segment_line["goal"] = json!({"atLeast": rate * SEGMENT_SHARE});
    println!("{segment_line}");
    collector.stop()?;
    stream.stop().await;
    Ok(())
}

/// Sends from all connections until the time is over. Events that were accepted, and milliseconds of each request.
fn send(host: &str, lasting: Duration, format: Format) -> Result<(u64, Vec<f64>)> {
    let accepted = AtomicU64::new(0);
    let until = Instant::now() + lasting;
    let took = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let accepted = &accepted;
                scope.spawn(move || one_client(host, client, until, accepted, format))
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect::<Result<Vec<_>>>()
    })?;
    Ok((accepted.into_inner(), took.concat()))
}

fn one_client(host: &str, client: u64, until: Instant, accepted: &AtomicU64, format: Format) -> Result<Vec<f64>> {
    let mut socket = TcpStream::connect(host)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut took = Vec::new();
    let mut number = client << 32;
    while Instant::now() < until {
        let body = format.batch(number);
        number += BATCH;
        let began = Instant::now();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nContent-Length: {}\r\n\r\n",
            format.path(),
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(body.as_bytes())?;
        let status = answer(&mut socket)?;
        ensure!(status == format.accepted(), "a batch was answered with {status}");
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        accepted.fetch_add(BATCH, Ordering::Relaxed);
    }
    Ok(took)
}

/// Events of about 400 bytes, one a line.
fn batch(from: u64) -> String {
    let at = Utc::now().timestamp_millis();
    (from..from + BATCH)
        .map(|n| {
            let user = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
            format!(
                r#"{{"eventId":"{n:032x}","userId":"user-{user}","sessionId":"session-{user:x}-{at:x}","eventType":"feature_use","timestamp":{at},"eventData":{{"feature":"export-{}","items":{},"filter":"{:016x}"}},"metadata":{{"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","ipAddress":"203.0.113.{}","platform":"web","language":"en-GB"}}}}"#,
                n % 7,
                n % 31,
                n.wrapping_mul(0xd6e8_feb8_6659_fd93),
                n % 250
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A batch of Segment's with the same events.
fn segment_batch(from: u64) -> String {
    let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let messages: Vec<String> = (from..from + BATCH)
        .map(|n| {
            let user = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
            format!(
                r#"{{"type":"track","messageId":"{n:032x}","userId":"user-{user}","event":"export-{}","timestamp":"{at}","properties":{{"items":{},"filter":"{:016x}"}},"context":{{"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","ip":"203.0.113.{}","locale":"en-GB","library":{{"name":"analytics.js","version":"next-1.84.3"}},"page":{{"path":"/"}}}},"integrations":{{}}}}"#,
                n % 7,
                n % 31,
                n.wrapping_mul(0xd6e8_feb8_6659_fd93),
                n % 250
            )
        })
        .collect();
    format!(r#"{{"batch":[{}],"sentAt":"{at}","writeKey":"wk_0123456789abcdef"}}"#, messages.join(","))
}

/// The status of the next answer, its body read.
fn answer(socket: &mut TcpStream) -> Result<u16> {
    let mut bytes = Vec::with_capacity(16 << 10);
    let mut chunk = [0; 16 << 10];
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        let read = socket.read(&mut chunk)?;
        ensure!(read > 0, "the collector hung up");
        bytes.extend_from_slice(&chunk[..read]);
    };
    let text = str::from_utf8(&bytes[..head])?.to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")).context("an answer has a length")?;
    let mut left = (head + length.trim().parse::<usize>()?).saturating_sub(bytes.len());
    while left > 0 {
        let most = left.min(chunk.len());
        let read = socket.read(&mut chunk[..most])?;
        ensure!(read > 0, "the collector hung up");
        left -= read;
    }
    Ok(text.split(' ').nth(1).context("an answer has a status")?.parse()?)
}

/// The real command, running.
struct Collector {
    child: Child,
    host: String,
}

impl Collector {
    fn start(program: &Path, kinesis: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["collector", "--port", "0", "--local", "--stream", STREAM, "--kinesis-endpoint", kinesis]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let out = child.stdout.take().context("its output is piped")?;
        let mut collector = Self { child, host: String::new() };
        let mut lines = BufReader::new(out).lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, address)) = line.trim().split_once("events    http://") {
                address.trim_end_matches("/v1/events").clone_into(&mut collector.host);
                // A collector that nobody reads any more would stop.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(collector);
            }
        }
        anyhow::bail!("the collector did not say where it listens")
    }

    /// Seconds that it has worked, of the kernel's hundredths; none where there is no such kernel.
    fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / 100.0)
    }

    fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Keeps a process, and the threads that it has and will have, on one core, where the system can.
fn pin(process: u32, core: u32) {
    let pinned = Command::new("taskset").args(["-a", "-p", "-c", &core.to_string(), &process.to_string()]).output();
    if !pinned.is_ok_and(|output| output.status.success()) {
        eprintln!("collector: no core of its own (taskset is not there)");
    }
}

/// The value that this share of the sorted ones does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}
