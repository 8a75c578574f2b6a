//! Invocations that an event source mapping gave up on, as its failure destination keeps them: the whole invocation
//! with its records, in the form that AWS Lambda writes to S3.

use aws_lambda_events::event::kinesis::KinesisEvent;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An invocation that a mapping gave up on.
///
/// Fields that Headcount does not read are kept optional: other tools write them, or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptInvocation {
    /// What was asked of the function.
    pub request_context: RequestContext,
    /// What the function answered, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_context: Option<ResponseContext>,
    /// The version of this form: `1.0`.
    pub version: String,
    /// When the mapping gave up, RFC 3339.
    pub timestamp: String,
    /// Which records.
    #[serde(rename = "KinesisBatchInfo")]
    pub batch: BatchInfo,
    /// The invocation itself, written as JSON inside a JSON string. Absent where the destination is a queue or a topic:
    /// these are told about the records, but not given them.
    #[serde(default, with = "as_text", skip_serializing_if = "Option::is_none")]
    pub payload: Option<KinesisEvent>,
}

/// What was asked of the function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The last request's id.
    pub request_id: String,
    /// The function.
    pub function_arn: String,
    /// Why the mapping gave up, in a word of the service's. No AWS page lists these words, and none changes what is done
    /// with the records, so any is accepted.
    pub condition: String,
    /// How often the function was invoked with these records, about.
    pub approximate_invoke_count: u64,
}

/// What the function answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseContext {
    /// 200 where the function ran.
    pub status_code: u16,
    /// The function's version.
    pub executed_version: String,
    /// `Unhandled`, or what the runtime said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_error: Option<String>,
}

/// Which records an invocation had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// The shard.
    pub shard_id: String,
    /// The first record's sequence number.
    pub start_sequence_number: String,
    /// The last record's sequence number.
    pub end_sequence_number: String,
    /// When the stream took the first record, RFC 3339.
    pub approximate_arrival_of_first_record: String,
    /// When the stream took the last record, RFC 3339.
    pub approximate_arrival_of_last_record: String,
    /// How many records.
    pub batch_size: usize,
    /// The stream.
    pub stream_arn: String,
}

mod as_text {
    use chrono::DateTime;

    use super::{Deserialize, Deserializer, KinesisEvent, Serializer};
    use crate::invocation::ArrivedMs;
    use serde::de::Error as _;
    use serde::ser::Error as _;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(payload: &Option<KinesisEvent>, serializer: S) -> Result<S::Ok, S::Error> {
        match payload {
            Some(event) => serializer.serialize_str(&serde_json::to_string(event).map_err(S::Error::custom)?),
            None => serializer.serialize_none(),
        }
    }

    /// Takes the payload as text, and as well as plain JSON, whoever wrote it.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KinesisEvent>, D::Error> {
        let event = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => return Ok(None),
            serde_json::Value::String(text) => read(&text),
            payload => read(&payload.to_string()),
        };
        event.map(Some).map_err(D::Error::custom)
    }

    /// The arrival times of an invocation's records.
    #[derive(Deserialize)]
    struct Arrivals {
        #[serde(rename = "Records")]
        records: Vec<Arrival>,
    }

    #[derive(Deserialize)]
    struct Arrival {
        kinesis: ArrivalTime,
    }

    #[derive(Deserialize)]
    struct ArrivalTime {
        #[serde(rename = "approximateArrivalTimestamp")]
        arrived: ArrivedMs,
    }

    /// The invocation, its arrival times as the handler had them: the published type takes `.98` of a second for 98
    /// milliseconds, and an event without an id would become another one.
    fn read(text: &str) -> serde_json::Result<KinesisEvent> {
        let mut event: KinesisEvent = serde_json::from_str(text)?;
        let Arrivals { records } = serde_json::from_str(text)?;
        for (record, arrival) in event.records.iter_mut().zip(records) {
            if let Some(at) = DateTime::from_timestamp_millis(arrival.kinesis.arrived.0) {
                *record.kinesis.approximate_arrival_timestamp = at;
            }
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As AWS documents it, with its own whitespace and order.
    const WRITTEN: &str = r#"{
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:consumer",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 101
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000001",
            "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
            "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
            "batchSize": 1,
            "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/events"
        },
        "payload": PAYLOAD
    }"#;

    const EVENT: &str = r#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1",
        "sequenceNumber":"49601189658422359378836298521827638475320189012309704722","data":"aGVsbG8=",
        "approximateArrivalTimestamp":1573691884.83},"eventSource":"aws:kinesis","eventVersion":"1.0",
        "eventID":"shardId-000000000001:49601189658422359378836298521827638475320189012309704722",
        "eventName":"aws:kinesis:record","awsRegion":"us-east-2",
        "eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/events"}]}"#;

    #[test]
    fn what_the_service_writes_is_read_and_written_back() {
        let as_text = serde_json::to_string(EVENT).unwrap();
        for payload in [as_text.as_str(), EVENT] {
            let kept: KeptInvocation = serde_json::from_str(&WRITTEN.replace("PAYLOAD", payload)).unwrap();
            let records = &kept.payload.as_ref().unwrap().records;
            assert_eq!(records[0].kinesis.data.0, b"hello");
            assert_eq!(records[0].kinesis.approximate_arrival_timestamp.timestamp_millis(), 1_573_691_884_830);
            assert_eq!(kept.request_context.condition, "RetryAttemptsExhausted");
            let written = serde_json::to_value(&kept).unwrap();
            assert!(written["payload"].is_string());
            let again: KeptInvocation = serde_json::from_value(written).unwrap();
            assert_eq!(again.payload, kept.payload);
            assert_eq!((again.batch, again.request_context), (kept.batch, kept.request_context));
        }
    }

    #[test]
    fn any_condition_is_read() {
        for condition in ["RecordAgeExceeded", "AWordOfTheFuture"] {
            let written = WRITTEN.replace("RetryAttemptsExhausted", condition).replace("PAYLOAD", EVENT);
            let kept: KeptInvocation = serde_json::from_str(&written).unwrap();
            assert_eq!(kept.request_context.condition, condition);
        }
    }

    #[test]
    fn a_queue_is_told_but_given_nothing() {
        let kept: KeptInvocation = serde_json::from_str(&WRITTEN.replace("PAYLOAD", "null")).unwrap();
        assert!(kept.payload.is_none());
    }
}
