//! The whole stack, deployed by `CloudFormation` to a stand-in: its mapping runs the real consumer on records of the
//! stream, the aggregator is invoked, and every figure is compared with the truth.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{NaiveDate, Utc};
use headcount_tests::binaries;
use serde_json::{Value, json};

use crate::events::{DUPLICATES, INVALID, OCCURRENCES, generate};
use crate::scripts::{answer, ask};
use crate::stand_in::{LACKING, StandIn};
use crate::template::source;
use crate::truth::Truth;

const STACK: &str = "headcount";

/// Longest wait for the mapping to hand over all records.
const PATIENCE: Duration = Duration::from_mins(5);

/// What must be built.
const PROGRAMS: [&str; 5] =
    ["headcount", "headcount-consumer", "headcount-aggregator", "headcount-dashboard", "headcount-collector"];

/// A stack of the template on a stand-in of its own.
pub(crate) struct Stack {
    pub(crate) stand_in: StandIn,
    made: Value,
}

impl Stack {
    /// With the defaults of every parameter.
    fn deploy() -> Self {
        Self::deploy_with(&[])
    }

    /// With these parameters, each `NAME=VALUE`.
    pub(crate) fn deploy_with(parameters: &[&str]) -> Self {
        let stand_in = StandIn::start();
        let binaries = binaries::folder();
        for name in PROGRAMS {
            let binary = binaries.join(name);
            assert!(binary.is_file(), "{} is not there: run `cargo build --workspace` first", binary.display());
        }
        let folder = binaries.to_str().expect("a path that is text");
        let arguments = [&["deploy", &stand_in.endpoint, STACK, folder], parameters].concat();
        let made = ask("deployment.py", &arguments, source().as_bytes());
        Self { stand_in, made }
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.made["outputs"][name].as_str().unwrap_or_else(|| panic!("no output {name}: {}", self.made))
    }

    /// Puts records onto its stream.
    pub(crate) fn put(&self, records: &[Vec<u8>]) {
        let line = |(number, record): (usize, &Vec<u8>)| {
            json!({"key": format!("key-{number}"), "data": STANDARD.encode(record)}).to_string()
        };
        let lines: Vec<_> = records.iter().enumerate().map(line).collect();
        let arguments = ["put", &self.stand_in.endpoint, self.output("StreamName")];
        let answer = ask("deployment.py", &arguments, lines.join("\n").as_bytes());
        assert_eq!(answer["put"], records.len());
    }

    /// Lets the aggregator run once.
    fn roll_up(&self) {
        let arguments = ["invoke", &self.stand_in.endpoint, self.output("AggregatorName")];
        let answer = ask("deployment.py", &arguments, b"");
        assert!(answer["error"].is_null(), "{answer}\n{}", self.stand_in.said());
    }

    /// Lets the prover prove these days.
    fn prove(&self, dates: &[NaiveDate]) {
        let event = json!({"task": "prove", "dates": dates}).to_string();
        let arguments = ["invoke", &self.stand_in.endpoint, self.output("ProverName"), &event];
        let answer = ask("deployment.py", &arguments, b"");
        assert!(answer["error"].is_null(), "{answer}\n{}", self.stand_in.said());
        let days = answer["payload"]["days"].as_array().expect("days");
        let is_good = |day: &Value| day["number"] == 1 && day["differences"] == json!({});
        assert!(days.len() == dates.len() && days.iter().all(is_good), "{answer}");
    }

    /// The figures of the days from `from` until today.
    fn metrics(&self, from: NaiveDate) -> Vec<Value> {
        let (from, to) = (from.to_string(), Utc::now().date_naive().to_string());
        let answer = self.headcount(&["metrics", "--json", "--from", &from, "--to", &to]);
        answer["days"].as_array().expect("days").clone()
    }

    fn headcount(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(binaries::folder().join("headcount"));
        command.args(arguments).args(["--dynamodb-endpoint", &self.stand_in.endpoint]);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
        command.env("HEADCOUNT_LOG", self.output("LogLocation")).env("AWS_ENDPOINT_URL_S3", &self.stand_in.endpoint);
        answer(command, b"")
    }
}

#[test]
fn the_stack_deploys_and_its_resources_are_what_the_template_says() {
    let stack = Stack::deploy();
    assert_eq!(stack.made["status"], "CREATE_COMPLETE");
    let left_out: Vec<_> = stack.made["left_out"].as_object().expect("a list").keys().collect();
    assert_eq!(left_out, LACKING);
    let is = ask("deployment.py", &["describe", &stack.stand_in.endpoint, STACK], b"");
    let check = |path: &str, expected: Value| assert_eq!(is.pointer(path), Some(&expected), "{path}");
    check("/stream/StreamStatus", json!("ACTIVE"));
    check("/stream/OpenShardCount", json!(1));
    check("/stream/RetentionPeriodHours", json!(24));
    check("/table/BillingModeSummary/BillingMode", json!("PAY_PER_REQUEST"));
    check("/table/GlobalSecondaryIndexes/0/Projection/ProjectionType", json!("KEYS_ONLY"));
    check("/table/DeletionProtectionEnabled", json!(true));
    check("/mapping/State", json!("Enabled"));
    check("/mapping/BatchSize", json!(10_000));
    check("/mapping/ParallelizationFactor", json!(1));
    check("/mapping/MaximumRecordAgeInSeconds", json!(79_200));
    check("/mapping/FunctionResponseTypes", json!(["ReportBatchItemFailures"]));
    check("/aggregator/Timeout", json!(900));
    check("/prover/Timeout", json!(900));
    check("/prover/MemorySize", json!(1_769));
    check("/proofs/ScheduleExpression", json!("cron(35 * * * ? *)"));
    check("/proofs/State", json!("ENABLED"));
    check("/retries/MaximumRetryAttempts", json!(2));
    check("/schedule/ScheduleExpression", json!("cron(5 * * * ? *)"));
    check("/schedule/State", json!("ENABLED"));
    check("/private/PublicAccessBlockConfiguration/RestrictPublicBuckets", json!(true));
    check("/log/private/RestrictPublicBuckets", json!(true));
    check("/log/encryption/Rules/0/ApplyServerSideEncryptionByDefault/SSEAlgorithm", json!("AES256"));
    check("/log/versioning", Value::Null);
    check("/log/policy/Statement/1/Condition", json!({"Null": {"s3:if-none-match": "true"}}));
    let alarms = is["alarms"].as_array().expect("alarms");
    assert!(alarms.iter().all(|alarm| alarm["AlarmActions"][0] == stack.made["outputs"]["AlarmTopicArn"]));
}

