//! What the Lambda function does with an event.

use chrono::NaiveDate;
use headcount_runtime::telemetry;
use headcount_store::traits::AggregatorStore;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::calendar_window::MAX_DATES;
use crate::deps::Deps;
use crate::error::AggregateError;
use crate::follow::{Following, follow_behind};
use crate::prove::{self, ProofRun, prove_days};
use crate::roll_up::{RollUp, roll_up};

/// Time before the function's own end after which nothing new is begun.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(10);

/// The task of the light run, every minute: follow what is behind.
pub const FOLLOW: &str = "follow";

/// The task of the proofs.
pub const PROVE: &str = "prove";

/// What one invocation did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Handled {
    /// It only followed what is behind.
    Followed(Following),
    /// It followed, and aggregated days.
    RolledUp(RollUp),
    /// It followed, proved days and aggregated them.
    Proved(ProofRun),
}

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `{"task":"follow"}`: follow what is behind.
    Follow,
    /// `{"task":"prove"}`: prove the days that changed, in the small hours all that are open. With `dates`, those.
    Prove(Option<Vec<NaiveDate>>),
    /// `{"dates":[...]}`: aggregate these dates.
    Dates(Vec<NaiveDate>),
    /// Anything else, as the scheduler's own event: aggregate the open days.
    OpenDays,
}

/// Does what the event asks for. `left` is the time until the function is stopped.
///
/// # Errors
///
/// [`AggregateError`] where the event is malformed, the run could not begin, or a date failed: the service then
/// invokes the function again, which is harmless.
pub async fn handle<S: AggregatorStore>(
    deps: &Deps<S>,
    event: &Value,
    left: Duration,
) -> Result<Handled, AggregateError> {
    let asked = asked(event)?;
    let began = Instant::now();
    let deadline = began + left.saturating_sub(DEADLINE_MARGIN);
    let dates = match &asked {
        Asked::Follow => return follow_behind(deps, deadline).await.map(Handled::Followed),
        Asked::Prove(dates) => return proved(deps, dates.clone(), deadline).await.map(Handled::Proved),
        Asked::Dates(dates) => Some(dates.as_slice()),
        Asked::OpenDays => None,
    };
    let rolled_up = roll_up(deps, dates, deadline).await?;
    metrics::histogram!(telemetry::RUN_TIME).record(began.elapsed().as_secs_f64());
    rolled_up.measure();
    let failure = rolled_up.failed().next().map(|(date, error)| (date, error.to_owned()));
    match failure {
        Some((date, error)) => {
            let (failed, dates) = (rolled_up.failed().count(), rolled_up.days.len());
            Err(AggregateError::Incomplete { failed, dates, date, error })
        }
        None => Ok(Handled::RolledUp(rolled_up)),
    }
}

async fn proved<S: AggregatorStore>(
    deps: &Deps<S>,
    dates: Option<Vec<NaiveDate>>,
    deadline: Instant,
) -> Result<ProofRun, AggregateError> {
    let asked = dates.map_or_else(|| prove::Asked::scheduled(deps), prove::Asked::Dates);
    let run = Box::pin(prove_days(deps, &asked, deadline)).await?;
    let failed: Vec<_> = run.days.iter().filter_map(|day| Some((day.date, day.error.clone()?))).collect();
    match failed.first() {
        Some((date, error)) => {
            let (failed, dates) = (failed.len(), run.days.len());
            Err(AggregateError::Incomplete { failed, dates, date: *date, error: error.clone() })
        }
        None => Ok(run),
    }
}

/// What the event asks for.
///
/// # Errors
///
/// [`AggregateError::Event`] names the field and the rule.
pub fn asked(event: &Value) -> Result<Asked, AggregateError> {
    if let Some(task) = event.get("task") {
        return match (task.as_str(), event.get("dates")) {
            (Some(FOLLOW), None) => Ok(Asked::Follow),
            (Some(PROVE), None) => Ok(Asked::Prove(None)),
            (Some(PROVE), Some(dates)) => named(dates).map(Some).map(Asked::Prove),
            _ => Err(malformed("task", format!("must be \"{FOLLOW}\", without dates, or \"{PROVE}\""))),
        };
    }
    event.get("dates").map_or(Ok(Asked::OpenDays), |dates| named(dates).map(Asked::Dates))
}

fn malformed(field: impl Into<String>, problem: String) -> AggregateError {
    AggregateError::Event { field: field.into(), problem }
}

fn named(dates: &Value) -> Result<Vec<NaiveDate>, AggregateError> {
    let Some(dates) = dates.as_array().filter(|dates| !dates.is_empty()) else {
        return Err(malformed("dates", "must be an array of one date or more".to_owned()));
    };
    if dates.len() > MAX_DATES {
        return Err(malformed("dates", format!("must hold at most {MAX_DATES} dates")));
    }
    let date = |(index, value): (usize, &Value)| {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| malformed(format!("dates[{index}]"), "must be a date written as 2026-03-01".to_owned()))
    };
    dates.iter().enumerate().map(date).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schedulers_event_names_no_dates() {
        for event in [json!({}), json!(null), json!({"source": "aws.scheduler", "detail": {}}), json!([1])] {
            assert_eq!(asked(&event).unwrap(), Asked::OpenDays, "{event}");
        }
    }

    #[test]
    fn named_dates_are_read_and_checked() {
        let named = asked(&json!({"dates": ["2026-03-01", "2026-02-28"]})).unwrap();
        assert_eq!(named, Asked::Dates(["2026-03-01", "2026-02-28"].map(|date| date.parse().unwrap()).to_vec()));
        assert_eq!(asked(&json!({"task": "follow"})).unwrap(), Asked::Follow);
        assert_eq!(asked(&json!({"task": "prove"})).unwrap(), Asked::Prove(None));
        let prove = asked(&json!({"task": "prove", "dates": ["2026-03-01"]})).unwrap();
        assert_eq!(prove, Asked::Prove(Some(vec!["2026-03-01".parse().unwrap()])));
        let too_many = vec!["2026-03-01"; MAX_DATES + 1];
        for (event, field) in [
            (json!({"dates": "2026-03-01"}), "dates "),
            (json!({"dates": []}), "dates "),
            (json!({"dates": ["2026-03-01", "2026-02-30"]}), "dates[1] "),
            (json!({"dates": [20_260_301]}), "dates[0] "),
            (json!({"dates": too_many}), "dates "),
            (json!({"task": "recount"}), "task "),
            (json!({"task": "follow", "dates": ["2026-03-01"]}), "task "),
        ] {
            let error = asked(&event).unwrap_err().to_string();
            assert!(error.contains(field), "{event}: {error}");
        }
    }
}
