//! Answers: 202 with a result per event, and problems (RFC 9457) with the same results where not every event was accepted.

use std::fmt;

use bytes::Bytes;
use headcount_core::rejection::Problem;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::refusal::{RETRY_AFTER_OUTAGE_SECONDS, RETRY_AFTER_SECONDS, Refusal};

/// Bytes of problems that one answer lists, about. Later events only say how many they have.
const MAX_LISTED_BYTES: usize = 1 << 20;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// On the stream.
    Accepted {
        /// Its id.
        id: String,
    },
    /// Not on the stream, and never will be.
    Invalid(Vec<Problem>),
    /// Not on the stream as far as is known. Sent again under its id and time it counts once, whatever happened.
    Later {
        /// Its id.
        id: String,
        /// Its time, milliseconds since the epoch.
        timestamp_ms: i64,
        /// Whether more came than the stream takes.
        throttled: bool,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventResult<'a> {
    index: usize,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<FieldProblem<'a>>>,
}

#[derive(Serialize)]
struct FieldProblem<'a> {
    field: &'a str,
    problem: &'a str,
}

#[derive(Serialize)]
struct Taken<'a> {
    accepted: usize,
    events: Vec<EventResult<'a>>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    /// No page describes the problem further than its title: RFC 9457, section 4.2.1.
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    taken: Option<Taken<'a>>,
}

/// The answer to a request of which nothing was taken.
pub(super) fn refusal(refusal: &Refusal) -> Response<Bytes> {
    let status = refusal.status();
    let mut answer = problem(status, refusal.title(), &refusal.to_string(), None);
    let headers = answer.headers_mut();
    match refusal {
        Refusal::Method(allowed) => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::WriteKey => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Refusal::Busy | Refusal::Share => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        Refusal::Backlog => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_OUTAGE_SECONDS.into());
        }
        Refusal::Rate { seconds } => {
            headers.insert(RETRY_AFTER, (*seconds).into());
        }
        Refusal::Encoding => {
            headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
        }
        Refusal::TooSlow | Refusal::BrokenOff => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::Path
        | Refusal::Host(_)
        | Refusal::Origin
        | Refusal::MediaType
        | Refusal::SpanType
        | Refusal::TooLarge(_)
        | Refusal::LargerThan(_)
        | Refusal::TooManyEvents(_)
        | Refusal::Empty
        | Refusal::Corrupt(_)
        | Refusal::NotProtobuf(_)
        | Refusal::NotJson(_) => {}
    }
    answer
}

/// The answer to a request whose events had these outcomes. A success only where every event was accepted: 400 where one is
/// invalid, else 429 or 503.
pub(super) fn outcomes(outcomes: &[Outcome]) -> Response<Bytes> {
    let accepted = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted { .. })).count();
    let taken = Taken { accepted, events: results(outcomes) };
    let all = outcomes.len();
    if accepted == all {
        return json(StatusCode::ACCEPTED, "application/json", &taken);
    }
    let invalid = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Invalid(_))).count();
    let waiting = all - accepted - invalid;
    let only_throttled = outcomes.iter().all(|outcome| !matches!(outcome, Outcome::Later { throttled: false, .. }));
    if invalid > 0 {
        let detail = match waiting {
            0 => format!("{invalid} of {all} events break rules, and the other {accepted} were accepted"),
            _ => format!(
                "{invalid} of {all} events break rules, {accepted} were accepted, and {waiting} were not for other reasons: \
                 send those again with the eventId and timestamp given here"
            ),
        };
        return problem(StatusCode::BAD_REQUEST, "invalid events", &detail, Some(taken));
    }
    let (status, title, seconds) = if only_throttled {
        (StatusCode::TOO_MANY_REQUESTS, "too many events for the stream", RETRY_AFTER_SECONDS)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the stream is not available", RETRY_AFTER_OUTAGE_SECONDS)
    };
    let detail = format!(
        "{waiting} of {all} events were not accepted: send them again with the eventId and timestamp given here"
    );
    let mut answer = problem(status, title, &detail, Some(taken));
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// What became of a request whose client sends all of it again, or nothing: as long as one event may still be accepted, it is to be
/// sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every event is on the stream.
    Accepted,
    /// Some break rules, and the others are on the stream.
    Invalid {
        /// How many break rules.
        invalid: usize,
        /// How many there are in all.
        all: usize,
        /// The problems of the first.
        first: Vec<Problem>,
    },
    /// More came than the stream takes.
    Throttled,
    /// The stream is away.
    Unavailable,
}

