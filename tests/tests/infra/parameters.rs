//! Every parameter at each of its values, or at both ends of its range: the stack deploys, and what was made is as the value says.
//!
//! What the stand-in does not make of a template (lifecycles, backups, concurrency, throughput) is read from the template itself,
//! resolved with the same parameters.

use std::collections::BTreeMap;

use headcount_tests::iam::template::Template;
use serde_json::{Value, json};

use crate::scripts::ask;
use crate::stand_in::StandIn;
use crate::template::{Expanded, source};

/// A deployed stack.
struct Made {
    parameters: BTreeMap<&'static str, &'static str>,
    is: Value,
    template: Template,
}

impl Made {
    fn parameter(&self, name: &str) -> &str {
        self.parameters[name]
    }

    fn is(&self, path: &str, expected: impl Into<Value>) {
        let found = self.is.pointer(path).unwrap_or(&Value::Null);
        assert_eq!(*found, expected.into(), "{path} with {:?}", self.parameters);
    }

    /// These functions are told this value.
    fn told(&self, functions: &[&str], variable: &str, value: &str) {
        for function in functions {
            self.is(&format!("/{function}/Environment/Variables/{variable}"), value);
        }
    }

    /// A property of the template, as a text; none where the resource or the property is not made.
    fn says(&self, kind: &str, name: &str, path: &str, expected: Option<&str>) {
        let all = self.template.all(kind).expect("a template that can be resolved");
        let found = all.iter().find(|(one, _)| *one == name).and_then(|(_, properties)| properties.pointer(path));
        let found = found.filter(|value| !value.is_null()).map(|value| value.to_string().replace('"', ""));
        assert_eq!(found.as_deref(), expected, "{name}{path} with {:?}", self.parameters);
    }
}

