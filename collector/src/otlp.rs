//! Spans of OpenTelemetry (OTLP over HTTP, 1.11): requests to language models, as native events. `docs/clients/opentelemetry.md` has the
//! table.

use bytes::Bytes;
use headcount_core::event::EventType;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use serde::Serialize;

use super::answer::Verdict;
use super::body::media_type;
use super::native::{Came, Writer};
use super::refusal::Refusal;
use super::request::{Judge, Judged, Taken};
use super::spans::SpanAttributes;

/// Operations whose spans enclose requests, or call tools: the requests in them have spans of their own.
const OTHER_OPERATIONS: [&str; 5] = ["execute_tool", "create_agent", "invoke_agent", "invoke_workflow", "retrieval"];

/// Nanoseconds in a millisecond.
const NANOS_PER_MS: u64 = 1_000_000;

/// The form of a request, and of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        match media_type(headers) {
            "application/x-protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Refusal::SpanType),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn write<M: Message + Serialize>(self, message: &M) -> Bytes {
        match self {
            Self::Protobuf => message.encode_to_vec().into(),
            Self::Json => serde_json::to_vec(message).unwrap_or_default().into(),
        }
    }
}

/// A request, decoded.
#[derive(Debug)]
pub(super) struct Request(ExportTraceServiceRequest);

impl Request {
    pub(super) fn read(form: Form, plain: &Bytes) -> Result<Self, Refusal> {
        match form {
            Form::Protobuf => ExportTraceServiceRequest::decode(plain.clone())
                .map(Self)
                .map_err(|error| Refusal::NotProtobuf(error.to_string())),
            Form::Json => serde_json::from_slice(plain).map(Self).map_err(|error| Refusal::NotJson(error.to_string())),
        }
    }

    /// The requests to language models; all other spans are left out.
    pub(super) fn judge(self, judge: &Judge<'_>, attributes: &SpanAttributes) -> Taken {
        let mut taken = Taken::default();
        for resource_spans in &self.0.resource_spans {
            let resource = resource_spans.resource.as_ref().map(|resource| &*resource.attributes).unwrap_or_default();
            for span in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
                let request = ModelRequest { span, resource };
                if request.is_one() {
                    taken.events.push(request.judge(judge, attributes));
                } else {
                    taken.left_out += 1;
                }
            }
        }
        taken
    }
}

/// A span of a request to a language model.
struct ModelRequest<'a> {
    span: &'a Span,
    resource: &'a [KeyValue],
}

