//! The JSON of an invocation.
//!
//! The types of `aws_lambda_events` read the arrival time `1.98` as 1 second and 98 milliseconds, and an event without an
//! id takes its identity from its arrival. So the few fields that count are read here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::batch::{Batch, BatchError, Gathered};

#[derive(Deserialize)]
struct Invocation<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Delivered<'a>>,
}

#[derive(Deserialize)]
struct Delivered<'a> {
    #[serde(rename = "eventSourceARN", default, borrow)]
    stream_arn: Cow<'a, str>,
    #[serde(rename = "eventID", default, borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    kinesis: Kinesis<'a>,
}

#[derive(Deserialize)]
struct Kinesis<'a> {
    #[serde(rename = "sequenceNumber", default, borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(rename = "approximateArrivalTimestamp")]
    arrived: ArrivedMs,
}

/// An instant in milliseconds since the epoch, written as seconds with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrivedMs(pub(crate) i64);

impl<'de> Deserialize<'de> for ArrivedMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Lambda writes a number; `aws_lambda_events`, which writes kept invocations here, a text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Seconds {
            Number(f64),
            Text(String),
        }

        let seconds = match Seconds::deserialize(deserializer)? {
            Seconds::Number(seconds) => seconds,
            Seconds::Text(text) => {
                text.parse().map_err(|_| D::Error::custom("an arrival time is not a number of seconds"))?
            }
        };
        Ok(Self((seconds * 1_000.0).round() as i64))
    }
}

/// Reads what Lambda hands a function; `None` where it has no records.
///
/// # Errors
///
/// [`BatchError`].
pub fn read(json: &[u8], generation: Option<&str>) -> Result<Option<Batch>, BatchError> {
    let invocation: Invocation<'_> =
        serde_json::from_slice(json).map_err(|error| BatchError::Unreadable(error.to_string()))?;
    let mut gathered = Gathered::new(generation);
    for (index, Delivered { stream_arn, event_id, kinesis }) in invocation.records.into_iter().enumerate() {
        let data = BASE64_STANDARD
            .decode(kinesis.data.as_bytes())
            .map_err(|_| BatchError::Unreadable(format!("kinesis.data of record {index} is not Base64")))?;
        gathered.add(&stream_arn, &event_id, &kinesis.sequence_number, kinesis.arrived.0, data)?;
    }
    Ok(gathered.into_batch())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVOCATION: &str = r#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1",
        "sequenceNumber":"49601189658422359378836298521827638475320189012309704722","data":"aGVsbG8=",
        "approximateArrivalTimestamp":1573691884.98},"eventSource":"aws:kinesis","eventVersion":"1.0",
        "eventID":"shardId-000000000001:49601189658422359378836298521827638475320189012309704722",
        "eventName":"aws:kinesis:record","awsRegion":"us-east-2",
        "eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/events"}]}"#;

    #[test]
    fn what_lambda_hands_over_is_read() {
        let batch = read(INVOCATION.as_bytes(), None).unwrap().unwrap();
        assert_eq!(batch.source.as_str(), "events/shardId-000000000001");
        assert_eq!(batch.origin, batch.source);
        let record = &batch.records[0];
        assert_eq!((&*record.data, record.arrived_ms), (&b"hello"[..], 1_573_691_884_980));
        assert_eq!(read(br#"{"Records":[]}"#, None), Ok(None));
        let again = read(INVOCATION.as_bytes(), Some("2")).unwrap().unwrap();
        assert_eq!(again.source.as_str(), "events@2/shardId-000000000001");
    }

    #[test]
    fn what_no_mapping_sends_is_refused_with_what_is_wrong() {
        let check = |from: &str, to: &str, says: &str| {
            let refused = read(INVOCATION.replace(from, to).as_bytes(), None).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        };
        check(":stream/events", ":table/events", "eventSourceARN of record 0");
        check("stream/events", "stream/import", "import");
        check("shardId-000000000001:", "", "eventID of record 0");
        check(r#""sequenceNumber":"4"#, r#""sequenceNumber":"x4"#, "kinesis.sequenceNumber of record 0");
        check("aGVsbG8=", "!", "not Base64");
        check(r#"{"Records""#, r#"{"records""#, "not a Kinesis event source mapping payload");
        let two = INVOCATION.replace("}]}", &format!("}},{}", &INVOCATION[12..])).replacen("000001:", "000002:", 1);
        let refused = read(two.as_bytes(), None).unwrap_err();
        assert!(matches!(refused, BatchError::Mixed(..)), "{refused}");
    }
}
