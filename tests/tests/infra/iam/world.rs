//! The stack on this machine: embedded stream and table, a stand-in for the other services, the proxy before all of them, and the
//! functions' programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::StatusCode;
use headcount_local::lambda::fleet::{Fleet, FleetOptions};
use headcount_local::stream::{Stream, StreamOptions};
use headcount_local::table::{Table, TableOptions};
use headcount_tests::binaries;
use headcount_tests::iam::policy::Policy;
use headcount_tests::iam::proxy::Proxy;
use headcount_tests::iam::template::{BUCKET, LOG_BUCKET, Template};
use headcount_tests::iam::{ACCOUNT, REGION};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::services::Service;
use crate::stand_in::StandIn;

/// The text of every secret.
pub(crate) const SECRET: &str = "what-the-secret-holds";

/// What makes creating a secret idempotent: 32 to 64 characters.
const REQUEST: &str = "headcount-tests-0123456789abcdef";

/// The queue that hears what the alarm topic is told.
const HEARD: &str = "what-the-alarm-topic-was-told";

/// Longest wait for one command or invocation.
const PATIENCE: Duration = Duration::from_mins(1);

/// The functions: name in the template, role, program.
const FUNCTIONS: [(&str, &str, &str); 5] = [
    ("Collector", "CollectorRole", "headcount-collector"),
    ("Consumer", "ConsumerRole", "headcount-consumer"),
    ("Aggregator", "AggregatorRole", "headcount-aggregator"),
    ("Prover", "ProverRole", "headcount-aggregator"),
    ("Api", "ApiRole", "headcount-dashboard"),
];

/// A stack with nothing in it. Its stream and tables are left to `headcount init`.
pub(crate) struct World {
    pub(crate) template: Template,
    pub(crate) proxy: Proxy,
    fleets: BTreeMap<&'static str, Fleet>,
    folder: TempDir,
    lambda: JoinHandle<()>,
    others: Service,
    _stream: Stream,
    table: Table,
}

