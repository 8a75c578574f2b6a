//! What a producer costs: bytes, time and processor time of each event, packed, aggregated and plain, against a stream that
//! answers at once, in a process of its own; and the same of a peer, whose program is given.

use std::io::{BufRead as _, BufReader as StdBufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use headcount_local::clients;
use headcount_producer::{NewEvent, Packing, Producer, ProducerError};
use headcount_tests::processor;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of an event on the wire, at most, packed.
const MAX_PACKED_BYTES: f64 = 90.0;

/// How many times as many events for the same processor time.
const MIN_TIMES_THE_PEER: f64 = 10.0;

const STREAM: &str = "events";

/// What is given.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Be the stream
    #[arg(long)]
    stream: bool,
    /// Events, one a line
    #[arg(long)]
    events: Option<PathBuf>,
    /// The peer's name, its Python, and its program
    #[arg(long, num_args = 3)]
    peer: Option<Vec<String>>,
}

/// Measures, or is the stream.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    if arguments.stream {
        return stream().await;
    }
    let path = arguments.events.context("--events is missing: a file of events")?;
    let text = std::fs::read_to_string(&path)?;
    let events: Vec<&str> = text.lines().collect();
    ensure!(!events.is_empty(), "{} is empty", path.display());
    let mean = text.len() / events.len();
    let (_stream, endpoint) = start_stream()?;

    let mut measured = Vec::new();
    for (name, packing) in [("packed", Packing::Zstd), ("KPL", Packing::Kpl), ("plain", Packing::Off)] {
        eprintln!("producer: {name}");
        // Once to warm up: connections, the allocator.
        send(&endpoint, packing, &events[..events.len() / 20]).await?;
        measured.push((name, send(&endpoint, packing, &events).await?));
    }
    let peer = match &arguments.peer {
        Some(peer) => Some((peer[0].as_str(), run_peer(peer, &endpoint, &path)?)),
        None => None,
    };
    for (name, figures) in measured {
        print(name, mean, &figures, peer.as_ref());
    }
    Ok(())
}

/// What sending cost.
struct Figures {
    bytes_per_event: f64,
    events_per_second: f64,
    cpu_micros_per_event: f64,
}

async fn send(endpoint: &str, packing: Packing, events: &[&str]) -> Result<Figures> {
    let producer = Producer::builder().queue_packing(packing).build(&clients::kinesis(endpoint), STREAM)?;
    let (began, cpu) = (Instant::now(), processor::seconds());
    for event in events {
        match producer.queue(NewEvent::from_json(*event)) {
            Ok(_) => {}
            Err(ProducerError::QueueFull { event, .. }) => drop(producer.queue_wait(event).await?),
            Err(error) => return Err(error.into()),
        }
    }
    producer.close(Duration::from_mins(5)).await?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), processor::seconds() - cpu);
    let (counts, count) = (producer.counts(), events.len() as f64);
    ensure!(counts.sent == events.len() as u64, "not all were sent: {counts:?}");
    Ok(Figures {
        bytes_per_event: counts.bytes as f64 / count,
        events_per_second: count / seconds,
        cpu_micros_per_event: cpu * 1e6 / count,
    })
}

fn run_peer(peer: &[String], endpoint: &str, events: &Path) -> Result<Figures> {
    eprintln!("producer: {}", peer[0]);
    let output =
        Command::new(&peer[1]).arg(&peer[2]).args([endpoint, STREAM]).arg(events).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the peer failed ({})", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).context("the peer prints one JSON object")?;
    let figure = |name: &str| said[name].as_f64().with_context(|| format!("the peer does not say {name}"));
    let events = figure("events")?;
    Ok(Figures {
        bytes_per_event: figure("bytes")? / events,
        events_per_second: events / figure("seconds")?,
        cpu_micros_per_event: figure("cpuSeconds")? * 1e6 / events,
    })
}

fn print(name: &str, mean: usize, ours: &Figures, peer: Option<&(&str, Figures)>) {
    let is_packed = name == "packed";
    let line = |what: &str, unit: &str, figure: fn(&Figures) -> f64, goal: Option<Value>| {
        let mut line = json!({
            "name": format!("producer/{name}/{what}"),
            "measures": format!("events of {mean} bytes, {name}"),
            "unit": unit,
            "ours": figure(ours),
        });
        if let Some((peer, theirs)) = peer {
            line["peer"] = json!({"name": peer, "figure": figure(theirs)});
        }
        if let Some(goal) = goal.filter(|_| is_packed) {
            line["goal"] = goal;
        }
        println!("{line}");
    };
    line("bytes", "bytes/event", |figures| figures.bytes_per_event, Some(json!({"atMost": MAX_PACKED_BYTES})));
    line("speed", "events/s", |figures| figures.events_per_second, None);
    line("cpu", "µs/event", |figures| figures.cpu_micros_per_event, None);
    let efficiency: fn(&Figures) -> f64 = |figures| 1e6 / figures.cpu_micros_per_event;
    let goal = peer.map(|_| json!({"ratioAtLeast": MIN_TIMES_THE_PEER}));
    line("efficiency", "events/CPU s", efficiency, goal);
}

/// A process that ends with this one.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_stream() -> Result<(Running, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["producer", "--bench", "--stream"])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("the stream has no output")?;
    let running = Running(child);
    let mut endpoint = String::new();
    StdBufReader::new(out).read_line(&mut endpoint)?;
    Ok((running, endpoint.trim().to_owned()))
}

/// As much of a stream as producers ask for: it takes every record, and answers at once.
async fn stream() -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(answer(socket));
    }
}

async fn answer(socket: TcpStream) -> Result<()> {
    let mut socket = BufStream::new(socket);
    loop {
        let (mut length, mut operation) = (0, String::new());
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("x-amz-target", value)) => {
                    value.rsplit('.').next().unwrap_or_default().clone_into(&mut operation);
                }
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let said = if operation == "putrecords" { accepted(&body) } else { description() };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            said.len()
        );
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(said.as_bytes()).await?;
        socket.flush().await?;
    }
}

fn accepted(body: &[u8]) -> String {
    let needle = b"\"PartitionKey\"";
    let records = body.windows(needle.len()).filter(|window| window == needle).count();
    let record = r#"{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898","ShardId":"shardId-000000000000"}"#;
    format!(r#"{{"FailedRecordCount":0,"Records":[{}]}}"#, vec![record; records].join(","))
}

fn description() -> String {
    let shards: Vec<_> = (0..32_u128)
        .map(|shard| {
            let width = u128::MAX / 32;
            json!({
                "ShardId": format!("shardId-{shard:012}"),
                "HashKeyRange": {"StartingHashKey": (width * shard).to_string(), "EndingHashKey": (width * (shard + 1) - 1).to_string()},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            })
        })
        .collect();
    let description = json!({
        "StreamName": STREAM, "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events", "StreamStatus": "ACTIVE",
        "Shards": shards, "HasMoreShards": false, "RetentionPeriodHours": 24, "EnhancedMonitoring": [],
        "StreamCreationTimestamp": 0,
    });
    json!({"StreamDescription": description}).to_string()
}