/// A parameter, its values, and what must be true with one of them.
type Checked = (&'static str, &'static [&'static str], fn(&Made, &str));

const COUNTING: [&str; 3] = ["consumer", "aggregator", "prover"];
const ROLLING_UP: [&str; 2] = ["aggregator", "prover"];
const TABLE: &str = "AWS::DynamoDB::Table";
const FUNCTION: &str = "AWS::Lambda::Function";

/// Stacks take the values in turns, so of two lists of different lengths other values meet. Where the log keeps entries for 21 days, the
/// others are as its rules ask.
const PARAMETERS: [Checked; 34] = [
    ("ReportingZone", &["UTC", "Europe/Berlin"], |made, value| made.told(&COUNTING, "REPORTING_ZONE", value)),
    ("AlarmEmail", &["", "alarms@example.com"], |made, value| {
        assert_eq!(made.is.pointer("/names/AlarmSubscription").is_some(), !value.is_empty());
    }),
    ("IpPolicy", &["keep", "truncate", "drop"], |made, value| made.told(&["consumer"], "IP_POLICY", value)),
    ("EventTypes", &["", "invoice_paid,invoice_sent"], |made, value| made.told(&["consumer"], "EVENT_TYPES", value)),
    ("PlaceholderIds", &[",", "null,test"], |made, value| made.told(&["consumer"], "PLACEHOLDER_IDS", value)),
    ("PriceTable", &["", "december.json"], |made, value| made.told(&["consumer"], "PRICE_TABLE", value)),
    ("LatenessDays", &["0", "80", "7", "80", "0", "80", "0"], |made, value| {
        made.told(&COUNTING, "LATENESS_DAYS", value);
    }),
    ("EventRetentionDays", &["21", "3650", "27", "100", "3650", "100", "3650"], |made, value| {
        made.told(&["consumer"], "EVENT_RETENTION_DAYS", value);
        made.says("AWS::S3::Bucket", "LogBucket", "/LifecycleConfiguration/Rules/0/ExpirationInDays", Some(value));
    }),
    ("EventItems", &["true", "false"], |made, value| made.told(&COUNTING, "EVENT_ITEMS", value)),
    ("UserIndex", &["true", "false", "false"], |made, value| made.told(&COUNTING, "USER_INDEX", value)),
    ("StreamMode", &["PROVISIONED", "ON_DEMAND", "PROVISIONED"], |made, value| {
        made.is("/stream/StreamModeDetails/StreamMode", value);
    }),
    ("ShardCount", &["1", "500"], |made, value| {
        let shards = if made.parameter("StreamMode") == "ON_DEMAND" { 4 } else { value.parse().expect("a number") };
        made.is("/stream/OpenShardCount", shards);
    }),
    ("RetentionHours", &["24", "48", "72", "96", "120", "144", "168"], |made, value| {
        let hours: i64 = value.parse().expect("a number");
        made.is("/stream/RetentionPeriodHours", hours);
        made.is("/mapping/MaximumRecordAgeInSeconds", (hours - 2) * 3_600);
        made.told(&ROLLING_UP, "RETENTION_HOURS", value);
    }),
    ("StreamGeneration", &["", "second"], |made, value| made.told(&["consumer"], "STREAM_GENERATION", value)),
    ("BatchWindowSeconds", &["0", "300"], |made, value| {
        made.is("/mapping/MaximumBatchingWindowInSeconds", value.parse::<i64>().expect("a number"));
    }),
    ("Architecture", &["x86_64", "arm64"], |made, value| {
        for function in COUNTING {
            made.is(&format!("/{function}/Architectures"), json!([value]));
        }
    }),
    ("ParallelRequests", &["1", "64"], |made, value| made.told(&["aggregator"], "PARALLEL_REQUESTS", value)),
    ("ReserveConcurrency", &["true", "false"], |made, value| {
        for (name, reserved) in [("Aggregator", "2"), ("Prover", "1")] {
            made.says(FUNCTION, name, "/ReservedConcurrentExecutions", (value == "true").then_some(reserved));
        }
    }),
    ("ProofMemoryMb", &["512", "10240"], |made, value| {
        made.is("/prover/MemorySize", value.parse::<i64>().expect("a number"));
    }),
    ("ProofBudgetEvents", &["0", "1000000000"], |made, value| made.told(&ROLLING_UP, "PROOF_BUDGET", value)),
    ("ReadAccess", &["none", "iam", "token"], |made, value| match value {
        "none" => made.is("/api", Value::Null),
        "iam" => made.told(&["api"], "READ_ACCESS", "iam"),
        _ => {
            made.told(&["api"], "READ_ACCESS", "");
            let secret = made.is["api"]["Environment"]["Variables"]["READ_TOKEN_SECRET"].as_str();
            assert!(secret.is_some_and(|secret| secret.contains("-read-token")), "{secret:?}");
        }
    }),
    ("WithCollector", &["false", "true"], |made, value| {
        assert_eq!(made.is["collector"].is_object(), value == "true", "{:?}", made.parameters);
    }),
    ("AllowedOrigins", &["", "https://app.example.com", "https://a.example,https://b.example"], |made, value| {
        if made.parameter("WithCollector") == "true" {
            made.told(&["collector"], "ALLOWED_ORIGINS", value);
        }
    }),
    ("TrustedProxies", &["", "203.0.113.0/24", ""], |made, value| {
        if made.parameter("WithCollector") == "true" {
            made.told(&["collector"], "TRUSTED_PROXIES", value);
        }
    }),
    ("SpanAttributes", &["", "user=app.user,account=tenant.id", ""], |made, value| {
        if made.parameter("WithCollector") == "true" {
            made.told(&["collector"], "SPAN_ATTRIBUTES", value);
        }
    }),
    ("CollectorConcurrency", &["0", "1000", "1000"], |made, value| {
        let is_made = ["WithCollector", "ReserveConcurrency"].iter().all(|name| made.parameter(name) == "true");
        let reserved = (is_made && value != "0").then_some(value);
        made.says(FUNCTION, "Collector", "/ReservedConcurrentExecutions", reserved);
    }),
    ("SeparateMetricsTable", &["false", "true"], |made, value| {
        let name = made.parameter("ProjectName");
        let figures = if value == "true" { format!("{name}-metrics") } else { name.to_owned() };
        made.told(&COUNTING, "METRICS_TABLE", &figures);
        made.told(&COUNTING, "EVENTS_TABLE", name);
    }),
    ("EventsRecovery", &["true", "false", "false"], |made, value| {
        let path = "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled";
        made.says(TABLE, "EventsTable", path, Some(value));
    }),
    ("MetricsRecovery", &["false", "true", "true"], |made, value| {
        let path = "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled";
        let is_there = made.parameter("SeparateMetricsTable") == "true";
        made.says(TABLE, "MetricsTable", path, is_there.then_some(value));
    }),
    ("WarmWriteUnits", &["0", "4000", "1000000"], |made, value| {
        let warm = (value != "0").then_some(value);
        made.says(TABLE, "EventsTable", "/WarmThroughput/WriteUnitsPerSecond", warm);
        made.says(TABLE, "EventsTable", "/GlobalSecondaryIndexes/0/WarmThroughput/WriteUnitsPerSecond", warm);
    }),
    ("MaxRejectedPercent", &["0", "100"], |made, value| {
        made.says("AWS::CloudWatch::Alarm", "RejectedShare", "/Threshold", Some(value));
    }),
    ("LogRetentionDays", &["1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365"], |made, value| {
        made.is("/groups/0/retentionInDays", value.parse::<i64>().expect("a number"));
    }),
    ("FailureRetentionDays", &["7", "80"], |made, value| {
        made.says("AWS::S3::Bucket", "FailureBucket", "/LifecycleConfiguration/Rules/0/ExpirationInDays", Some(value));
    }),
    ("ProjectName", &["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j10", "k11", "l12"], |made, value| {
        made.is("/names/EventsTable", value);
        made.is("/stream/StreamName", format!("{value}-events"));
    }),
];

#[test]
fn the_stack_deploys_with_each_value_of_each_parameter() {
    let stand_in = StandIn::start();
    let (source, expanded) = (source(), ask("template.py", &["expand"], source().as_bytes()));
    let stacks = PARAMETERS.iter().map(|(_, values, _)| values.len()).max().expect("parameters");
    for stack in 0..stacks {
        let parameters: BTreeMap<_, _> =
            PARAMETERS.iter().map(|(name, values, _)| (*name, values[stack % values.len()])).collect();
        let broken = broken_rules(&expanded, &parameters);
        assert!(broken.is_empty(), "{parameters:?}: {broken:?}");
        let name = parameters["ProjectName"];
        let given: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let deploy = [&["deploy", &stand_in.endpoint, name, "-"], &given[..]].concat();
        let made = ask("deployment.py", &deploy, source.as_bytes());
        assert_eq!(made["status"], "CREATE_COMPLETE", "{parameters:?}");
        let is = ask("deployment.py", &["describe", &stand_in.endpoint, name], b"");
        let given: Vec<_> = parameters.iter().map(|(name, value)| (*name, *value)).collect();
        let template = Template::new(expanded.clone(), &given).expect("the parameters exist");
        let made = Made { parameters, is, template };
        for (name, _, check) in &PARAMETERS {
            check(&made, made.parameter(name));
        }
    }
}

#[test]
fn no_parameter_and_no_value_is_left_out() {
    let template = Expanded::new();
    for (name, parameter) in template.part("Parameters") {
        let (_, values, _) = PARAMETERS.iter().find(|(one, ..)| one == name).unwrap_or_else(|| panic!("{name}"));
        let text = |value: &Value| value.to_string().replace('"', "");
        let allowed = parameter["AllowedValues"].as_array().into_iter().flatten();
        for value in allowed.chain(parameter.get("MinValue")).chain(parameter.get("MaxValue")) {
            assert!(values.contains(&&*text(value)), "{name}: {value} is not deployed");
        }
    }
}

/// The descriptions of the rules that these parameters break, as `CloudFormation` says them.
fn broken_rules(expanded: &Value, parameters: &BTreeMap<&str, &str>) -> Vec<String> {
    let mut broken = Vec::new();
    for rule in expanded["Rules"].as_object().expect("rules").values() {
        if holds(&rule["RuleCondition"], parameters) {
            let assertions = rule["Assertions"].as_array().expect("assertions").iter();
            let failed = assertions.filter(|assertion| !holds(&assertion["Assert"], parameters));
            broken.extend(failed.map(|one| one["AssertDescription"].as_str().expect("a description").to_owned()));
        }
    }
    broken
}

/// What the rules of the template say, and no more.
fn holds(condition: &Value, parameters: &BTreeMap<&str, &str>) -> bool {
    let text = |value: &Value| match &value["Ref"] {
        Value::String(name) => parameters[&**name].to_owned(),
        _ => value.as_str().expect("a text").to_owned(),
    };
    if let Some(of) = condition.get("Fn::Contains") {
        return of[0].as_array().expect("a list").contains(&text(&of[1]).into());
    }
    let of = condition.get("Fn::Equals").unwrap_or_else(|| panic!("{condition}"));
    text(&of[0]) == text(&of[1])
}

#[test]
fn the_rules_refuse_whatever_lets_entries_expire_too_early() {
    let expanded = ask("template.py", &["expand"], source().as_bytes());
    let (mut refused, mut allowed) = (0, 0);
    for days in 21..=120 {
        for lateness in 0..=80 {
            for hours in (24..=168).step_by(24) {
                let given = [days, lateness, hours].map(|number: i64| number.to_string());
                let parameters = BTreeMap::from([
                    ("EventRetentionDays", &*given[0]),
                    ("LatenessDays", &*given[1]),
                    ("RetentionHours", &*given[2]),
                ]);
                let is_refused = !broken_rules(&expanded, &parameters).is_empty();
                // As `headcount check` has it.
                assert!(is_refused || lateness + hours / 24 <= days - 13, "{parameters:?}");
                (refused, allowed) = (refused + usize::from(is_refused), allowed + usize::from(!is_refused));
            }
        }
    }
    println!("{refused} refused, {allowed} allowed");
    let defaults = ["EventRetentionDays", "LatenessDays", "RetentionHours"]
        .map(|name| (name, Expanded::new().default_of(name).to_string()));
    let defaults: BTreeMap<_, _> = defaults.iter().map(|(name, value)| (*name, &**value)).collect();
    assert_eq!(broken_rules(&expanded, &defaults), Vec::<String>::new());
}
