//! A rejected occurrence as a line of the log: `{"rejected": {...}}`, an object that no event has a field of.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headcount_core::origin::{Origin, SequenceNumber, Source};
use headcount_core::rejection::{Payload, Problem, Rejection};
use serde::{Deserialize, Serialize};

use crate::content::LoggedRejection;
use crate::head::digits;
use crate::line::LineError;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    rejected: Fields<'a>,
}

/// One payload field is there: text, base64, or that it was withheld.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    source: Cow<'a, str>,
    #[serde(with = "digits")]
    sequence: SequenceNumber,
    index: u32,
    arrived_ms: i64,
    count: u64,
    #[serde(borrow)]
    problems: Vec<ProblemFields<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize, Deserialize)]
struct ProblemFields<'a> {
    field: Cow<'a, str>,
    problem: Cow<'a, str>,
}

/// Appends the rejection as one line, with its line break.
pub(super) fn write(line: &mut Vec<u8>, logged: &LoggedRejection) {
    let LoggedRejection { rejection, origin, arrived_ms } = logged;
    let problem = |problem: &Problem| -> ProblemFields<'static> {
        ProblemFields { field: problem.field.clone().into(), problem: problem.problem.clone().into() }
    };
    let (payload, payload_base64, truncated) = match &rejection.payload {
        Payload::Text { text, truncated } => (Some(Cow::Borrowed(&**text)), None, *truncated),
        Payload::Binary { bytes, truncated } => (None, Some(STANDARD.encode(bytes)), *truncated),
        Payload::Withheld => (None, None, false),
    };
    let rejected = Fields {
        source: Cow::Borrowed(origin.source.as_str()),
        sequence: origin.sequence.clone(),
        index: origin.index,
        arrived_ms: *arrived_ms,
        count: rejection.count,
        problems: rejection.problems.iter().map(problem).collect(),
        withheld: rejection.payload == Payload::Withheld,
        payload,
        payload_base64,
        truncated,
    };
    serde_json::to_writer(&mut *line, &Line { rejected }).expect("texts and numbers are JSON, and memory takes all");
    line.push(b'\n');
}

/// Reads a line that [`write`] wrote; without its line break.
pub(super) fn read(line: &str) -> Result<LoggedRejection, LineError> {
    let bad = |error: &dyn std::fmt::Display| LineError(error.to_string());
    let Line { rejected } = serde_json::from_str(line).map_err(|error| bad(&error))?;
    let truncated = rejected.truncated;
    let payload = match (rejected.payload, rejected.payload_base64, rejected.withheld) {
        (Some(text), None, false) => Payload::Text { text: text.into_owned(), truncated },
        (None, Some(text), false) => {
            let bytes = STANDARD.decode(text).map_err(|error| bad(&error))?;
            Payload::Binary { bytes, truncated }
        }
        (None, None, true) => Payload::Withheld,
        _ => return Err(LineError("a rejection has one of payload, payloadBase64 and withheld".to_owned())),
    };
    let problems = rejected.problems.into_iter();
    let problems = problems.map(|problem| Problem::new(problem.field, problem.problem)).collect();
    Ok(LoggedRejection {
        rejection: Rejection { problems, payload, count: rejected.count },
        origin: Origin {
            source: Source::parse(&rejected.source).map_err(|error| bad(&error))?,
            sequence: rejected.sequence,
            index: rejected.index,
        },
        arrived_ms: rejected.arrived_ms,
    })
}
