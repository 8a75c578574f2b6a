//! From the start of the consumer's program to its first answer: a Runtime API and a table of this machine, one event.
//!
//! Each start is a new process. It is handed its event as soon as it asks for one, and stores and counts it for real.
//! With TLS means that the client is made as for AWS, root certificates and all; the table of this machine is then spoken
//! to without it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use clap::Args;
use headcount_local::lambda::fleet::{Fleet, FleetOptions};
use headcount_local::table::{Table, TableOptions};
use headcount_runtime::aws::ConnectOptions;
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use serde_json::{Value, json};
use tokio::time::Instant;

const TABLE: &str = "headcount";

/// Longest life of an invocation.
const LIMIT: Duration = Duration::from_secs(30);

/// The median that is aimed at, in milliseconds.
const GOAL_MS: f64 = 50.0;

/// What is given.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The consumer's program
    #[arg(long)]
    program: PathBuf,
    /// How often it is started, in each of two ways
    #[arg(long, default_value_t = 20)]
    starts: u32,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let table = Table::start(TableOptions::default()).await?;
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    create_tables(&connection, &Tables::one(TABLE), Instant::now() + LIMIT).await?;
    let folder = tempfile::tempdir()?;
    let credentials = folder.path().join("credentials");
    std::fs::write(&credentials, "[default]\naws_access_key_id = test\naws_secret_access_key = test\n")?;

    let log = folder.path().join("log").to_string_lossy().into_owned();
    let mut starts = Starts { program: &arguments.program, endpoint: table.endpoint(), log, done: 0 };
    // The first ones read the program from the disk.
    for _ in 0..3 {
        starts.one(&[]).await?;
    }
    let path = credentials.to_string_lossy().into_owned();
    let with_tls = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_SHARED_CREDENTIALS_FILE", &*path)];
    let with_tls = starts.many(arguments.starts, "with TLS", &with_tls).await?;
    let plain = starts.many(arguments.starts, "without TLS", &[]).await?;
    table.stop().await;

    let line = |name: &str, measures: &str, ours: f64, goal: Option<f64>| {
        let mut line = json!({"name": name, "measures": measures, "unit": "ms", "ours": ours});
        if let Some(goal) = goal {
            line["goal"] = json!({"atMost": goal});
        }
        println!("{line}");
    };
    line("cold-start/median", "start to first answer, TLS client", quantile(&with_tls, 0.5), Some(GOAL_MS));
    line("cold-start/p95", "start to first answer, TLS client", quantile(&with_tls, 0.95), None);
    line("cold-start/plain-median", "start to first answer, no TLS client", quantile(&plain, 0.5), None);
    Ok(())
}

struct Starts<'a> {
    program: &'a Path,
    endpoint: String,
    log: String,
    done: u64,
}

impl Starts<'_> {
    /// Milliseconds of each start, in order of length.
    async fn many(&mut self, count: u32, how: &str, variables: &[(&str, &str)]) -> Result<Vec<f64>> {
        ensure!(count > 0, "--starts must be at least 1");
        eprintln!("cold_start: {count} starts {how}");
        let mut took = Vec::new();
        for _ in 0..count {
            took.push(self.one(variables).await?.as_secs_f64() * 1_000.0);
        }
        took.sort_by(f64::total_cmp);
        Ok(took)
    }

    async fn one(&mut self, variables: &[(&str, &str)]) -> Result<Duration> {
        self.done += 1;
        let mut options = FleetOptions { passes_output: false, ..FleetOptions::new("consumer", self.program) };
        let own = [
            ("EVENTS_TABLE", TABLE),
            ("LOG", &*self.log),
            ("AWS_ENDPOINT_URL_DYNAMODB", &*self.endpoint),
            ("RUST_LOG", "info"),
        ];
        options.environment =
            own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let fleet = Fleet::new(options);
        let payload = event(self.done).to_string();
        let began = Instant::now();
        let answer = fleet.invoke(payload, began + LIMIT).await?;
        let took = began.elapsed();
        fleet.stop().await;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["batchItemFailures"] == json!([]), "the consumer failed: {answer}");
        Ok(took)
    }
}

/// An invocation with one record of one event.
fn event(n: u64) -> Value {
    let now = Utc::now();
    let event = json!({
        "eventId": format!("e-{n}"), "userId": format!("user-{n}"), "sessionId": "s", "eventType": "page_view",
        "timestamp": now.timestamp_millis(),
        "metadata": {"userAgent": "bench", "ipAddress": "203.0.113.9", "platform": "web"},
    });
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/headcount-events";
    let sequence = format!("{:056}", 10_u128.pow(37) + u128::from(n));
    json!({"Records": [{
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "user", "sequenceNumber": sequence,
            "data": STANDARD.encode(event.to_string()),
            "approximateArrivalTimestamp": now.timestamp_millis() as f64 / 1_000.0,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-000000000000:{sequence}"), "eventSourceARN": arn, "awsRegion": "us-east-1",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
    }]})
}

/// The value that this share of the sorted ones does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
