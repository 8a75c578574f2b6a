//! The APIs that events come by, told apart by the path, and what a request to each of them holds.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};

use super::answer::{self, Outcome, Verdict};
use super::body::{MAX_BODY_BYTES, MAX_PLAIN_BYTES, is_form};
use super::refusal::Refusal;
use super::request::{Judge, Taken};
use super::spans::SpanAttributes;
use super::{cloudevents, events, otlp, posthog, segment};

/// An API that takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Events as `docs/events.md` describes them, or CloudEvents where the media type says so.
    Native,
    /// Segment's HTTP Tracking API.
    Segment(segment::Call),
    /// PostHog's capture API.
    PostHog,
    /// Spans of OpenTelemetry.
    Otlp,
}

impl Api {
    /// The API at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/v1/events" => Some(Self::Native),
            "/v1/traces" => Some(Self::Otlp),
            "/batch" | "/batch/" | "/capture" | "/capture/" | "/e" | "/e/" | "/i/v0/e" | "/i/v0/e/"
            | "/i/v0/ai/batch" | "/i/v0/ai/batch/" => Some(Self::PostHog),
            _ => segment::Call::at(path).map(Self::Segment),
        }
    }

    /// Whether a request may bring its write key in its body, as these clients do.
    pub(super) fn has_key_in_body(self) -> bool {
        matches!(self, Self::Segment(_) | Self::PostHog)
    }

    /// Bytes of a body as it is sent, at most.
    pub(super) fn max_body_bytes(self) -> usize {
        match self {
            Self::Native | Self::Segment(_) => MAX_BODY_BYTES,
            Self::PostHog | Self::Otlp => MAX_PLAIN_BYTES,
        }
    }

    /// Takes a body apart as far as its write key and its events.
    pub(super) fn open<'a>(self, head: &Parts, plain: &'a Bytes) -> Result<Opened<'a>, Refusal> {
        match self {
            Self::Native if is_form(&head.headers, plain) => Err(Refusal::MediaType),
            Self::Native if cloudevents::is_named(&head.headers) => Ok(Opened::CloudEvents(plain)),
            Self::Native => Ok(Opened::Native(plain)),
            Self::Segment(call) => segment::Request::read(call, plain).map(Opened::Segment),
            Self::PostHog => posthog::Request::read(plain).map(Opened::PostHog),
            Self::Otlp => otlp::Request::read(otlp::Form::of(&head.headers)?, plain).map(Opened::Otlp),
        }
    }

    /// The answer to a request of which nothing was taken.
    pub(super) fn refuse(self, head: &Parts, refusal: &Refusal) -> Response<Bytes> {
        let answer = answer::refusal(refusal);
        match self {
            Self::Native | Self::Segment(_) | Self::PostHog => answer,
            Self::Otlp => otlp::failed(head, answer, &refusal.to_string()),
        }
    }

    /// The answer to a request whose events had these outcomes.
    pub(super) fn answer(self, head: &Parts, outcomes: &[Outcome]) -> Response<Bytes> {
        if self == Self::Native {
            return answer::outcomes(outcomes);
        }
        let verdict = Verdict::of(outcomes);
        match (self, &verdict) {
            // Spans that break rules are told beside those that were accepted: a client must not send either again.
            (Self::Otlp, Verdict::Accepted | Verdict::Invalid { .. }) => otlp::taken(head, &verdict),
            (Self::Otlp, _) => otlp::failed(head, verdict.problem(), &verdict.to_string()),
            (_, Verdict::Accepted) => answer::json(StatusCode::OK, "application/json", &self.success()),
            _ => verdict.problem(),
        }
    }

    /// What clients of this API take for a success.
    fn success(self) -> serde_json::Value {
        match self {
            Self::PostHog => serde_json::json!({"status": 1}),
            _ => serde_json::json!({"success": true}),
        }
    }
}

/// A request's events, not judged yet.
pub(super) enum Opened<'a> {
    Native(&'a [u8]),
    CloudEvents(&'a [u8]),
    Segment(segment::Request<'a>),
    PostHog(posthog::Request<'a>),
    Otlp(otlp::Request),
}

impl Opened<'_> {
    /// The write key in the body.
    pub(super) fn key(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Native(_) | Self::CloudEvents(_) | Self::Otlp(_) => None,
            Self::Segment(request) => request.key(),
            Self::PostHog(request) => request.key(),
        }
    }

    /// Judges every event.
    pub(super) fn judge(self, judge: &Judge<'_>, attributes: &SpanAttributes) -> Result<Taken, Refusal> {
        Ok(match self {
            Self::Native(plain) => Taken { events: events::judge(plain, judge)?, left_out: 0 },
            Self::CloudEvents(plain) => Taken { events: cloudevents::judge(plain, judge)?, left_out: 0 },
            Self::Segment(request) => request.judge(judge),
            Self::PostHog(request) => request.judge(judge),
            Self::Otlp(request) => request.judge(judge, attributes),
        })
    }
}
