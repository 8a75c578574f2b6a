use headcount_core::event::Event;
use http::Request;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

const KEY: &str = "wk_0123456789abcdef";

/// Takes events, or does not, as it is told.
#[derive(Default)]
struct Scripted {
    taken: Mutex<Vec<Event<'static>>>,
    refuse: Mutex<Option<NotAccepted>>,
}

impl Accept for Scripted {
    async fn accept(&self, events: Vec<Event<'static>>) -> Vec<Result<(), NotAccepted>> {
        let refuse = *self.refuse.lock();
        let outcomes = events.iter().map(|event| match refuse {
            Some(why) if event.user_id.ends_with("refused") => Err(why),
            _ => Ok(()),
        });
        let outcomes = outcomes.collect();
        self.taken.lock().extend(events);
        outcomes
    }
}

fn collector(keys: &str) -> Collector<Scripted> {
    let settings = Settings {
        keys: WriteKeys::parse(keys).unwrap(),
        origins: Origins::parse(["https://app.test"]).unwrap(),
        proxies: TrustedProxies::default(),
        key_rate: None,
        rules: Rules::default(),
        spans: SpanAttributes::default(),
    };
    Collector::new(Scripted::default(), settings)
}

fn event(user: &str) -> Value {
    json!({"userId": user, "sessionId": "s", "eventType": "page_view", "metadata": {"platform": "web"}})
}

async fn send(
    collector: &Collector<Scripted>,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let request = request.header(USER_AGENT, "test").body(Full::new(body.into())).unwrap();
    let (head, body) = request.into_parts();
    collector.answer(&head, body, [203, 0, 113, 7].into()).await
}

fn post() -> http::request::Builder {
    Request::post("/v1/events").header(AUTHORIZATION, format!("Bearer {KEY}"))
}

fn told(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn accepted_means_handed_to_the_stream_with_what_the_request_tells() {
    let collector = collector(KEY);
    let answer = send(&collector, post(), format!("[{},{}]", event("u-1"), event("u-2"))).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "{answer:?}");
    let taken = collector.accept.taken.lock();
    let ids: Vec<_> = taken.iter().map(|event| json!({"index": event.user_id == "u-2", "id": event.id})).collect();
    let body = told(&answer);
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(body["events"][index]["eventId"], id["id"]);
    }
    assert_eq!(
        (taken[0].metadata.text("ipAddress").as_deref(), taken[0].metadata.text("userAgent").as_deref()),
        (Some("203.0.113.7"), Some("test"))
    );
}

#[tokio::test]
async fn only_who_brings_a_write_key_may_post() {
    let collector = collector(KEY);
    for (request, status) in [
        (Request::post("/v1/events"), 401),
        (Request::post("/v1/events").header(AUTHORIZATION, "Bearer wk_0123456789abcdee"), 401),
        (Request::post("/v1/events").header(AUTHORIZATION, format!("Basic {KEY}")), 401),
        (Request::post("/v1/events?key=wk"), 401),
        (Request::post(format!("/v1/events?a=b&key={KEY}")), 202),
        (Request::post(format!("/v1/events?key={}", KEY.replace('_', "%5F"))), 202),
        (Request::post("/v1/events").header(AUTHORIZATION, format!("bearer {KEY}")), 202),
    ] {
        let shown = format!("{request:?}");
        let answer = send(&collector, request, event("u").to_string()).await;
        assert_eq!(answer.status().as_u16(), status, "{shown}");
    }
}

