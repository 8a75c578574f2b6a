//! Why a request is not taken, as the answer says it (RFC 9457).

use http::StatusCode;

use super::body::{BODY_TIMEOUT, MAX_PLAIN_BYTES};
use super::events::MAX_EVENTS;

/// Seconds after which a request is best sent again: as long as a shard needs for what it takes in one.
pub(super) const RETRY_AFTER_SECONDS: u32 = 1;

/// Seconds after which a request is best sent again when the stream itself is away.
pub(super) const RETRY_AFTER_OUTAGE_SECONDS: u32 = 5;

/// Why nothing of a request is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "there is POST /v1/events, GET of /headcount.js, /healthz and /readyz, and what the SDKs of Segment, PostHog and \
         OpenTelemetry call"
    )]
    Path,
    #[error("this path answers {0}")]
    Method(&'static str),
    #[error(
        "bring a write key: `Authorization: Bearer KEY`, or `?key=KEY` where a client cannot set headers; SDKs of Segment and \
         PostHog have a setting for it"
    )]
    WriteKey,
    #[error("{0}")]
    Host(headcount_doors::Refusal),
    #[error("pages of this origin may not post: name it among the collector's allowed origins")]
    Origin,
    #[error("the body is a form: send events as JSON")]
    MediaType,
    #[error("send spans as application/x-protobuf or application/json")]
    SpanType,
    #[error("compress the body with gzip or zstd, once, or not at all")]
    Encoding,
    #[error(
        "a body holds at most {0} bytes as it is sent, and {MAX_PLAIN_BYTES} decompressed: send fewer events at once"
    )]
    TooLarge(usize),
    #[error("what is sent here at once has at most {0} bytes when decompressed: send fewer events at once")]
    LargerThan(usize),
    #[error("a request holds at most {MAX_EVENTS} events: it holds {0}")]
    TooManyEvents(u64),
    #[error("the body is empty: it must hold an event, an array of events, or events one a line")]
    Empty,
    #[error("the body does not decompress: {0}")]
    Corrupt(String),
    #[error("the body is not the Protobuf that this path takes: {0}")]
    NotProtobuf(String),
    #[error("the body is not the JSON that this path takes: {0}")]
    NotJson(String),
    #[error("the body did not come within {} s", BODY_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("the collector has as much to do as it can: send the request again")]
    Busy,
    #[error("this write key has as many requests under way as its share: send the request again")]
    Share,
    #[error("this write key posts more events than its rate allows: send the request again after {seconds} s")]
    Rate { seconds: u32 },
    #[error("more events of yours wait to be counted than are counted in time: send the request again later")]
    Backlog,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::WriteKey => StatusCode::UNAUTHORIZED,
            Self::Host(_) | Self::Origin => StatusCode::FORBIDDEN,
            Self::MediaType | Self::SpanType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) | Self::LargerThan(_) | Self::TooManyEvents(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Empty | Self::Corrupt(_) | Self::NotProtobuf(_) | Self::NotJson(_) | Self::BrokenOff => {
                StatusCode::BAD_REQUEST
            }
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Share | Self::Rate { .. } | Self::Backlog => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the answer is called, the same for all of a kind.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Path => "not found",
            Self::Method(_) => "method not allowed",
            Self::WriteKey => "no valid write key",
            Self::Host(_) => "host not allowed",
            Self::Origin => "origin not allowed",
            Self::MediaType | Self::SpanType => "unknown media type",
            Self::Encoding => "unknown content encoding",
            Self::TooLarge(_) | Self::LargerThan(_) => "too many bytes",
            Self::TooManyEvents(_) => "too many events",
            Self::Empty | Self::Corrupt(_) | Self::NotProtobuf(_) | Self::NotJson(_) | Self::BrokenOff => {
                "unreadable body"
            }
            Self::TooSlow => "too slow",
            Self::Share | Self::Rate { .. } => "too many requests",
            Self::Backlog => "too many events wait",
            Self::Busy => "busy",
        }
    }
}
