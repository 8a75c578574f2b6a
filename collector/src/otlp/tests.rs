use std::net::{IpAddr, Ipv4Addr};

use headcount_core::event::Event;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;
use http::Request as HttpRequest;
use serde_json::{Value, json};

use super::*;
use crate::answer::Outcome;
use crate::request::Sender;

/// 2026-11-24T06:40:00Z.
const NOW_MS: i64 = 1_795_502_400_000;

const SENDER: Sender<'static> =
    Sender { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), user_agent: Some("OTel"), now_ms: NOW_MS };

fn attributes(given: &Value) -> Value {
    let of = |value: &Value| match value {
        Value::String(text) => json!({"stringValue": text}),
        // As OTLP writes 64-bit numbers in JSON.
        Value::Number(number) if number.is_i64() => json!({"intValue": number.to_string()}),
        Value::Number(number) => json!({"doubleValue": number}),
        other => panic!("{other}"),
    };
    given.as_object().unwrap().iter().map(|(key, value)| json!({"key": key, "value": of(value)})).collect()
}

fn span(given: Value) -> Value {
    json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat", "kind": 3,
        "startTimeUnixNano": format!("{}", (NOW_MS - 2_500) * 1_000_000), "endTimeUnixNano": format!("{}", NOW_MS * 1_000_000),
        "attributes": attributes(&given), "status": {},
    })
}

fn export(spans: &[Value]) -> String {
    let resource = attributes(
        &json!({"service.name": "assistant", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.45"}),
    );
    json!({"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": spans}]}]}).to_string()
}

fn judged(request: Request, attributes: &SpanAttributes) -> Taken {
    request.judge(&Judge { sender: SENDER, rules: &Rules::default(), ip_policy: IpPolicy::Keep }, attributes)
}

fn taken(spans: &[Value]) -> Taken {
    judged(Request::read(Form::Json, &export(spans).into()).unwrap(), &SpanAttributes::default())
}

fn one(given: Value) -> Event<'static> {
    let mut taken = taken(&[span(given)]);
    assert_eq!((taken.events.len(), taken.left_out), (1, 0));
    taken.events.remove(0).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn a_span_of_a_model_is_a_request_with_all_it_tells() {
    let event = one(json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026-10-01", "gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.usage.reasoning.output_tokens": 20, "user.id": "u-1",
        "session.id": "s-1", "gen_ai.input.messages": "secret",
    }));
    assert_eq!(event.id, "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174");
    assert_eq!((event.timestamp_ms, event.event_type.as_str()), (NOW_MS - 2_500, "ai_request"));
    assert_eq!((event.user(), event.session_id.as_deref()), (Some("u-1"), Some("s-1")));
    assert_eq!(
        Value::from(event.event_data.to_object()),
        json!({
            "model": "gpt-5", "inputTokens": 120, "outputTokens": 30, "cachedTokens": 100, "reasoningTokens": 20,
            "provider": "openai", "operation": "chat", "latencyMs": 2500,
        })
    );
    assert_eq!(
        Value::from(event.metadata.to_object()),
        json!({"userAgent": "opentelemetry/1.45", "ipAddress": "203.0.113.77", "platform": "backend", "service": "assistant"})
    );
}

#[test]
fn older_names_are_known_and_failures_named() {
    let event = one(json!({
        "gen_ai.system": "openai", "gen_ai.response.model": "m", "gen_ai.usage.prompt_tokens": 1,
        "gen_ai.usage.completion_tokens": 2, "enduser.id": "u", "gen_ai.conversation.id": "c", "error.type": "timeout",
    }));
    assert_eq!((event.ai_use().parts.input, event.ai_use().parts.output), (1, 2));
    assert_eq!((event.user(), event.session_id.as_deref()), (Some("u"), Some("c")));
    assert_eq!(event.event_data.text("errorType").as_deref(), Some("timeout"));
    let mut failed = span(json!({"gen_ai.request.model": "m"}));
    failed["status"] = json!({"code": 2});
    let failed = taken(&[failed]).events.remove(0).unwrap();
    assert_eq!(failed.event_data.text("errorType").as_deref(), Some("error"));
    assert_eq!(failed.user_id, "anonymous:assistant", "nobody is named: it counts for no user");
}

#[test]
fn other_spans_are_left_out() {
    let taken = taken(&[
        span(json!({"http.request.method": "GET"})),
        span(json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"})),
        span(
            json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 9}),
        ),
        span(json!({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"})),
    ]);
    assert_eq!((taken.events.len(), taken.left_out), (1, 3));
}

#[test]
fn attributes_of_the_deployments_own_come_first() {
    let spans = SpanAttributes::parse("user = app.user, session=app.session").unwrap();
    let given = span(json!({"gen_ai.request.model": "m", "user.id": "standard", "app.user": "own", "app.session": 7}));
    let request = Request::read(Form::Json, &export(&[given]).into()).unwrap();
    let event = judged(request, &spans).events.remove(0).unwrap();
    assert_eq!((event.user(), event.session_id.as_deref()), (Some("own"), Some("7")));
}

#[test]
fn protobuf_is_the_same_as_json() {
    let text = export(&[span(json!({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5, "user.id": "u"}))]);
    let message: ExportTraceServiceRequest = serde_json::from_str(&text).unwrap();
    let read = |form, plain: Bytes| {
        let request = Request::read(form, &plain).unwrap();
        judged(request, &SpanAttributes::default()).events.remove(0).unwrap()
    };
    assert_eq!(read(Form::Protobuf, message.encode_to_vec().into()), read(Form::Json, text.into()));
    assert!(matches!(Request::read(Form::Protobuf, &Bytes::from_static(b"\xff\xff")), Err(Refusal::NotProtobuf(_))));
    assert!(matches!(Request::read(Form::Json, &Bytes::from_static(b"{")), Err(Refusal::NotJson(_))));
}

#[test]
fn answers_are_messages_of_otlp() {
    let head = |media_type: &str| {
        HttpRequest::post("/v1/traces").header(CONTENT_TYPE, media_type).body(()).unwrap().into_parts().0
    };
    let (protobuf, json) = (head("application/x-protobuf"), head("application/json; charset=utf-8"));
    let all = taken_answer(&protobuf, &[]);
    assert_eq!((all.status(), all.body().len()), (StatusCode::OK, 0));
    let invalid = [Outcome::Invalid(vec![headcount_core::rejection::Problem::new("userId", "is odd")])];
    let partial = taken_answer(&protobuf, &invalid);
    let partial = ExportTraceServiceResponse::decode(partial.into_body()).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("userId is odd"), "{partial:?}");
    let told: Value = serde_json::from_slice(taken_answer(&json, &invalid).body()).unwrap();
    assert_eq!(told["partialSuccess"]["rejectedSpans"], json!(1), "{told}");

    let later = Verdict::of(&[Outcome::Later { id: "e".into(), timestamp_ms: 1, throttled: true }]);
    let answer = failed(&protobuf, later.problem(), &later.to_string());
    assert_eq!(
        (answer.status(), &answer.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from_static("1"))
    );
    let status = Status::decode(answer.into_body()).unwrap();
    assert_eq!(status.code, UNAVAILABLE);
    assert!(status.message.contains("send the request again"), "{status:?}");
    assert_eq!(Form::of(&head("text/plain").headers), Err(Refusal::SpanType));
}

fn taken_answer(head: &Parts, outcomes: &[Outcome]) -> Response<Bytes> {
    super::taken(head, &Verdict::of(outcomes))
}
