//! What the deployment must keep, whatever else changes: nothing lost, nothing open, nothing forgotten.

use std::collections::BTreeSet;

use headcount_aggregator::handler::{Asked, asked};
use headcount_core::validate::PLACEHOLDER_IDS;
use serde_json::{Value, json};

use crate::scripts::root;
use crate::template::Expanded;

/// The tables of the stack; the second one is a choice.
const TABLES: [&str; 2] = ["EventsTable", "MetricsTable"];

#[test]
fn the_stream_is_encrypted_and_keeps_records_as_long_as_the_parameter_says() {
    let template = Expanded::new();
    let stream = template.properties("EventStream");
    assert_eq!(stream["StreamEncryption"]["EncryptionType"], "KMS");
    assert_eq!(stream["RetentionPeriodHours"], json!({"Ref": "RetentionHours"}));
}

#[test]
fn tables_are_encrypted_recoverable_on_demand_and_protected() {
    let template = Expanded::new();
    for name in TABLES {
        let table = template.properties(name);
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
        let recovery = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]["Fn::If"];
        let (condition, parameter) = match name {
            "EventsTable" => ("RecoversEvents", "EventsRecovery"),
            _ => ("RecoversMetrics", "MetricsRecovery"),
        };
        assert_eq!(*recovery, json!([condition, true, false]), "{name}");
        assert_eq!(template.part("Conditions")[condition], json!({"Fn::Equals": [{"Ref": parameter}, "true"]}));
        assert_eq!(template.default_of(parameter), "true");
        assert_eq!(table["DeletionProtectionEnabled"], true, "{name}");
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{name}");
    }
}

