//! What the Lambda function does with an event.

use chrono::NaiveDate;
use headcount_runtime::telemetry;
use headcount_store::traits::AggregatorStore;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::calendar_window::MAX_DATES;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::roll_up::{RollUp, roll_up};

/// Time before the function's own end after which nothing new is begun.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(10);

/// Aggregates the dates that the event names, or the open days. `left` is the time until the function is stopped.
///
/// # Errors
///
/// [`AggregateError`] where the event is malformed, the run could not begin, or a date failed: the service then
/// invokes the function again, which is harmless.
pub async fn handle<S: AggregatorStore>(
    deps: &Deps<S>,
    event: &Value,
    left: Duration,
) -> Result<RollUp, AggregateError> {
    let dates = named_dates(event)?;
    let deadline = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    let began = Instant::now();
    let rolled_up = roll_up(deps, dates.as_deref(), deadline).await?;
    metrics::histogram!(telemetry::RUN_TIME).record(began.elapsed().as_secs_f64());
    rolled_up.measure();
    let failure = rolled_up.failed().next().map(|(date, error)| (date, error.to_owned()));
    match failure {
        Some((date, error)) => {
            let (failed, dates) = (rolled_up.failed().count(), rolled_up.days.len());
            Err(AggregateError::Incomplete { failed, dates, date, error })
        }
        None => Ok(rolled_up),
    }
}

/// The dates in `{"dates":[...]}`; none where the event has no such field, as the scheduler's.
///
/// # Errors
///
/// [`AggregateError::Event`] names the field and the rule.
pub fn named_dates(event: &Value) -> Result<Option<Vec<NaiveDate>>, AggregateError> {
    let error = |field: String, problem: String| AggregateError::Event { field, problem };
    let Some(dates) = event.get("dates") else { return Ok(None) };
    let Some(dates) = dates.as_array().filter(|dates| !dates.is_empty()) else {
        return Err(error("dates".to_owned(), "must be an array of one date or more".to_owned()));
    };
    if dates.len() > MAX_DATES {
        return Err(error("dates".to_owned(), format!("must hold at most {MAX_DATES} dates")));
    }
    let date = |(index, value): (usize, &Value)| {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| error(format!("dates[{index}]"), "must be a date written as 2026-03-01".to_owned()))
    };
    dates.iter().enumerate().map(date).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedulers_event_names_no_dates() {
        for event in [json!({}), json!(null), json!({"source": "aws.scheduler", "detail": {}}), json!([1])] {
            assert_eq!(named_dates(&event).unwrap(), None, "{event}");
        }
    }

    #[test]
    fn named_dates_are_read_and_checked() {
        let named = named_dates(&json!({"dates": ["2026-03-01", "2026-02-28"]})).unwrap().unwrap();
        assert_eq!(named, ["2026-03-01", "2026-02-28"].map(|date| date.parse().unwrap()));
        let too_many = vec!["2026-03-01"; MAX_DATES + 1];
        for (event, field) in [
            (json!({"dates": "2026-03-01"}), "dates "),
            (json!({"dates": []}), "dates "),
            (json!({"dates": ["2026-03-01", "2026-02-30"]}), "dates[1] "),
            (json!({"dates": [20_260_301]}), "dates[0] "),
            (json!({"dates": too_many}), "dates "),
        ] {
            let error = named_dates(&event).unwrap_err().to_string();
            assert!(error.contains(field), "{event}: {error}");
        }
    }
}