#[test]
fn figures_of_the_deployed_stack_equal_the_truth() {
    let stack = Stack::deploy();
    let (records, truth) = generate(Utc::now().date_naive());
    let (invalid, duplicates) = (INVALID as u64, DUPLICATES as u64);
    assert_eq!((truth.rejected, truth.duplicates()), (invalid, duplicates));
    assert_eq!(truth.events() + truth.rejected + truth.duplicates(), OCCURRENCES as u64);
    stack.put(&records);
    stack.stand_in.wait_for_records(records.len(), PATIENCE);
    stack.roll_up();
    assert_is_true(&stack, &truth, false);
    stack.prove(&truth.dates());
    assert_is_true(&stack, &truth, true);
    for date in truth.dates() {
        // Ends with an error where a counter differs from the events.
        stack.headcount(&["verify", "--json", "--date", &date.to_string()]);
    }
}

/// The figures are the truth, live or proven.
fn assert_is_true(stack: &Stack, truth: &Truth, is_proven: bool) {
    let days = stack.metrics(truth.dates()[0]);
    let rejected: u64 = days.iter().filter_map(|day| day["rejected"].as_u64()).sum();
    assert_eq!(rejected, truth.rejected, "counted on the day of their arrival");
    for date in truth.dates() {
        let day = days.iter().find(|day| day["date"] == date.to_string()).expect("the day has figures");
        assert_eq!(day["verified"], is_proven, "{day:#}");
        for (path, expected) in truth.figures(date) {
            let found = day.pointer(path).unwrap_or(&Value::Null);
            assert!(is_same(found, &expected), "{date} {path}: {found}, in truth {expected}");
        }
    }
}

/// What `headcount check` says of the stack: the severity and the beginning of each finding.
fn check(stack: &Stack, code: i32) -> Vec<(String, String)> {
    let mut command = Command::new(binaries::folder().join("headcount"));
    command.args(["check", "--stack", STACK, "--json"]).env("AWS_ENDPOINT_URL", &stack.stand_in.endpoint);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
    let output = command.output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings = answer["findings"].as_array().expect("findings").iter();
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("a text").to_owned();
    findings.map(|finding| (text(finding, "severity"), text(finding, "what"))).collect()
}

#[test]
fn check_says_what_somebody_spoiled_of_the_stack_and_nothing_of_a_good_one() {
    let stack = Stack::deploy();
    let breaks = |found: Vec<(String, String)>| -> Vec<String> {
        found.into_iter().filter(|(severity, _)| severity == "breaksPromise").map(|(_, what)| what).collect()
    };
    let good = check(&stack, 1);
    // The stand-in never switches expiry on.
    assert!(good[0].1.starts_with("expiry of items of the table headcount: off"), "{good:#?}");
    let rest: Vec<_> = good[1..].iter().map(|(severity, _)| &**severity).collect();
    assert!(rest.iter().all(|severity| *severity == "note"), "{good:#?}");
    let spoil = |changes: Value| {
        let arguments = ["spoil", &stack.stand_in.endpoint, STACK];
        ask("deployment.py", &arguments, changes.to_string().as_bytes());
    };
    spoil(json!({"mapping": {
        "ParallelizationFactor": 10,
        "MaximumRetryAttempts": 100,
        "MaximumRecordAgeInSeconds": -1,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failures"}},
        "FunctionResponseTypes": [],
    }, "aggregator": {"RETENTION_HOURS": "48"}, "prover": {"LOG": "s3://another"}}));
    let spoiled = breaks(check(&stack, 1));
    for says in [
        "ParallelizationFactor is 10",
        "MaximumRecordAgeInSeconds is without a bound",
        "the failure destination is arn:aws:sqs",
        "lacks ReportBatchItemFailures",
        "RETENTION_HOURS of the aggregator headcount-aggregator is 48, not 24",
        "LOG of the prover headcount-prover is s3://another, not s3://",
    ] {
        assert!(spoiled.iter().any(|what| what.contains(says)), "{says}: {spoiled:#?}");
    }
    assert_eq!(spoiled.len(), 7, "with the expiry: {spoiled:#?}");
}

/// Equal; numbers with a fraction to a thousandth.
pub(crate) fn is_same(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() < 0.001,
        _ => found == expected,
    }
}
