//! What a well-behaved client sees of `headcount serve` while others flood it, and whether everything that was accepted counts.
//!
//! Each flood runs against a server of its own, with a data directory, for some seconds. It comes from addresses of its own, as other
//! machines would. The well-behaved client posts an event, asks for the figures and asks for health, each by a new connection, fifty
//! milliseconds after the last answer.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use chrono::Utc;
use clap::Parser;
use headcount_doors::raise_descriptor_limit;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The 99th percentile of a well-behaved client's waits, at most, in milliseconds.
const GOAL_MS: f64 = 250.0;

/// How long the well-behaved client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Its pause between two requests.
const PAUSE: Duration = Duration::from_millis(50);

/// How long what was accepted may take to count after the flood.
const COUNTED_WITHIN: Duration = Duration::from_mins(2);

/// Addresses that a flood comes from: 127.0.0.2 and those after it.
const FLOODING_PEERS: u8 = 4;

/// Events of one request of a key that floods.
const EVENTS_OF_A_FLOOD: u64 = 100;

const GOOD_KEY: &str = "wk_good_0123456789";
const FLOODING_KEY: &str = "wk_flood_0123456789";

#[derive(Parser)]
struct Arguments {
    /// Given by `cargo bench`; without it nothing is measured
    #[arg(long)]
    bench: bool,
    /// The command `headcount`
    #[arg(long, default_value = "headcount")]
    program: PathBuf,
    /// How long each flood lasts, in seconds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

/// What floods the server.
#[derive(Clone, Copy, Debug)]
enum Flood {
    /// Connections that say nothing, and come again when they are closed.
    Silent,
    /// Bodies of which one byte comes, with a valid key.
    OneByteBodies,
    /// Heads that come byte by byte, on every port.
    SlowHeads,
    /// Connections that stay open after one answer.
    Idle,
    /// One key that posts as fast as it can.
    OneKey,
    /// Questions about all days that may be asked for.
    Questions,
}

impl Flood {
    const ALL: [(Self, &'static str, usize); 6] = [
        (Self::Silent, "silent-reconnects", 3_000),
        (Self::OneByteBodies, "one-byte-bodies", 600),
        (Self::SlowHeads, "slow-heads", 1_500),
        (Self::Idle, "idle-connections", 3_000),
        (Self::OneKey, "one-key", 32),
        (Self::Questions, "expensive-questions", 64),
    ];
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { bench: true, program, seconds } = Arguments::parse() else { return Ok(()) };
    raise_descriptor_limit();
    for (flood, name, connections) in Flood::ALL {
        let server = Server::start(&program)?;
        let accepted = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for number in 0..connections {
            let (ports, accepted) = (server.ports.clone(), Arc::clone(&accepted));
            clients.spawn(async move {
                loop {
                    // Refused and closed connections are what a flood expects.
                    let _ = one(flood, number, &ports, &accepted).await;
                    sleep(Duration::from_millis(20)).await;
                }
            });
        }
        let mut took = well_behaved(&server.ports, Duration::from_secs(seconds), &accepted).await.context(name)?;
        clients.shutdown().await;
        server.counts(accepted.load(Ordering::Relaxed)).await.context(name)?;
        took.sort_by(f64::total_cmp);
        let rank = (0.99 * took.len() as f64).ceil() as usize;
        let p99 = *took.get(rank.saturating_sub(1)).context("the client sent nothing")?;
        println!(
            "{}",
            json!({
                "name": format!("floods/{name}"), "measures": format!("{connections} connections: p99 of another client"),
                "unit": "ms", "ours": p99, "goal": {"atMost": GOAL_MS},
            })
        );
    }
    Ok(())
}

/// One connection of a flood, until it is closed.
async fn one(flood: Flood, number: usize, ports: &Ports, accepted: &AtomicU64) -> Result<()> {
    let all = [ports.collector, ports.figures, ports.kinesis, ports.dynamodb];
    let anywhere = all[number % all.len()];
    let peer = 2 + (number / all.len()) as u8 % FLOODING_PEERS;
    match flood {
        Flood::Silent => until_closed(connect(peer, anywhere).await?).await,
        Flood::OneByteBodies => {
            let mut socket = connect(peer, ports.collector).await?;
            let head = head("POST", "/v1/events", FLOODING_KEY, 60_000);
            socket.write_all(format!("{head}{{").as_bytes()).await?;
            until_closed(socket).await
        }
        Flood::SlowHeads => {
            let mut socket = connect(peer, anywhere).await?;
            socket.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await?;
            loop {
                socket.write_all(b"a").await?;
                sleep(Duration::from_secs(1)).await;
            }
        }
        Flood::Idle => {
            let mut socket = connect(peer, anywhere).await?;
            socket.write_all(head("GET", "/healthz", FLOODING_KEY, 0).as_bytes()).await?;
            until_closed(socket).await
        }
        Flood::OneKey => {
            let events = events(&format!("flood-{number}"), EVENTS_OF_A_FLOOD);
            let mut socket = connect(peer, ports.collector).await?;
            if post(&mut socket, FLOODING_KEY, &events).await? == 202 {
                accepted.fetch_add(EVENTS_OF_A_FLOOD, Ordering::Relaxed);
            }
            Ok(())
        }
        Flood::Questions => {
            let mut socket = connect(peer, ports.figures).await?;
            let asked = "/api/metrics?from=2024-01-01&to=2026-12-31";
            ask(&mut socket, &head("GET", asked, FLOODING_KEY, 0), b"").await.map(drop)
        }
    }
}

/// Milliseconds of every request of a client that behaves well. What it posts must be accepted, what it asks answered.
async fn well_behaved(ports: &Ports, lasting: Duration, accepted: &AtomicU64) -> Result<Vec<f64>> {
    let until = Instant::now() + lasting;
    let mut took = Vec::new();
    let today = Utc::now().date_naive();
    let asked = format!("/api/metrics?from={today}&to={today}");
    while Instant::now() < until {
        for port in [ports.collector, ports.figures, ports.figures] {
            let began = Instant::now();
            let (status, what) = if port == ports.collector {
                let event = events("well-behaved", 1);
                let status = timeout(PATIENCE, async { post(&mut connect(1, port).await?, GOOD_KEY, &event).await });
                let status = status.await.context("no answer to an event")??;
                accepted.fetch_add(u64::from(status == 202), Ordering::Relaxed);
                (status == 202, "an event")
            } else {
                let path = if took.len() % 3 == 1 { &asked } else { "/healthz" };
                let head = head("GET", path, GOOD_KEY, 0);
                let status = timeout(PATIENCE, async { ask(&mut connect(1, port).await?, &head, b"").await });
                // A server that is degraded says so.
                let status = status.await.with_context(|| format!("no answer to {path}"))??.0;
                (status == 200 || (path == "/healthz" && status == 503), "a question")
            };
            ensure!(status, "{what} of a well-behaved client was refused");
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
            sleep(PAUSE).await;
        }
    }
    Ok(took)
}

/// So many new events of one user, a line each.
fn events(user: &str, count: u64) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let at = Utc::now().timestamp_millis();
    let line = |_| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        json!({
            "eventId": format!("{at:x}-{number:x}"), "userId": user, "sessionId": "s", "eventType": "page_view", "timestamp": at,
            "metadata": {"userAgent": "bench", "ipAddress": "203.0.113.1", "platform": "web"},
        })
        .to_string()
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

async fn connect(peer: u8, port: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, peer], 0)))?;
    Ok(socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?)
}

