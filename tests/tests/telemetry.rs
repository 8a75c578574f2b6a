//! What the functions' real programs write: JSON lines, metrics in `CloudWatch`'s embedded format, and nobody's data.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use headcount_local::lambda::fleet::{Fleet, FleetOptions};
use headcount_local::lambda::functions::{AGGREGATOR, CONSUMER};
use headcount_local::table::{Table, TableOptions};
use headcount_runtime::aws::ConnectOptions;
use headcount_runtime::telemetry::{METRICS, NAMESPACE, PROJECT, REASON};
use headcount_store::dynamo::connect::connect;
use headcount_store::dynamo::schema::{Tables, create_tables};
use headcount_tests::binaries;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

const TABLE: &str = "headcount";
const PATIENCE: Duration = Duration::from_mins(1);

/// What must never be logged.
const PRIVATE: [&str; 5] = ["secret-user", "secret-session", "secret-event", "203.0.113.77", "secret-agent"];

/// Runs a function's program once for each payload, and reads all that it wrote to its standard output.
async fn output_of(program: &str, endpoint: &str, log: &str, payloads: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stdout");
    let mut options = FleetOptions::new(program, "/bin/sh");
    let program = binaries::folder().join(program);
    assert!(program.is_file(), "{} is not there: run `cargo build --workspace` first", program.display());
    options.arguments = ["-c", r#"exec "$0" > "$1""#].map(str::to_owned).to_vec();
    options.arguments.extend([&program, &file].map(|path| path.display().to_string()));
    let variables = [
        ("EVENTS_TABLE", TABLE),
        ("LOG", log),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
        ("RUST_LOG", "debug,hyper=info"),
        ("PROJECT", "shop"),
    ];
    options.environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let fleet = Fleet::new(options);
    for payload in payloads {
        fleet.invoke(payload.to_string(), Instant::now() + PATIENCE).await.unwrap();
    }
    fleet.stop().await;
    let text = std::fs::read_to_string(file).unwrap();
    for private in PRIVATE {
        assert!(!text.contains(private), "{private} is in the log");
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// A batch of these records, 5 seconds old.
fn batch(from: u128, records: &[Value]) -> Value {
    let arrived = Utc::now().timestamp_millis() - 5_000;
    let record = |(n, data): (usize, &Value)| {
        let sequence = format!("{:056}", 10_u128.pow(37) + from + n as u128);
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": sequence,
                "data": STANDARD.encode(data.to_string()), "approximateArrivalTimestamp": arrived as f64 / 1_000.0,
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
            "eventID": format!("shardId-000000000000:{sequence}"), "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/headcount-events",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
        })
    };
    json!({"Records": records.iter().enumerate().map(record).collect::<Vec<_>>()})
}

fn event(n: u32, kind: &str, at: i64) -> Value {
    json!({
        "eventId": format!("secret-event-{n}"), "userId": "secret-user", "sessionId": "secret-session",
        "eventType": kind, "timestamp": at + i64::from(n),
        "metadata": {"userAgent": "secret-agent", "ipAddress": "203.0.113.77", "platform": "web"},
    })
}

/// The sums of all values by metric and reason, of lines that must be in the embedded metric format; the others are
/// logs.
fn sums(lines: &[Value]) -> BTreeMap<String, f64> {
    let units: BTreeMap<_, _> = METRICS.into_iter().collect();
    let mut sums = BTreeMap::new();
    for line in lines {
        let Some(header) = line.get("_aws") else {
            assert!(line["level"].is_string() && line["timestamp"].is_string() && line["fields"].is_object(), "{line}");
            continue;
        };
        assert!(header["Timestamp"].is_u64(), "{line}");
        let directives = header["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!((directives.len(), &directives[0]["Namespace"]), (1, &json!(NAMESPACE)));
        let dimensions = &directives[0]["Dimensions"];
        let by_reason = *dimensions == json!([[PROJECT, REASON]]);
        assert!(by_reason || *dimensions == json!([[PROJECT]]), "{dimensions}");
        assert_eq!(line[PROJECT], "shop");
        let metrics = directives[0]["Metrics"].as_array().unwrap();
        let mut named = BTreeSet::from(["_aws", PROJECT, REASON]);
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            let unit = units.get(name).unwrap_or_else(|| panic!("{name} is none of ours"));
            assert_eq!(metric["Unit"], format!("{unit:?}"), "{name}");
            named.insert(name);
            let values = line[name].as_array().cloned().unwrap_or_else(|| vec![line[name].clone()]);
            assert!((1..=100).contains(&values.len()), "{name}");
            let key = if by_reason { format!("{name} {}", line[REASON].as_str().unwrap()) } else { name.to_owned() };
            *sums.entry(key).or_insert(0.0) += values.iter().map(|value| value.as_f64().unwrap()).sum::<f64>();
        }
        assert!(line.as_object().unwrap().keys().all(|key| named.contains(&**key)), "more than metrics: {line}");
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_measure_themselves_and_keep_everybodys_data_to_themselves() {
    let table = Table::start(TableOptions::default()).await.unwrap();
    let connection = connect(&ConnectOptions::local(table.endpoint())).await;
    create_tables(&connection, &Tables::one(TABLE), Instant::now() + PATIENCE).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let log = &*folder.path().join("log").display().to_string();
    let at = Utc::now().timestamp_millis() - 60_000;
    let event = |n, kind: &str| event(n, kind, at);
    let mut anonymous = event(3, "page_view");
    anonymous["userId"] = json!(" ");
    let records =
        [event(1, "page_view"), event(2, "page_view"), event(1, "page_view"), event(4, "secret-user"), anonymous];
    // The second time it is a redelivery; the third one brings something new.
    let batches = [batch(0, &records), batch(0, &records), batch(100, &[event(2, "error"), json!("secret-user")])];
    let lines = output_of(CONSUMER, &table.endpoint(), log, &batches).await;
    let sums_of = sums(&lines);
    let check = |name: &str, expected: f64| {
        let found = sums_of.get(name).copied().unwrap_or_default();
        assert!((found - expected).abs() < 1e-9, "{name}: {found}, must be {expected}; {sums_of:#?}");
    };
    check("BatchSize", 12.0);
    check("Events", 2.0);
    check("Redelivered", 5.0);
    check("Duplicates", 2.0);
    check("Rejected", 3.0);
    check("RejectedByReason userId", 1.0);
    check("RejectedByReason eventType", 1.0);
    check("RejectedByReason record", 1.0);
    check("Retries", 0.0);
    check("UnprocessedItems", 0.0);
    let lag = sums_of["IteratorLag"];
    assert!((15_000.0..200_000.0).contains(&lag), "three batches of 5 s and more: {lag} ms");
    assert!(sums_of["AppendTime"] > 0.0 && sums_of["FollowTime"] > 0.0);
    assert!(lines.iter().filter(|line| line["fields"]["message"] == "a batch was handled").count() == 3);

    let lines = output_of(AGGREGATOR, &table.endpoint(), log, &[json!({})]).await;
    assert!(!lines.is_empty());
    let sums_of = sums(&lines);
    assert!(sums_of["Days"] >= 1.0 && sums_of["RunTime"] > 0.0, "{sums_of:#?}");
    assert!(!sums_of.contains_key("FailedDays"), "{sums_of:#?}");
    table.stop().await;
}