impl ModelRequest<'_> {
    fn is_one(&self) -> bool {
        self.model().is_some()
            && self.text("gen_ai.operation.name").is_none_or(|operation| !OTHER_OPERATIONS.contains(&&*operation))
    }

    fn model(&self) -> Option<String> {
        self.text("gen_ai.request.model").or_else(|| self.text("gen_ai.response.model"))
    }

    fn judge(&self, judge: &Judge<'_>, attributes: &SpanAttributes) -> Judged {
        let mut event = Writer::default();
        event.text("eventType", EventType::AiRequest.as_str());
        // Minted before the first try: an exporter that sends the span again sends the same.
        event.text("eventId", &format!("{}-{}", hex::encode(&self.span.trace_id), hex::encode(&self.span.span_id)));
        event.number("timestamp", self.span.start_time_unix_nano / NANOS_PER_MS);
        match self.any(&attributes.user) {
            Some(user) => event.text("userId", &user),
            None => event.text("anonymousId", self.service().as_deref().unwrap_or("unknown_service")),
        }
        event.text_if("sessionId", self.any(&attributes.session).as_deref());
        event.text_if("accountId", self.any(&attributes.account).as_deref());
        event.raw("eventData", &self.data());
        event.raw("metadata", &self.metadata(judge));
        judge.event(&event.finish())
    }

    fn data(&self) -> String {
        let mut data = Writer::default();
        data.text_if("model", self.model().as_deref());
        for (names, ours) in [
            (&["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"][..], "inputTokens"),
            (&["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"], "outputTokens"),
            (&["gen_ai.usage.cache_read.input_tokens"], "cachedTokens"),
            (&["gen_ai.usage.cache_creation.input_tokens"], "cacheWriteTokens"),
            (&["gen_ai.usage.reasoning.output_tokens"], "reasoningTokens"),
        ] {
            if let Some(count) = names.iter().find_map(|name| whole(self.attribute(name)?)) {
                data.number(ours, count);
            }
        }
        if let Some(Attribute::DoubleValue(cost)) = self.attribute("gen_ai.usage.cost")
            && cost.is_finite()
        {
            data.number("cost", cost);
        }
        let provider = self.text("gen_ai.provider.name").or_else(|| self.text("gen_ai.system"));
        data.text_if("provider", provider.as_deref());
        data.text_if("operation", self.text("gen_ai.operation.name").as_deref());
        let nanos = self.span.end_time_unix_nano.saturating_sub(self.span.start_time_unix_nano);
        data.number("latencyMs", nanos / NANOS_PER_MS);
        let failed = self.span.status.as_ref().is_some_and(|status| status.code == SpanStatus::Error as i32);
        let error = self.text("error.type").or_else(|| failed.then(|| "error".to_owned()));
        data.text_if("errorType", error.as_deref());
        data.finish()
    }

    fn metadata(&self, judge: &Judge<'_>) -> String {
        let of_resource = |name: &str| find(self.resource, name).and_then(shown);
        let sdk = of_resource("telemetry.sdk.name").map(|name| match of_resource("telemetry.sdk.version") {
            Some(version) => format!("{name}/{version}"),
            None => name,
        });
        let came = Came {
            user_agent: sdk.map(Into::into),
            ip_address: self.text("client.address").map(Into::into),
            platform: "backend".into(),
        };
        let mut metadata = came.metadata(judge);
        metadata.text_if("service", self.service().as_deref());
        metadata.finish()
    }

    fn service(&self) -> Option<String> {
        find(self.resource, "service.name").and_then(shown)
    }

    /// The first of these attributes that the span has, or else its resource.
    fn any(&self, names: &[String]) -> Option<String> {
        let of = |attributes: &[KeyValue]| names.iter().find_map(|name| find(attributes, name).and_then(shown));
        of(&self.span.attributes).or_else(|| of(self.resource))
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.span.attributes, name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).and_then(shown)
    }
}

fn find<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Attribute> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref().and_then(|AnyValue { value }| value.as_ref())
}

/// A text or a whole number as a text, if it says something.
fn shown(value: &Attribute) -> Option<String> {
    let text = match value {
        Attribute::StringValue(text) => text.clone(),
        Attribute::IntValue(number) => number.to_string(),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// A count.
fn whole(value: &Attribute) -> Option<u64> {
    match value {
        Attribute::IntValue(number) => u64::try_from(*number).ok(),
        Attribute::DoubleValue(number) => (*number >= 0.0 && number.fract() == 0.0).then_some(*number as u64),
        Attribute::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// The answer to a request whose spans were taken, but for those that broke rules: these are not to be sent again.
pub(super) fn taken(head: &Parts, verdict: &Verdict) -> Response<Bytes> {
    let partial_success = match verdict {
        Verdict::Invalid { invalid, .. } => {
            Some(ExportTracePartialSuccess { rejected_spans: *invalid as i64, error_message: verdict.to_string() })
        }
        _ => None,
    };
    let form = Form::of(&head.headers).unwrap_or(Form::Protobuf);
    let mut answer = Response::new(form.write(&ExportTraceServiceResponse { partial_success }));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    answer
}

/// `google.rpc.Status`, as every answer but a success must be one.
#[derive(Clone, PartialEq, Message, Serialize)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Codes of `google.rpc.Code`.
const INVALID_ARGUMENT: i32 = 3;
const UNAUTHENTICATED: i32 = 16;
const UNAVAILABLE: i32 = 14;

/// An answer that is no success, with a body as clients of OTLP read it.
pub(super) fn failed(head: &Parts, answer: Response<Bytes>, message: &str) -> Response<Bytes> {
    let form = Form::of(&head.headers).unwrap_or(Form::Json);
    let code = match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => UNAUTHENTICATED,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        _ => INVALID_ARGUMENT,
    };
    let (mut head, _) = answer.into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    Response::from_parts(head, form.write(&Status { code, message: message.to_owned() }))
}

#[cfg(test)]
mod tests;