#[tokio::test]
async fn only_pages_of_named_origins_may_post() {
    let collector = collector("");
    let from = |origin: &str| Request::post("/v1/events").header("origin", origin);
    let allowed = send(&collector, from("https://app.test"), event("u").to_string()).await;
    assert_eq!(allowed.status(), StatusCode::ACCEPTED);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.test");
    let refused = send(&collector, from("https://other.test"), event("u").to_string()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    let preflight = Request::options("/v1/events").header("origin", "https://app.test");
    let answer = send(&collector, preflight, "").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    assert_eq!(collector.accept.taken.lock().len(), 1);
}

#[tokio::test]
async fn nothing_that_the_stream_did_not_take_is_called_a_success() {
    let collector = collector(KEY);
    for (why, status, after) in [(NotAccepted::Throttled, 429, "1"), (NotAccepted::Unavailable, 503, "5")] {
        *collector.accept.refuse.lock() = Some(why);
        let body = format!("{}\n{}", event("u"), event("refused"));
        let answer = send(&collector, post(), body).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["retry-after"], after);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let body = told(&answer);
        assert_eq!((&body["events"][0]["accepted"], &body["events"][1]["accepted"]), (&json!(true), &json!(false)));
        // What is sent again under the id and time that were given is the same event.
        assert!(body["events"][1]["eventId"].is_string() && body["events"][1]["timestamp"].is_i64());
    }
    let ready = send(&collector, Request::get("/readyz"), "").await;
    assert_eq!(
        (ready.status(), told(&ready)["status"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("the stream failed lately"))
    );
}

#[tokio::test]
async fn of_a_mixed_batch_the_good_events_are_accepted_and_the_bad_ones_listed() {
    let collector = collector(KEY);
    let answer = send(&collector, post(), format!("[{},{{\"userId\":7}},{}]", event("a"), event("b"))).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body = told(&answer);
    assert_eq!(body["accepted"], 2);
    let problems = body["events"][1]["problems"].as_array().unwrap();
    let fields: Vec<_> = problems.iter().map(|problem| problem["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["userId", "eventType", "metadata.platform"]);
    assert_eq!(collector.accept.taken.lock().len(), 2);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_to_do() {
    let collector = collector(KEY);
    let many = vec!["{}"; MAX_EVENTS + 1].join("\n");
    let large = " ".repeat(MAX_BODY_BYTES + 1);
    let good = event("u").to_string();
    for (request, body, status, says) in [
        (Request::get("/v1/events"), "", 405, "POST, OPTIONS"),
        (Request::post("/headcount.js"), "", 405, "GET, HEAD"),
        (Request::get("/other"), "", 404, "/v1/events"),
        (post().header(CONTENT_TYPE, "application/x-www-form-urlencoded"), "userId=u", 415, "form"),
        (post().header("content-encoding", "br"), &*good, 415, "gzip or zstd"),
        (post().header("content-encoding", "gzip"), &*good, 400, "does not decompress"),
        (post(), "", 400, "empty"),
        (post(), &*many, 413, "1000 events"),
        (post(), &*large, 413, "1048576 bytes"),
    ] {
        let shown = format!("{request:?}");
        let answer = send(&collector, request, body.to_owned()).await;
        assert_eq!(answer.status().as_u16(), status, "{shown}");
        let told = told(&answer);
        assert_eq!((&told["status"], &told["type"]), (&json!(status), &json!("about:blank")));
        assert!(told["detail"].as_str().unwrap().contains(says), "{told}");
    }
    assert!(collector.accept.taken.lock().is_empty());
}

#[tokio::test]
async fn the_script_is_served_once_and_then_known() {
    let collector = collector(KEY);
    let first = send(&collector, Request::get("/headcount.js"), "").await;
    assert_eq!(first.status(), StatusCode::OK);
    assert!(first.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/javascript"));
    assert!(first.headers()[CACHE_CONTROL].to_str().unwrap().contains("max-age"));
    let etag = first.headers()[ETAG].to_str().unwrap();
    for tags in [etag.to_owned(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let again = send(&collector, Request::get("/headcount.js").header(IF_NONE_MATCH, tags), "").await;
        assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
    let other = send(&collector, Request::get("/headcount.js").header(IF_NONE_MATCH, "\"other\""), "").await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn it_says_when_it_is_closing() {
    let collector = collector(KEY);
    assert_eq!(send(&collector, Request::get("/readyz"), "").await.status(), StatusCode::OK);
    collector.close();
    assert_eq!(send(&collector, Request::get("/readyz"), "").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(send(&collector, Request::get("/healthz"), "").await.status(), StatusCode::OK);
}

#[test]
fn what_is_escaped_in_an_address_is_read() {
    for (text, read) in [("a%5Fb", "a_b"), ("%", "%"), ("%5", "%5"), ("%zz%41", "%zzA"), ("a+b", "a+b")] {
        assert_eq!(unescaped(text), read);
    }
}

/// A second key beside [`KEY`].
const OTHER: &str = "wk_fedcba9876543210";

#[tokio::test]
async fn a_key_that_floods_waits_and_others_do_not() {
    let mut settings = collector(&format!("{KEY},{OTHER}")).settings;
    settings.key_rate = NonZeroU32::new(10);
    let collector = Collector::new(Scripted::default(), settings);
    let batch = json!((0..50).map(|n| event(&format!("u-{n}"))).collect::<Vec<_>>()).to_string();
    let from = |key: &str| Request::post("/v1/events").header(AUTHORIZATION, format!("Bearer {key}"));
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(send(&collector, from(KEY), batch.clone()).await);
        let other = send(&collector, from(OTHER), event("u").to_string()).await;
        assert_eq!(other.status(), StatusCode::ACCEPTED);
    }
    let accepted = answers.iter().filter(|answer| answer.status() == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 3, "its burst, and what goes one request beyond");
    let refused = answers.last().unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
}

#[tokio::test]
async fn requests_and_waiting_events_are_shared_between_keys() {
    let load = Load { most: 100, waiting: 60, counted_to_ms: 0 };
    let collector = collector(&format!("{KEY},{OTHER}")).admitting(Box::new(move || load));
    let from = |key: &str| Request::post("/v1/events").header(AUTHORIZATION, format!("Bearer {key}"));
    let batch = |events: usize| json!((0..events).map(|n| event(&format!("u-{n}"))).collect::<Vec<_>>()).to_string();
    for (key, events, status) in [(KEY, 30, 202), (KEY, 30, 429), (OTHER, 30, 202), (KEY, 1, 202)] {
        let answer = send(&collector, from(key), batch(events)).await;
        assert_eq!(answer.status().as_u16(), status, "{key} {events} {answer:?}");
    }
    // Half of all requests at once are those of one key.
    let held: Vec<_> = std::iter::from_fn(|| collector.requests.take(Client::Key(0))).collect();
    assert_eq!(held.len(), MAX_REQUESTS / 2);
    assert_eq!(send(&collector, from(KEY), batch(1)).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&collector, from(OTHER), batch(1)).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn without_keys_only_this_machine_may_post() {
    let at = "127.0.0.1:8700".parse().unwrap();
    for (keys, host, status) in
        [("", "localhost:8700", 202), ("", "evil.example:8700", 403), (KEY, "evil.example", 202)]
    {
        let collector = collector(keys).at(at);
        let answer = send(&collector, post().header("host", host), event("u").to_string()).await;
        assert_eq!(answer.status().as_u16(), status, "{keys:?} {host}");
    }
}

/// A message of Segment's.
fn track(user: &str) -> Value {
    json!({"type": "track", "userId": user, "event": "e", "messageId": format!("m-{user}"), "timestamp": now_text()})
}

fn now_text() -> String {
    chrono::DateTime::from_timestamp_millis(now_ms()).unwrap().to_rfc3339()
}

#[tokio::test]
async fn clients_of_others_bring_the_key_as_they_do() {
    let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:")));
    let batch = json!({"batch": [track("u")]}).to_string();
    let in_body = |key: &str| json!({"batch": [track("u")], "writeKey": key}).to_string();
    let captured = |key: &str| {
        json!({"api_key": key, "batch": [{"event": "e", "distinct_id": "u", "timestamp": now_text(), "uuid": "1"}]})
            .to_string()
    };
    let collector = collector(KEY);
    for (path, authorization, body, status) in [
        ("/v1/batch", Some(basic(KEY)), batch.clone(), 200),
        ("/v1/batch", Some(format!("Bearer {KEY}")), batch.clone(), 200),
        ("/v1/batch", None, in_body(KEY), 200),
        ("/v1/t", Some(basic(KEY)), track("u").to_string(), 200),
        ("/batch/", None, captured(KEY), 200),
        ("/v1/batch", Some(basic(OTHER)), in_body(KEY), 401),
        ("/v1/batch", Some("Basic ???".to_owned()), in_body(KEY), 401),
        ("/v1/batch", None, in_body(OTHER), 401),
        ("/v1/batch", None, batch.clone(), 401),
        ("/batch/", None, captured(OTHER), 401),
        ("/v1/traces", None, "{}".to_owned(), 401),
        // The native format brings no key in its body.
        ("/v1/events", None, in_body(KEY), 401),
    ] {
        let mut request = Request::post(path);
        if let Some(authorization) = &authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = send(&collector, request, body.clone()).await;
        assert_eq!(answer.status().as_u16(), status, "{path} {authorization:?} {body}");
    }
    assert_eq!(collector.accept.taken.lock().len(), 5);
}

#[tokio::test]
async fn what_may_still_be_accepted_is_to_be_sent_again_whatever_else_is_wrong() {
    let collector = collector("");
    *collector.accept.refuse.lock() = Some(NotAccepted::Throttled);
    let batch = |users: &[&str]| json!({"batch": users.iter().map(|user| track(user)).collect::<Vec<_>>()}).to_string();
    for (users, status) in [(&["a", "refused", ""][..], 429), (&["a", ""], 400), (&["a"], 200)] {
        let answer = send(&collector, Request::post("/v1/batch"), batch(users)).await;
        assert_eq!(answer.status().as_u16(), status, "{users:?}");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
    }
    let answer = send(&collector, Request::post("/v1/batch"), batch(&["", "a"])).await;
    let detail = told(&answer)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("1 of 2 events break rules") && detail.contains("userId must not be empty"), "{detail}");
}

#[tokio::test]
async fn what_is_no_event_is_accepted_and_counted_as_left_out() {
    let collector = collector("");
    let alias = json!({"batch": [{"type": "alias", "userId": "u", "previousId": "a"}]}).to_string();
    let answer = send(&collector, Request::post("/v1/batch"), alias).await;
    assert_eq!((answer.status(), told(&answer)), (StatusCode::OK, json!({"success": true})));
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "GET /"}]}]}]}).to_string();
    let answer = send(&collector, Request::post("/v1/traces").header(CONTENT_TYPE, "application/json"), spans).await;
    assert_eq!((answer.status(), told(&answer)["partialSuccess"].is_null()), (StatusCode::OK, true), "{answer:?}");
    let health = send(&collector, Request::get("/healthz"), "").await;
    assert_eq!(told(&health), json!({"status": "ok", "leftOut": 2}));
    assert!(collector.accept.taken.lock().is_empty());
}

