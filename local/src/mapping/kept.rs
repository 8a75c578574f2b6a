//! What is written down of records that a mapping gives up on.

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use chrono::{DateTime, SecondsFormat, Utc};
use headcount_consumer::kept::{BatchInfo, KeptInvocation, RequestContext, ResponseContext};

use super::batch::Source;
use crate::failures::id_of;

/// The version of the form.
const VERSION: &str = "1.0";

/// The function's name in its ARN.
const FUNCTION: &str = "headcount-consumer";

/// Why and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenUp {
    /// One of [`crate::aws_names::CONDITIONS`].
    pub(super) condition: &'static str,
    /// How often the function was called with these records.
    pub(super) calls: u32,
    /// Whether the last call failed as a whole, and not by naming records.
    pub(super) whole: bool,
    /// Milliseconds since the epoch.
    pub(super) now_ms: i64,
}

/// The form that the failure destination keeps; `records` has at least one.
pub(super) fn kept(source: &Source, records: &[KinesisEventRecord], given_up: GivenUp) -> KeptInvocation {
    let sequence = |record: Option<&KinesisEventRecord>| {
        record.map(|record| record.kinesis.sequence_number.clone()).unwrap_or_default()
    };
    let arrival = |record: Option<&KinesisEventRecord>| {
        said(record.map(|record| record.kinesis.approximate_arrival_timestamp.0).unwrap_or_default())
    };
    let (first, last) = (records.first(), records.last());
    let at = said(DateTime::from_timestamp_millis(given_up.now_ms).unwrap_or_default());
    let mut event = KinesisEvent::default();
    event.records = records.to_vec();
    KeptInvocation {
        request_context: RequestContext {
            request_id: id_of(&format!("{}|{}|{at}", source.shard, sequence(first))),
            function_arn: function_arn(&source.arn),
            condition: given_up.condition.to_owned(),
            approximate_invoke_count: u64::from(given_up.calls.max(1)),
        },
        response_context: Some(ResponseContext {
            status_code: 200,
            executed_version: "$LATEST".into(),
            function_error: given_up.whole.then(|| "Unhandled".into()),
        }),
        version: VERSION.into(),
        timestamp: at,
        batch: BatchInfo {
            shard_id: source.shard.clone(),
            start_sequence_number: sequence(first),
            end_sequence_number: sequence(last),
            approximate_arrival_of_first_record: arrival(first),
            approximate_arrival_of_last_record: arrival(last),
            batch_size: records.len(),
            stream_arn: source.arn.clone(),
        },
        payload: Some(event),
    }
}

/// The function's ARN, in the stream's region and account.
fn function_arn(stream_arn: &str) -> String {
    let mut parts = stream_arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    format!("arn:aws:lambda:{region}:{account}:function:{FUNCTION}")
}

fn said(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