#[test]
fn what_cannot_be_made_again_outlives_the_stack() {
    let template = Expanded::new();
    for name in TABLES.iter().chain(&["FailureBucket", "FailureBucketPolicy", "LogBucket", "LogBucketPolicy"]) {
        let resource = &template.resources()[*name];
        assert_eq!(resource["DeletionPolicy"], "Retain", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
    }
    assert_eq!(template.resources()["EventStream"]["UpdateReplacePolicy"], "Retain");
}

#[test]
fn the_events_table_has_the_keys_index_and_expiry_that_the_store_needs() {
    let template = Expanded::new();
    let table = template.properties("EventsTable");
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    assert_eq!(table["KeySchema"], keys("PK", "SK"));
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexName"], headcount_store::dynamo::schema::INDEX);
    assert_eq!(index["KeySchema"], keys("GSI1PK", "GSI1SK"));
    assert_eq!(index["Projection"], json!({"ProjectionType": "KEYS_ONLY"}));
    let expiry = json!({"AttributeName": headcount_store::dynamo::schema::TTL_ATTRIBUTE, "Enabled": true});
    assert_eq!(table["TimeToLiveSpecification"], expiry);
    assert_eq!(template.properties("MetricsTable")["KeySchema"], keys("PK", "SK"));
}

#[test]
fn a_shard_is_handled_by_one_batch_at_a_time() {
    let template = Expanded::new();
    let mappings = template.all("AWS::Lambda::EventSourceMapping");
    assert_eq!(mappings.len(), 1, "one mapping of the stream, or its fence means nothing");
    let (_, mapping) = mappings[0];
    assert_eq!(mapping["ParallelizationFactor"], 1);
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(mapping["BatchSize"], 10_000);
    assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
}

#[test]
fn a_record_that_never_passes_reaches_the_failure_destination_whole() {
    let template = Expanded::new();
    let mapping = template.properties("ConsumerStream");
    assert_eq!(mapping["BisectBatchOnFunctionError"], true);
    // Only age ends the retries.
    assert_eq!(mapping["MaximumRetryAttempts"], -1);
    let destination = json!({"Fn::GetAtt": ["FailureBucket", "Arn"]});
    assert_eq!(mapping["DestinationConfig"]["OnFailure"]["Destination"], destination);
}

#[test]
fn records_are_given_up_before_the_stream_forgets_them() {
    let template = Expanded::new();
    let age = &template.properties("ConsumerStream")["MaximumRecordAgeInSeconds"];
    assert_eq!(*age, json!({"Fn::FindInMap": ["RecordAge", {"Ref": "RetentionHours"}, "Seconds"]}));
    let ages = template.part("Mappings")["RecordAge"].as_object().expect("ages by retention");
    let hours = template.part("Parameters")["RetentionHours"]["AllowedValues"].as_array().expect("a choice");
    assert_eq!(ages.len(), hours.len(), "an age for each retention");
    for hours in hours {
        let seconds = ages[&hours.to_string()]["Seconds"].as_i64().expect("seconds");
        let retention = hours.as_i64().expect("hours") * 3_600;
        assert!((60..retention).contains(&seconds) && seconds <= 604_800, "{hours} h: {seconds} s");
    }
}

#[test]
fn the_failure_bucket_is_private_encrypted_and_only_spoken_to_over_tls() {
    let template = Expanded::new();
    let bucket = template.properties("FailureBucket");
    assert_private_and_encrypted(bucket);
    assert_eq!(bucket["LifecycleConfiguration"]["Rules"][0]["Status"], "Enabled");
    assert_denies_plain_http(&template.properties("FailureBucketPolicy")["PolicyDocument"]["Statement"][0]);
}

/// Without versions: a condition looks at current ones only, and nothing is ever replaced.
#[test]
fn the_log_bucket_is_private_encrypted_unversioned_and_takes_entries_once() {
    let template = Expanded::new();
    let bucket = template.properties("LogBucket");
    assert_private_and_encrypted(bucket);
    assert!(bucket["VersioningConfiguration"].is_null(), "{bucket}");
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().expect("rules");
    assert!(rules.iter().all(|rule| rule["Status"] == "Enabled"), "{rules:?}");
    let policy = template.properties("LogBucketPolicy");
    assert_eq!(policy["Bucket"], json!({"Ref": "LogBucket"}));
    let statements = policy["PolicyDocument"]["Statement"].as_array().expect("statements");
    let [plain, once] = &statements[..] else { panic!("{statements:#?}") };
    assert_denies_plain_http(plain);
    assert_eq!((&once["Effect"], &once["Principal"]), (&json!("Deny"), &json!("*")));
    assert_eq!(
        (&once["Action"], &once["Condition"]),
        (&json!("s3:PutObject"), &json!({"Null": {"s3:if-none-match": "true"}}))
    );
    let folders =
        ["log", "deployment", "proof"].map(|folder| json!({"Fn::Sub": format!("${{LogBucket.Arn}}/{folder}/*")}));
    assert_eq!(once["Resource"], json!(folders));
}

fn assert_private_and_encrypted(bucket: &Value) {
    let by_default =
        &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"];
    assert_eq!(by_default["SSEAlgorithm"], "AES256");
    let access = bucket["PublicAccessBlockConfiguration"].as_object().expect("public access is blocked");
    assert!(access.len() == 4 && access.values().all(|blocked| *blocked == true), "{access:?}");
}

#[test]
fn the_queue_is_encrypted_and_only_spoken_to_over_tls() {
    let template = Expanded::new();
    assert_eq!(template.properties("AggregatorFailures")["SqsManagedSseEnabled"], true);
    assert_denies_plain_http(&template.properties("AggregatorFailuresPolicy")["PolicyDocument"]["Statement"][0]);
}

fn assert_denies_plain_http(statement: &Value) {
    assert_eq!((&statement["Effect"], &statement["Principal"]), (&json!("Deny"), &json!("*")));
    assert_eq!(statement["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
}

#[test]
fn logs_of_every_function_end_some_day() {
    let template = Expanded::new();
    for (name, group) in template.all("AWS::Logs::LogGroup") {
        assert_eq!(group["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{name}");
    }
    for (name, function) in template.all("AWS::Lambda::Function") {
        assert_eq!(function["LoggingConfig"]["LogGroup"], json!({"Ref": format!("{name}Logs")}));
    }
}

#[test]
fn functions_have_the_size_time_and_runtime_that_the_documents_promise() {
    let template = Expanded::new();
    for (name, memory, timeout) in [
        ("Consumer", 512, 300),
        ("Aggregator", 1_024, 900),
        ("Collector", 512, 30),
        ("Api", 512, 60),
        ("Prover", 1_769, 900),
    ] {
        let function = template.properties(name);
        let size = &function["MemorySize"];
        let size = size["Ref"].as_str().map_or(size, |parameter| template.default_of(parameter));
        assert_eq!((size, &function["Timeout"]), (&json!(memory), &json!(timeout)), "{name}");
        assert_eq!(function["Runtime"], "provided.al2023");
        assert_eq!(function["Architectures"], json!([{"Ref": "Architecture"}]));
    }
    let reserved = &template.properties("Aggregator")["ReservedConcurrentExecutions"];
    // The hourly run, and the light one of every minute.
    assert_eq!(reserved["Fn::If"][1], 2);
    assert_eq!(template.properties("Prover")["ReservedConcurrentExecutions"]["Fn::If"][1], 1);
}

#[test]
fn the_prover_is_started_every_hour_between_two_roll_ups_and_what_fails_is_kept() {
    let template = Expanded::new();
    let schedule = template.properties("ProofSchedule");
    assert_eq!(schedule["ScheduleExpression"], "cron(35 * * * ? *)");
    let target = &schedule["Target"];
    assert_eq!(target["Arn"], json!({"Fn::GetAtt": ["Prover", "Arn"]}));
    let input: Value = serde_json::from_str(target["Input"].as_str().expect("a text")).expect("JSON");
    assert_eq!(asked(&input).expect("the handler knows it"), Asked::Prove(None));
    let kept = json!({"Fn::GetAtt": ["AggregatorFailures", "Arn"]});
    assert_eq!(target["DeadLetterConfig"]["Arn"], kept);
    let invoking = template.properties("ProverEventInvokeConfig");
    assert_eq!(invoking["DestinationConfig"]["OnFailure"]["Destination"], kept);
}

#[test]
fn only_entries_expire() {
    let template = Expanded::new();
    let rules = template.properties("LogBucket")["LifecycleConfiguration"]["Rules"].as_array().expect("rules");
    let expiring: Vec<_> = rules.iter().filter(|rule| !rule["ExpirationInDays"].is_null()).collect();
    assert!(expiring.len() == 1 && expiring[0]["Prefix"] == "log/", "proof/ and head/ stay: {rules:?}");
}

#[test]
fn the_aggregator_is_started_every_hour_and_what_fails_is_kept() {
    let template = Expanded::new();
    let schedule = template.properties("Schedule");
    assert_eq!(schedule["ScheduleExpression"], "cron(5 * * * ? *)");
    let kept = json!({"Fn::GetAtt": ["AggregatorFailures", "Arn"]});
    assert_eq!(schedule["Target"]["DeadLetterConfig"]["Arn"], kept);
    assert!(schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"].as_i64() > Some(0));
    let invoking = template.properties("AggregatorEventInvokeConfig");
    assert_eq!(invoking["DestinationConfig"]["OnFailure"]["Destination"], kept);
    assert_eq!(invoking["MaximumRetryAttempts"], 2);
}

#[test]
fn a_new_table_is_warmed_by_at_least_what_any_new_table_takes() {
    let template = Expanded::new();
    let pattern = &template.part("Parameters")["WarmWriteUnits"]["AllowedPattern"];
    assert_eq!(*pattern, "0|[4-9][0-9]{3}|[1-9][0-9]{4,5}|1000000");
    assert_eq!(template.default_of("WarmWriteUnits"), "0");
}

#[test]
fn the_document_explains_every_alarm_and_parameter() {
    let template = Expanded::new();
    let document = std::fs::read_to_string(root().join("docs/aws.md")).expect("the document is there");
    for (name, alarm) in template.all("AWS::CloudWatch::Alarm") {
        let full = alarm["AlarmName"]["Fn::Sub"].as_str().expect("an alarm is named after the project");
        let short = full.trim_start_matches("${ProjectName}-");
        assert!(document.contains(&format!("| `{short}` |")), "docs/aws.md does not explain {short} ({name})");
    }
    for name in template.part("Parameters").keys() {
        assert!(document.contains(&format!("`{name}`")), "docs/aws.md does not name the parameter {name}");
    }
}

#[test]
fn each_function_is_told_exactly_what_its_configuration_reads() {
    let template = Expanded::new();
    let configurations = [
        ("Consumer", &["consumer/src/config.rs", "follow/src/config.rs"][..]),
        ("Aggregator", &["aggregator/src/config.rs", "follow/src/config.rs"]),
        ("Prover", &["aggregator/src/config.rs", "follow/src/config.rs"]),
        ("Collector", &["collector/src/config.rs"]),
        ("Api", &["dashboard/src/config.rs"]),
    ];
    for (name, paths) in configurations {
        let read = |path: &&str| std::fs::read_to_string(root().join(path)).expect("a function has a configuration");
        let source: String = paths.iter().map(read).collect();
        let told = template.properties(name)["Environment"]["Variables"].as_object().expect("variables").keys();
        let mut read = variables(&source);
        // Where a secret holds it, the environment does not.
        for secret in read.clone().iter().filter_map(|name| name.strip_suffix("_SECRET")) {
            assert!(read.remove(secret), "{name} reads no {secret}");
        }
        // Only the hourly roll-up raises alarms of budgets.
        assert!(name != "Prover" || read.remove(headcount_aggregator::config::ALARM_TOPIC), "{name}");
        assert_eq!(told.cloned().collect::<BTreeSet<_>>(), read, "{name}");
    }
}

/// The environment variables that a configuration's source names, its public text constants, but for those that the service
/// itself sets.
fn variables(source: &str) -> BTreeSet<String> {
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""));
    let names = constants.map(|(_, value)| value.trim_end_matches("\";").to_owned());
    names.filter(|name| !name.starts_with("AWS_LAMBDA_")).collect()
}

#[test]
fn nothing_is_open_to_the_internet_unless_somebody_decides_so() {
    let template = Expanded::new();
    assert_eq!(template.default_of("WithCollector"), "false");
    assert_eq!(template.default_of("AllowedOrigins"), "");
    for kind in ["AWS::Lambda::Url", "AWS::Lambda::Permission"] {
        let of_kind: Vec<_> = template.resources().iter().filter(|(_, resource)| resource["Type"] == kind).collect();
        assert!(!of_kind.is_empty(), "no {kind}");
        for (name, resource) in of_kind {
            if name.starts_with("Api") {
                // Who reads there is looked at below.
                assert!(["HasApi", "IsReadByToken"].contains(&resource["Condition"].as_str().expect("a condition")));
                continue;
            }
            assert_eq!(resource["Condition"], "HasCollector", "{name}");
            let function =
                &resource["Properties"][if kind.ends_with("Url") { "TargetFunctionArn" } else { "FunctionName" }];
            let opened = if function["Ref"].is_null() { &function["Fn::GetAtt"][0] } else { &function["Ref"] };
            assert_eq!(*opened, "Collector", "{name} opens {function}");
        }
    }
}

#[test]
fn nobody_reads_figures_at_an_address_unless_somebody_decides_who() {
    let template = Expanded::new();
    assert_eq!(template.default_of("ReadAccess"), "none");
    for (name, resource) in template.resources() {
        let is_of_the_api = name.starts_with("Api");
        assert!(!is_of_the_api || !resource["Condition"].is_null(), "{name} is made in any case");
    }
    let open = json!({"Fn::If": ["IsReadByToken", "NONE", "AWS_IAM"]});
    assert_eq!(template.properties("ApiUrl")["AuthType"], open);
    let variables = &template.properties("Api")["Environment"]["Variables"];
    assert_eq!(variables["READ_ACCESS"], json!({"Fn::If": ["IsReadByToken", "", "iam"]}));
    let token = &variables["READ_TOKEN_SECRET"]["Fn::If"][1];
    assert_eq!(
        *token,
        json!({"Ref": "ReadToken"}),
        "the token itself is neither in the template nor in the environment"
    );
    assert_eq!(variables.get("READ_TOKEN"), None);
}

#[test]
fn whoever_may_ask_an_open_address_may_invoke_its_function_by_it() {
    let template = Expanded::new();
    for function in ["Api", "Collector"] {
        let permissions = template.all("AWS::Lambda::Permission");
        let of_it = permissions.iter().filter(|(_, permission)| permission["FunctionName"]["Ref"] == function);
        let mut allowed: Vec<_> = of_it
            .map(|(_, permission)| {
                json!([
                    permission["Action"],
                    permission["Principal"],
                    permission["FunctionUrlAuthType"],
                    permission["InvokedViaFunctionUrl"],
                ])
            })
            .collect();
        allowed.sort_by_key(Value::to_string);
        let wanted =
            [json!(["lambda:InvokeFunction", "*", null, true]), json!(["lambda:InvokeFunctionUrl", "*", "NONE", null])];
        assert_eq!(allowed, wanted, "AWS asks for both of {function}, and by no other way than its address");
    }
}

#[test]
fn write_keys_are_made_by_the_stack_and_stand_in_no_parameter() {
    let template = Expanded::new();
    assert_eq!(template.properties("WriteKeys")["GenerateSecretString"]["ExcludePunctuation"], true);
    let variables = &template.properties("Collector")["Environment"]["Variables"];
    assert_eq!(variables["WRITE_KEYS_SECRET"], json!({"Ref": "WriteKeys"}));
    assert_eq!(variables.get("WRITE_KEYS"), None);
}

#[test]
fn addresses_are_truncated_unless_somebody_decides_otherwise() {
    assert_eq!(Expanded::new().default_of("IpPolicy"), "truncate");
}

#[test]
fn placeholder_ids_are_the_built_in_ones_unless_somebody_decides_otherwise() {
    assert_eq!(*Expanded::new().default_of("PlaceholderIds"), PLACEHOLDER_IDS.join(","));
}

#[test]
fn every_parameter_and_output_says_what_it_is() {
    let template = Expanded::new();
    for part in ["Parameters", "Outputs"] {
        for (name, one) in template.part(part) {
            assert!(one["Description"].as_str().is_some_and(|text| !text.is_empty()), "{part} {name}");
        }
    }
    for (name, parameter) in template.part("Parameters") {
        assert!(!parameter["Default"].is_null(), "{name} has no default");
    }
}

#[test]
fn costs_can_be_told_by_project() {
    /// What bills nothing of its own, or takes no tags.
    const UNTAGGED: [&str; 9] = [
        "AWS::CloudWatch::Dashboard",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Url",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::Schedule",
    ];
    let template = Expanded::new();
    for (name, resource) in template.resources() {
        let kind = resource["Type"].as_str().expect("a resource has a type");
        let tags = resource["Properties"]["Tags"].as_array();
        let has = |value: Value| tags.is_some_and(|tags| tags.contains(&value));
        let is_tagged = has(json!({"Key": "Application", "Value": "headcount"}))
            && has(json!({"Key": "Project", "Value": {"Ref": "ProjectName"}}));
        assert!(is_tagged || UNTAGGED.contains(&kind), "{name} carries no tags");
    }
}