#[tokio::test]
async fn cloud_events_are_answered_as_native_events_are() {
    let collector = collector(KEY);
    *collector.accept.refuse.lock() = Some(NotAccepted::Throttled);
    let event = |id: &str, user: &str| {
        let time = now_text();
        json!({"specversion": "1.0", "id": id, "source": "/a", "type": "e", "time": time, "subject": user})
    };
    let (one, batch) = ("application/cloudevents+json", "application/cloudevents-batch+json");
    for (media_type, body, status) in [
        (one, event("1", "u"), 202),
        (batch, json!([event("2", "u"), event("3", "u")]), 202),
        (batch, json!([event("4", "u"), event("5", "")]), 400),
        (batch, json!([event("6", "u"), event("7", "refused")]), 429),
        (batch, json!(vec![event("8", "u"); MAX_EVENTS + 1]), 413),
        ("application/json", event("9", "u"), 400),
    ] {
        let answer = send(&collector, post().header(CONTENT_TYPE, media_type), body.to_string()).await;
        assert_eq!(answer.status().as_u16(), status, "{media_type} {answer:?}");
        if status == 202 {
            let first = &told(&answer)["events"][0]["eventId"];
            assert!(first.as_str().unwrap().starts_with("/a "), "{first}");
        }
    }
    assert_eq!(collector.accept.taken.lock().len(), 6);
    let keyless = Request::post("/v1/events").header(CONTENT_TYPE, one);
    assert_eq!(send(&collector, keyless, event("1", "u").to_string()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pages_may_ask_what_sdks_ask_first() {
    let collector = collector(KEY);
    for (method, path) in [
        (Method::GET, "/v1/projects/k/settings"),
        (Method::GET, "/array/k/config"),
        (Method::GET, "/array/k/config.js"),
        (Method::POST, "/flags/?v=2"),
        (Method::OPTIONS, "/v1/t"),
        (Method::OPTIONS, "/e/"),
        (Method::OPTIONS, "/flags/"),
    ] {
        let request =
            |origin| Request::builder().method(&method).uri(path).header("host", "h").header("origin", origin);
        let answer = send(&collector, request("https://app.test"), "").await;
        assert!(answer.status().is_success(), "{path} {answer:?}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.test", "{path}");
        let foreign = send(&collector, request("https://other.test"), "").await;
        assert!(!foreign.headers().contains_key("access-control-allow-origin"), "{path}");
    }
}
