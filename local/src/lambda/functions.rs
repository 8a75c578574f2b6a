//! The functions of Headcount over their processes: the consumer for the mapping, the aggregator for its schedule.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use headcount_aggregator::Following;
use headcount_aggregator::handler::{FOLLOW, PROVE};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::fleet::{Fleet, InvokeError};
use crate::mapping::{Function, FunctionError};

/// The consumer's program.
pub const CONSUMER: &str = "headcount-consumer";

/// The aggregator's program.
pub const AGGREGATOR: &str = "headcount-aggregator";

/// What a call is ended by before its deadline: a process whose time is up must be gone when the mapping goes on.
const KILL_MARGIN: Duration = Duration::from_millis(200);

/// The consumer, each batch handled by one of its processes.
#[derive(Clone, Debug)]
pub struct ConsumerProcesses(pub Arc<Fleet>);

impl Function for ConsumerProcesses {
    async fn invoke(&self, event: KinesisEvent, deadline: Instant) -> Result<KinesisEventResponse, FunctionError> {
        let payload = serde_json::to_vec(&event).map_err(FunctionError::new)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let until = deadline.checked_sub(KILL_MARGIN.min(left / 4)).unwrap_or(deadline);
        let answer = self.0.invoke(payload, until).await.map_err(FunctionError::new)?;
        read_answer(&answer).map_err(FunctionError::new)
    }
}

/// Reads what a function answers to its mapping. As with the service, nothing and an empty object are a success.
fn read_answer(answer: &[u8]) -> Result<KinesisEventResponse, String> {
    let value: Value = match answer.trim_ascii() {
        [] => Value::Null,
        text => serde_json::from_slice(text).map_err(|error| format!("the function's answer is no JSON: {error}"))?,
    };
    match &value {
        Value::Null => return Ok(KinesisEventResponse::default()),
        Value::Object(fields) if fields.get("batchItemFailures").is_none_or(Value::is_null) => {
            return Ok(KinesisEventResponse::default());
        }
        _ => {}
    }
    serde_json::from_value(value).map_err(|error| format!("the function's answer is none of a mapping: {error}"))
}

/// Has the aggregator roll up the open days.
///
/// # Errors
/// Why the run failed, or the first date that did.
pub async fn roll_up(aggregator: &Fleet, deadline: Instant) -> Result<(), String> {
    let answer = aggregator.invoke("{}", deadline).await.map_err(|error: InvokeError| error.to_string())?;
    failed_date(&answer).map_or(Ok(()), Err)
}

/// Has the aggregator prove the days that changed.
///
/// # Errors
/// Why the run failed, or the first date that did.
pub async fn prove(aggregator: &Fleet, deadline: Instant) -> Result<(), String> {
    let event = json!({ "task": PROVE }).to_string();
    aggregator.invoke(event, deadline).await.map(drop).map_err(|error: InvokeError| error.to_string())
}

/// Has the aggregator follow what nobody followed.
///
/// # Errors
/// Why the run failed.
pub async fn follow(aggregator: &Fleet, deadline: Instant) -> Result<Following, String> {
    let event = json!({ "task": FOLLOW }).to_string();
    let answer = aggregator.invoke(event, deadline).await.map_err(|error: InvokeError| error.to_string())?;
    serde_json::from_slice(&answer).map_err(|error| format!("the aggregator's answer is none of a light run: {error}"))
}

/// The first date that an aggregator's answer calls failed.
fn failed_date(answer: &[u8]) -> Option<String> {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return Some("the aggregator's answer is no JSON".to_owned());
    };
    let days = answer["days"].as_array()?;
    let failed = days.iter().find(|day| day["outcome"] == "failed")?;
    let text = |name: &str| failed[name].as_str().unwrap_or("unknown").to_owned();
    Some(format!("{}: {}", text("date"), text("error")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_mapping_are_read_as_the_service_reads_them() {
        for fine in ["", " ", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(read_answer(fine.as_bytes()), Ok(KinesisEventResponse::default()), "{fine}");
        }
        let failed = read_answer(br#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#).unwrap();
        assert_eq!(failed.batch_item_failures[0].item_identifier.as_deref(), Some("7"));
        for bad in ["{", "7", "\"OK\"", r#"{"batchItemFailures":7}"#] {
            assert!(read_answer(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_failed_date_is_found() {
        assert_eq!(failed_date(br#"{"days":[]}"#), None);
        assert_eq!(failed_date(br#"{"days":[{"date":"2026-03-01","outcome":"written"}]}"#), None);
        let answer = br#"{"days":[{"outcome":"unchanged"},{"date":"2026-03-01","outcome":"failed","error":"busy"}]}"#;
        assert_eq!(failed_date(answer).as_deref(), Some("2026-03-01: busy"));
        assert!(failed_date(b"no").is_some());
    }
}