impl World {
    /// With these policies by role or command.
    pub(crate) async fn start(
        others: &StandIn,
        template: &Template,
        principals: BTreeMap<String, Policy>,
    ) -> Result<Self> {
        let stream = Stream::start(StreamOptions::new("another", 1)).await?;
        let table = Table::start(TableOptions::default()).await?;
        prepare(others, template).await?;
        let (lambda_endpoint, lambda) = accept_invocations().await?;
        let other = |service| (service, others.endpoint.clone());
        let mut upstreams = BTreeMap::from(["logs", "s3", "secretsmanager", "sns", "sqs"].map(other));
        upstreams.insert("kinesis", stream.endpoint());
        upstreams.insert("dynamodb", table.endpoint());
        upstreams.insert("lambda", lambda_endpoint);
        let proxy = Proxy::start(upstreams, principals, template.of_resources()?, ACCOUNT).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("config"), configuration(&proxy.endpoint()))?;
        let mut world = Self {
            template: template.clone(),
            proxy,
            fleets: BTreeMap::new(),
            folder,
            lambda,
            others: Service { endpoint: others.endpoint.clone(), principal: ACCOUNT.to_owned() },
            _stream: stream,
            table,
        };
        for (function, role, program) in FUNCTIONS {
            let mut options = FleetOptions::new(program, binaries::folder().join(program));
            options.environment = world.variables(role);
            for (name, value) in template.variables(function)? {
                let value = if name.ends_with("_SECRET") { name_of_secret(&value)? } else { value };
                options.environment.push((name, value));
            }
            for service in ["S3", "SECRETS_MANAGER", "SNS"] {
                options.environment.push((format!("AWS_ENDPOINT_URL_{service}"), world.proxy.endpoint()));
            }
            options.environment.push(("RUST_LOG".into(), "off".into()));
            options.passes_output = false;
            world.fleets.insert(function, Fleet::new(options));
        }
        Ok(world)
    }

    /// What a service does in the name of a role.
    pub(crate) fn service(&self, role: &str) -> Service {
        Service { endpoint: self.proxy.endpoint(), principal: role.to_owned() }
    }

    /// The answer of a function to an event.
    pub(crate) async fn invoke(&self, function: &str, event: &impl serde::Serialize) -> Result<Value> {
        let answer = self.fleets[function].invoke(serde_json::to_vec(event)?, Instant::now() + PATIENCE).await;
        let answer = answer.with_context(|| format!("{function} failed"))?;
        serde_json::from_slice(&answer).with_context(|| format!("{function} answers no JSON"))
    }

    /// The answer of a function behind a URL.
    pub(crate) async fn ask(&self, function: &str, line: &str, headers: Value, body: &str) -> Result<Value> {
        let (method, uri) = line.split_once(' ').context("a method and a path")?;
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        // https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {
                "accountId": "anonymous", "apiId": "url", "domainName": "url.lambda-url.us-east-1.on.aws",
                "domainPrefix": "url", "requestId": "id", "routeKey": "$default", "stage": "$default",
                "time": "30/Nov/2026:09:00:00 +0000", "timeEpoch": 1_796_029_200_000_i64,
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9",
                    "userAgent": "test/1",
                },
            },
            "body": body, "isBase64Encoded": false,
        });
        self.invoke(function, &event).await
    }

    /// What `headcount` prints as JSON, run by whoever has this policy.
    pub(crate) async fn headcount(&self, person: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(binaries::folder().join("headcount"));
        command.args(arguments).envs(self.variables(person)).env("AWS_ENDPOINT_URL_S3", self.proxy.endpoint());
        command.env_remove("AWS_PROFILE").stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.context("it does not end")??;
        let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "headcount {}: {}\n{out}\n{said}", arguments.join(" "), output.status);
        serde_json::from_str(&out).with_context(|| format!("headcount {}: {out}", arguments.join(" ")))
    }

    /// A message that the alarm topic was told.
    pub(crate) async fn heard(&self) -> Result<String> {
        let call = |operation: &str, input: Value| {
            let target = format!("AmazonSQS.{operation}");
            async move { self.others.call("sqs", &target, input).await }
        };
        let queue = call("GetQueueUrl", json!({"QueueName": HEARD})).await?["QueueUrl"].clone();
        let answer = call("ReceiveMessage", json!({"QueueUrl": queue, "WaitTimeSeconds": 10})).await?;
        let body = answer["Messages"][0]["Body"].as_str().with_context(|| format!("no message: {answer}"))?;
        let told: Value = serde_json::from_str(body)?;
        Ok(told["Message"].as_str().context("a message")?.to_owned())
    }

    /// Deletes how far followers have come.
    pub(crate) async fn forget_checkpoints(&self) -> Result<()> {
        let owner = Service { endpoint: self.table.endpoint(), principal: ACCOUNT.to_owned() };
        let table = self.template.reference("EventsTable")?;
        let call = |operation: &str, input: Value| {
            let target = format!("DynamoDB_20120810.{operation}");
            let owner = &owner;
            async move { owner.call("dynamodb", &target, input).await }
        };
        let of_checkpoints = json!({
            "TableName": table, "KeyConditionExpression": "PK = :pk", "ProjectionExpression": "PK, SK",
            "ExpressionAttributeValues": {":pk": {"S": "CHECKPOINT"}},
        });
        let found = call("Query", of_checkpoints).await?;
        for key in found["Items"].as_array().context("checkpoints")? {
            call("DeleteItem", json!({"TableName": table, "Key": key})).await?;
        }
        Ok(())
    }

    /// A file in the folder of this world.
    pub(crate) fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// Programs find the proxy by a profile, so that they behave as they do without another endpoint.
    fn variables(&self, principal: &str) -> Vec<(String, String)> {
        let config = self.folder.path().join("config").display().to_string();
        [
            ("AWS_ACCESS_KEY_ID", principal),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", REGION),
            ("AWS_CONFIG_FILE", &config),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lambda.abort();
    }
}