/// Waits until the server hangs up.
async fn until_closed(mut socket: TcpStream) -> Result<()> {
    let mut bytes = [0; 1024];
    while socket.read(&mut bytes).await? > 0 {}
    Ok(())
}

fn head(method: &str, path: &str, key: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    )
}

async fn post(socket: &mut TcpStream, key: &str, events: &str) -> Result<u16> {
    Ok(ask(socket, &head("POST", "/v1/events", key, events.len()), events.as_bytes()).await?.0)
}

/// Status and body of the answer to one request.
async fn ask(socket: &mut TcpStream, head: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let asked = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    socket.write_all(asked.as_bytes()).await?;
    socket.write_all(body).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").context("the server hung up")?;
    let status = str::from_utf8(&answer[..end])?.split(' ').nth(1).context("an answer has a status")?.parse()?;
    Ok((status, answer.split_off(end + 4)))
}

#[derive(Clone, Debug, Default)]
struct Ports {
    kinesis: u16,
    dynamodb: u16,
    figures: u16,
    collector: u16,
}

struct Server {
    child: Child,
    ports: Ports,
    _folder: TempDir,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let keys = folder.path().join("keys");
        std::fs::write(&keys, format!("{GOOD_KEY}\n{FLOODING_KEY}\n"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--no-event-items", "--data-dir"]).arg(folder.path().join("data"));
        for port in ["--kinesis-port", "--dynamodb-port", "--port", "--collector-port"] {
            command.args([port, "0"]);
        }
        command.arg("--write-keys").arg(&keys).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let out = child.stdout.take().context("its output is piped")?;
        let mut server = Self { child, ports: Ports::default(), _folder: folder };
        let mut lines = BufReader::new(out).lines();
        for line in lines.by_ref() {
            let line = line?;
            let Some((name, rest)) = line.trim().split_once(' ') else { continue };
            let port = || {
                rest.split_once("http://127.0.0.1:").and_then(|(_, rest)| rest.split(['/', ' ']).next()?.parse().ok())
            };
            match (name, port()) {
                ("Kinesis", Some(port)) => server.ports.kinesis = port,
                ("DynamoDB", Some(port)) => server.ports.dynamodb = port,
                ("collector", Some(port)) => server.ports.collector = port,
                ("figures", Some(port)) => {
                    server.ports.figures = port;
                    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                    return Ok(server);
                }
                _ => {}
            }
        }
        bail!("headcount serve did not say where it listens")
    }

    /// Waits until the figures have every event that was accepted, and no other.
    async fn counts(&self, accepted: u64) -> Result<()> {
        let (until, today) = (Instant::now() + COUNTED_WITHIN, Utc::now().date_naive());
        let path = format!("/api/metrics?from={}&to={today}", today.pred_opt().context("a day before today")?);
        loop {
            let mut socket = connect(1, self.ports.figures).await?;
            let (_, body) = ask(&mut socket, &head("GET", &path, GOOD_KEY, 0), b"").await?;
            let figures: Value = serde_json::from_slice(&body)?;
            let days = figures["days"].as_array().context("figures have days")?;
            let counted = days.iter().filter_map(|day| day["eventsByType"]["page_view"].as_u64()).sum::<u64>();
            if counted == accepted {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{accepted} events were accepted, {counted} count: {figures}");
            sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