impl Verdict {
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let is = |wanted: bool| {
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Later { throttled, .. } if *throttled == wanted))
        };
        if is(false) {
            return Self::Unavailable;
        }
        if is(true) {
            return Self::Throttled;
        }
        let mut invalid = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Invalid(problems) => Some(problems),
            Outcome::Accepted { .. } | Outcome::Later { .. } => None,
        });
        match invalid.next() {
            None => Self::Accepted,
            Some(first) => Self::Invalid { invalid: 1 + invalid.count(), all: outcomes.len(), first: first.clone() },
        }
    }

    /// The answer that says so.
    pub(super) fn problem(&self) -> Response<Bytes> {
        let (status, title, retry_after) = match self {
            Self::Accepted => (StatusCode::OK, "accepted", None),
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid events", None),
            Self::Throttled => {
                (StatusCode::TOO_MANY_REQUESTS, "too many events for the stream", Some(RETRY_AFTER_SECONDS))
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "the stream is not available", Some(RETRY_AFTER_OUTAGE_SECONDS))
            }
        };
        let mut answer = problem(status, title, &self.to_string(), None);
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("every event was accepted"),
            Self::Invalid { invalid, all, first } => {
                let first: Vec<String> = first.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{invalid} of {all} events break rules and were not accepted; the first: {}",
                    first.join("; ")
                )
            }
            Self::Throttled | Self::Unavailable => {
                f.write_str("some events were not accepted: send the request again, with the same ids and timestamps")
            }
        }
    }
}

fn results(outcomes: &[Outcome]) -> Vec<EventResult<'_>> {
    let mut results = Vec::with_capacity(outcomes.len());
    let mut listed = 0;
    for (index, outcome) in outcomes.iter().enumerate() {
        results.push(match outcome {
            Outcome::Accepted { id } => {
                EventResult { index, accepted: true, event_id: Some(id), timestamp: None, problems: None }
            }
            Outcome::Later { id, timestamp_ms, .. } => EventResult {
                index,
                accepted: false,
                event_id: Some(id),
                timestamp: Some(*timestamp_ms),
                problems: None,
            },
            Outcome::Invalid(problems) => {
                let problems = field_problems(problems, &mut listed);
                EventResult { index, accepted: false, event_id: None, timestamp: None, problems: Some(problems) }
            }
        });
    }
    results
}

/// The problems of one event, as long as the answer has room.
fn field_problems<'a>(problems: &'a [Problem], listed: &mut usize) -> Vec<FieldProblem<'a>> {
    if *listed > MAX_LISTED_BYTES {
        return vec![FieldProblem { field: "", problem: "the event breaks rules that this long answer does not list" }];
    }
    *listed += problems.iter().map(|one| one.field.len() + one.problem.len() + 30).sum::<usize>();
    problems.iter().map(|one| FieldProblem { field: &one.field, problem: &one.problem }).collect()
}

fn problem(status: StatusCode, title: &str, detail: &str, taken: Option<Taken<'_>>) -> Response<Bytes> {
    let body = ProblemBody { r#type: "about:blank", title, status: status.as_u16(), detail, taken };
    json(status, "application/problem+json", &body)
}

pub(super) fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response<Bytes> {
    // Texts and numbers only: nothing that JSON cannot write.
    let mut answer = Response::new(serde_json::to_vec(body).unwrap_or_default().into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The answer to a question about the collector itself.
pub(super) fn state(status: StatusCode, said: &'static str) -> Response<Bytes> {
    json(status, "application/json", &serde_json::json!({ "status": said }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn later(throttled: bool) -> Outcome {
        Outcome::Later { id: "l".into(), timestamp_ms: 7, throttled }
    }

    fn check(given: &[Outcome], status: u16, retry_after: Option<&str>) -> Value {
        let answer = outcomes(given);
        assert_eq!(answer.status().as_u16(), status, "{given:?}");
        let told = answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
        assert_eq!(told, retry_after, "{given:?}");
        serde_json::from_slice(answer.body()).unwrap()
    }

    #[test]
    fn only_what_was_accepted_wholly_is_a_success() {
        let good = || Outcome::Accepted { id: "a".into() };
        let bad = || Outcome::Invalid(vec![Problem::new("userId", "is required")]);
        let body = check(&[good(), good()], 202, None);
        assert_eq!(body["accepted"], 2);
        let body = check(&[good(), bad()], 400, None);
        assert_eq!(body["events"][0], json!({"index": 0, "accepted": true, "eventId": "a"}));
        let problems = json!([{"field": "userId", "problem": "is required"}]);
        assert_eq!(body["events"][1], json!({"index": 1, "accepted": false, "problems": problems}));
        assert_eq!((&body["status"], &body["accepted"]), (&json!(400), &json!(1)));
        let body = check(&[good(), later(true)], 429, Some("1"));
        assert_eq!(body["events"][1], json!({"index": 1, "accepted": false, "eventId": "l", "timestamp": 7}));
        check(&[later(true), later(false)], 503, Some("5"));
        check(&[bad(), later(false), good()], 400, None);
    }

    #[test]
    fn a_long_answer_ends() {
        let long = Problem::new("f".repeat(300), "p".repeat(300));
        let many: Vec<_> = (0..1_000).map(|_| Outcome::Invalid(vec![long.clone(); 51])).collect();
        let answer = outcomes(&many);
        assert!(answer.body().len() < 2 * MAX_LISTED_BYTES, "{}", answer.body().len());
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["events"].as_array().unwrap().len(), 1_000);
    }
}