/// A profile that sends each service to the proxy.
pub(crate) fn configuration(endpoint: &str) -> String {
    let services = ["cloudformation", "dynamodb", "kinesis", "lambda"];
    let services = services.map(|service| format!("{service} =\n  endpoint_url = {endpoint}\n")).concat();
    format!("[default]\nregion = {REGION}\nservices = stand-ins\n\n[services stand-ins]\n{services}")
}

/// The name in a secret's ARN, which the stand-in gives six other letters at the end. Secrets Manager takes either.
fn name_of_secret(arn: &str) -> Result<String> {
    let name = arn.split_once(":secret:").and_then(|(_, rest)| rest.rsplit_once('-'));
    Ok(name.with_context(|| format!("{arn} is no ARN of a secret"))?.0.to_owned())
}

/// The name of the price table beside the log.
pub(crate) const PRICE_TABLE: &str = "december.json";

/// Makes what the stack would have: bucket, queue, secrets, log groups; empties the bucket and puts a price table there.
async fn prepare(others: &StandIn, template: &Template) -> Result<()> {
    let owner = Service { endpoint: others.endpoint.clone(), principal: ACCOUNT.to_owned() };
    for bucket in [BUCKET, LOG_BUCKET] {
        owner.send("s3", "PUT", &format!("/{bucket}"), &[], String::new()).await?;
        let list = format!("/{bucket}?list-type=2");
        let listed = String::from_utf8(owner.send("s3", "GET", &list, &[], String::new()).await?)?;
        for key in listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>")) {
            owner.send("s3", "DELETE", &format!("/{bucket}/{}", key.0), &[], String::new()).await?;
        }
    }
    let (path, prices) = (format!("/{LOG_BUCKET}/prices/{PRICE_TABLE}"), json!({"m": {"input_cost_per_token": 1e-6}}));
    owner.send("s3", "PUT", &path, &[], prices.to_string()).await?;
    for (_, queue) in template.all("AWS::SQS::Queue")? {
        owner.call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": queue["QueueName"]})).await?;
    }
    for (_, topic) in template.all("AWS::SNS::Topic")? {
        let name = topic["TopicName"].as_str().context("a topic's name")?;
        let sns = |form: String| owner.send("sns", "POST", "/", &[], format!("Version=2010-03-31&{form}"));
        sns(format!("Action=CreateTopic&Name={name}")).await?;
        owner.call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": HEARD})).await?;
        let (topic, queue) =
            (format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}"), format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{HEARD}"));
        sns(format!("Action=Subscribe&Protocol=sqs&TopicArn={topic}&Endpoint={queue}")).await?;
    }
    for (name, secret) in template.all("AWS::SecretsManager::Secret")? {
        let secret = json!({"Name": secret["Name"], "SecretString": SECRET, "ClientRequestToken": REQUEST});
        let made = owner.call("secretsmanager", "secretsmanager.CreateSecret", secret).await;
        if let Err(error) = made
            && !error.to_string().contains("ResourceExistsException")
        {
            bail!("{name}: {error:#}");
        }
    }
    for (name, group) in template.all("AWS::Logs::LogGroup")? {
        let group = json!({"logGroupName": group["LogGroupName"]});
        let made = owner.call("logs", "Logs_20140328.CreateLogGroup", group).await;
        if let Err(error) = made
            && !error.to_string().contains("ResourceAlreadyExistsException")
        {
            bail!("{name}: {error:#}");
        }
    }
    Ok(())
}

/// Takes asynchronous invocations, as Lambda does before it runs a function.
async fn accept_invocations() -> Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let router = axum::Router::new().fallback(|| async { StatusCode::ACCEPTED });
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("the stand-in for Lambda failed: {error}");
        }
    });
    Ok((endpoint, serving))
}
