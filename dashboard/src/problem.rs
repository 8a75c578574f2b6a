//! What went wrong, as RFC 9457 has it.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headcount_query::QueryError;
use headcount_runtime::retry::Retryable as _;
use schemars::JsonSchema;
use serde::Serialize;

/// The media type of problems.
pub(crate) const PROBLEM_TYPE: &str = "application/problem+json";

/// Seconds after which to try again where the table did not answer.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    body: Box<ProblemDetails>,
}

/// A problem (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ProblemDetails {
    /// What kind it is: always `about:blank`, the status says it.
    pub(crate) r#type: String,
    /// The status in words.
    pub(crate) title: String,
    /// The status.
    pub(crate) status: u16,
    /// What is wrong, and what to do about it.
    pub(crate) detail: String,
    /// The parameter that breaks a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let body = Box::new(ProblemDetails {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            rule: None,
        });
        Self { status, body }
    }

    /// A parameter that breaks a rule. What was given is not repeated.
    pub(crate) fn parameter(name: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, format!("the parameter {name} {rule}"));
        (problem.body.parameter, problem.body.rule) = (Some(name.to_owned()), Some(rule));
        problem
    }

    pub(crate) fn unauthorized(has_token: bool) -> Self {
        let detail = if has_token {
            "send the read token as `Authorization: Bearer ...`, or sign in at /sign-in"
        } else {
            "no read token is configured, and other machines can connect: start it with a read token"
        };
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(crate) fn forbidden(refused: headcount_doors::Refusal) -> Self {
        Self::new(StatusCode::FORBIDDEN, refused.to_string())
    }

    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many questions wait for their turn: ask again later")
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "the table did not answer in time: ask for fewer days, or look at /healthz";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here: /api/openapi.json says what there is")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this is only read: use GET")
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let said = error.to_string();
        match error {
            QueryError::Backwards { .. } => Self::parameter("from", "must not lie after to"),
            QueryError::TooLong { .. } => Self::parameter("from", format!("is too early: {said}")),
            QueryError::Limit { .. } => Self::parameter("limit", "must be 1 to 100"),
            QueryError::Page => Self::parameter("page", "must be what the page before called next, unchanged"),
            QueryError::UserId => Self::parameter("id", "must have 1 to 256 bytes"),
            QueryError::NoDeployment => Self::new(StatusCode::SERVICE_UNAVAILABLE, said),
            QueryError::Store(error) if error.is_retryable() => {
                tracing::warn!(%error, "the table does not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the table does not answer in time: try again")
            }
            QueryError::Store(_)
            | QueryError::Deployment(_)
            | QueryError::Damaged { .. }
            | QueryError::Defect { .. } => {
                tracing::error!(error = said, "a question has no answer");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, said)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, PROBLEM_TYPE)], body).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(RETRY_AFTER, RETRY_SECONDS)),
            _ => {}
        }
        response
    }
}
