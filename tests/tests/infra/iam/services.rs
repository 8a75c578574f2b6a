//! What AWS's services do in the name of a role: each request that their documents say they make.

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::event::kinesis::KinesisEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use headcount_consumer::kept::{BatchInfo, KeptInvocation, RequestContext};
use headcount_local::aws_names;
use headcount_tests::iam::template::BUCKET;
use headcount_tests::iam::{ACCOUNT, REGION};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The type of bodies of most services that take JSON.
const JSON: &str = "application/x-amz-json-1.1";

/// What the bodies of a service are.
fn content_type(service: &str) -> &'static str {
    match service {
        "dynamodb" => "application/x-amz-json-1.0",
        "sns" => "application/x-www-form-urlencoded",
        _ => JSON,
    }
}

/// Sends requests to one endpoint, signed with the id of one access key.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: String,
    pub(crate) principal: String,
}

impl Service {
    /// One request to a service that takes JSON and names the operation in a header.
    pub(crate) async fn call(&self, service: &str, target: &str, input: Value) -> Result<Value> {
        let body = self.send(service, "POST", "/", &[("x-amz-target", target)], input.to_string()).await?;
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body).context("its answer is no JSON") }
    }

    /// One request; its answer's body.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Vec<u8>> {
        let scope = format!("{}/20261130/{REGION}/{service}/aws4_request", self.principal);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .header("x-amz-date", "20261130T090000Z")
            .header("content-type", content_type(service));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>();
        let answer = client.request(request.body(body.into())?).await.context("nobody answers")?;
        let status = answer.status();
        let body = axum::body::to_bytes(axum::body::Body::new(answer.into_body()), usize::MAX).await?;
        let said = String::from_utf8_lossy(&body);
        ensure!(status.is_success(), "{service} {method} {path} {headers:?}: {status} {said}");
        Ok(body.to_vec())
    }

    /// The event source mapping looks for the stream's shards and reads them from the beginning:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html>, which lists what its role needs.
    pub(crate) async fn poll(&self, stream: &str) -> Result<KinesisEvent> {
        let call = |operation: &str, input: Value| {
            let target = format!("Kinesis_20131202.{operation}");
            async move { self.call("kinesis", &target, input).await }
        };
        call("DescribeStream", json!({"StreamName": stream})).await?;
        call("DescribeStreamSummary", json!({"StreamName": stream})).await?;
        let shards = call("ListShards", json!({"StreamName": stream})).await?;
        let shard = shards["Shards"][0]["ShardId"].as_str().context("a shard")?.to_owned();
        let from = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = call("GetShardIterator", from).await?["ShardIterator"].clone();
        let mut records = Vec::new();
        loop {
            let read = call("GetRecords", json!({"ShardIterator": iterator})).await?;
            let found = read["Records"].as_array().context("records")?;
            records.extend(found.iter().map(|record| as_delivered(stream, &shard, record)));
            iterator = read["NextShardIterator"].clone();
            if found.is_empty() || read["MillisBehindLatest"] == 0 {
                break;
            }
        }
        Ok(serde_json::from_value(json!({"Records": records}))?)
    }

    /// The mapping writes what it gives up on as an object, and looks first whether the bucket is there:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html>.
    pub(crate) async fn keep(&self, event: &KinesisEvent, condition: &str) -> Result<()> {
        let first = event.records.first().context("records")?;
        let (shard, sequence) = first.event_id.as_deref().and_then(|id| id.split_once(':')).context("an id")?;
        let last = &event.records[event.records.len() - 1].kinesis.sequence_number;
        let now = Utc::now();
        let arrived = |at: DateTime<Utc>| at.to_rfc3339();
        let kept = KeptInvocation {
            request_context: RequestContext {
                request_id: "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5".into(),
                function_arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:headcount-consumer"),
                condition: condition.to_owned(),
                approximate_invoke_count: 1,
            },
            response_context: None,
            version: "1.0".into(),
            timestamp: now.to_rfc3339(),
            batch: BatchInfo {
                shard_id: shard.to_owned(),
                start_sequence_number: sequence.to_owned(),
                end_sequence_number: last.clone(),
                approximate_arrival_of_first_record: arrived(now),
                approximate_arrival_of_last_record: arrived(now),
                batch_size: event.records.len(),
                stream_arn: first.event_source_arn.clone().unwrap_or_default(),
            },
            payload: Some(event.clone()),
        };
        self.send("s3", "GET", &format!("/{BUCKET}?list-type=2&max-keys=1"), &[], String::new()).await?;
        let day = now.format("%Y/%m/%d/%Y-%m-%dT%H.%M.%S");
        let key = format!("aws/lambda/0f0f0f0f-mapping/{shard}/{day}-{sequence}");
        self.send("s3", "PUT", &format!("/{BUCKET}/{key}"), &[], serde_json::to_string(&kept)?).await?;
        Ok(())
    }

    /// Lambda writes a function's logs:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html>.
    pub(crate) async fn log(&self, group: &str) -> Result<()> {
        let stream = format!("2026/11/30/[$LATEST]{:032x}", fastrand::u128(..));
        let named = json!({"logGroupName": group, "logStreamName": stream});
        self.call("logs", "Logs_20140328.CreateLogStream", named.clone()).await?;
        let mut events = named;
        events["logEvents"] = json!([{"timestamp": Utc::now().timestamp_millis(), "message": "{}"}]);
        self.call("logs", "Logs_20140328.PutLogEvents", events).await?;
        Ok(())
    }

    /// Lambda or the scheduler reports what was given up to a queue:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>,
    /// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>.
    pub(crate) async fn report(&self, queue: &str) -> Result<()> {
        let condition = aws_names::RETRY_ATTEMPTS_EXHAUSTED;
        let body = json!({"requestContext": {"condition": condition}}).to_string();
        self.call("sqs", "AmazonSQS.SendMessage", json!({"QueueUrl": queue, "MessageBody": body})).await?;
        Ok(())
    }

    /// The scheduler starts a function: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html>.
    pub(crate) async fn start(&self, function: &str) -> Result<()> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        self.send("lambda", "POST", &path, &[("x-amz-invocation-type", "Event")], "{}".to_owned()).await?;
        Ok(())
    }
}

/// A record of `GetRecords` as an invocation has it.
fn as_delivered(stream: &str, shard: &str, record: &Value) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": record["PartitionKey"], "data": record["Data"],
            "sequenceNumber": record["SequenceNumber"],
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("{shard}:{}", record["SequenceNumber"].as_str().unwrap_or_default()),
        "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/made-ConsumerRole"), "awsRegion": REGION,
        "eventSourceARN": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"),
    })
}

/// An invocation with one record of these events, which arrived when they say.
pub(crate) fn invocation(stream: &str, sequence: u64, arrived: DateTime<Utc>, events: &[Value]) -> KinesisEvent {
    let lines = events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    // Below all numbers that the stream has handed out.
    let record = json!({
        "PartitionKey": "p", "Data": STANDARD.encode(lines), "SequenceNumber": sequence.to_string(),
        "ApproximateArrivalTimestamp": arrived.timestamp_millis() as f64 / 1_000.0,
    });
    let records = [as_delivered(stream, "shardId-000000000009", &record)];
    serde_json::from_value(json!({"Records": records})).expect("a form that Lambda has")
}
