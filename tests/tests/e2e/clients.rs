//! SDKs that others wrote, unmodified: each sends a thousand things through a network that loses requests and answers, to a collector
//! that is killed, and what is counted is the truth.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use headcount_tests::browser::Browser;
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Rates, seed_of_run};
use serde_json::{Value, json};

use crate::collector::total;
use crate::command::{PATIENCE, Serve, expect, headcount, run, wait_for};
use crate::foreign_client::STREAM;

/// Names the folder of the packages of `tests/clients/package.json`.
const NODE: &str = "HEADCOUNT_TEST_CLIENTS_NODE";

/// Names the Python that has what `tests/clients/requirements.txt` names.
const PYTHON: &str = "HEADCOUNT_TEST_CLIENTS_PYTHON";

const KEY: &str = "wk_0123456789abcdef";

/// Requests after which the collector is killed.
const KILLED_AFTER: u64 = 5;

/// Lost requests, lost answers and refusals. Clients of OTLP send again what was answered with 503, and not what was with 500.
const RATES: Rates = Rates {
    throttle: 0.06,
    partial: 0.0,
    server_error: 0.0,
    reset_before: 0.06,
    reset_after: 0.1,
    delay: 0.0,
    longest_delay: std::time::Duration::ZERO,
};

/// A clock that is three hours ahead. Uncorrected, every event would be of the future, and rejected.
const THREE_HOURS_MS: &str = "10800000";

/// The collector, a process of its own.
struct Collector {
    child: Child,
    endpoint: String,
}

impl Collector {
    fn start(serve: &Serve) -> Self {
        Self::start_for(serve, &["--event-types", "signup"])
    }

    fn start_for(serve: &Serve, options: &[&str]) -> Self {
        let mut command = headcount(&["collector", "--local", "--port", "0", "--stream", STREAM]);
        command.args(["--kinesis-endpoint", &serve.kinesis]).args(options).env("WRITE_KEYS", KEY);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the collector can be started");
        let out = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut collector = Self { child, endpoint: String::new() };
        let (send, receive) = mpsc::channel();
        thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        loop {
            let line = receive.recv_timeout(PATIENCE).expect("the collector says where it listens");
            if let Some(endpoint) = line.split_whitespace().find_map(|word| word.strip_suffix("/v1/events")) {
                endpoint.clone_into(&mut collector.endpoint);
                return collector;
            }
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a client to its end while its requests are struck and the collector is killed; what is counted then.
async fn counted(name: &str, command: Command) -> Value {
    let serve = Serve::start_with(None, &["--event-types", "signup"]);
    let collector = Collector::start(&serve);
    let proxy = FaultProxy::start(seed_of_run(name), RATES, None).await.unwrap();
    proxy.forward_to(&collector.endpoint);
    let mut command = command;
    command.args([&proxy.endpoint(), KEY]);
    let client = tokio::task::spawn_blocking(move || run(command, b""));
    let mut requests = proxy.requests();
    requests.wait_for(|sent| *sent >= KILLED_AFTER).await.unwrap();
    drop(collector);
    let collector = Collector::start(&serve);
    proxy.forward_to(&collector.endpoint);
    let output = client.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    eprintln!("{name}: {:?}\n{said}", proxy.counts());
    tokio::task::spawn_blocking(move || {
        wait_for("all that was accepted is counted", || serve.health(), |health| health["backlog"] == json!(0));
        let counted = total(&serve);
        let today = chrono::Utc::now().date_naive().to_string();
        expect(0, &[&["verify", "--date", &today][..], &serve.places()].concat(), b"");
        assert!(serve.stop().success());
        counted
    })
    .await
    .unwrap()
}

/// What the truth comes to: a tenth each are pages, users who become known, sign-ups and requests to a model.
fn check(counted: &Value, registrations: u64) {
    assert_eq!(
        counted["eventsByType"],
        json!({
            "page_view": 100, "identify": 100 + registrations, "signup": 100, "ai_request": 100, "feature_use": 600,
            "content_create": 0, "error": 0,
        }),
        "{counted:#}"
    );
    let features: u64 = counted["featureUsage"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!((features, counted["featureUsage"].as_object().unwrap().len()), (600, 7), "{counted:#}");
    // Four of the forty users only become known.
    assert_eq!((&counted["activeUsers"], &counted["newSignups24h"]), (&json!(36), &json!(40)), "{counted:#}");
    assert_eq!(counted["aiUsage"]["totalTokens"], json!(1_500));
    assert_eq!((&counted["rejected"], &counted["eventsWithoutUser"]), (&json!(0), &json!(0)));
    assert_eq!(counted["sessions"]["count"], json!(0), "a server has none");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Node, which finds the packages beside the script's own folder.
fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder().join(script)).env("NODE_PATH", packages());
    command
}

/// Where the packages of Node are.
fn packages() -> PathBuf {
    let folder = std::env::var_os(NODE)
        .unwrap_or_else(|| panic!("{NODE} is not set: run `cargo xtask test`, which installs the packages"));
    Path::new(&folder).join("node_modules")
}

fn python(script: &str) -> Command {
    let python = std::env::var(PYTHON)
        .unwrap_or_else(|_| panic!("{PYTHON} is not set: run `cargo xtask test`, which makes that Python"));
    let mut command = Command::new(python);
    command.arg(folder().join(script));
    command
}

fn with_wrong_clock(mut command: Command) -> Command {
    command.env("SKEW_MS", THREE_HOURS_MS);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_from_node() {
    // Its `group` registers a user as well.
    check(&counted("segment_from_node", with_wrong_clock(node("segment.cjs"))).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_from_python() {
    check(&counted("segment_from_python", with_wrong_clock(python("segment_client.py"))).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn posthog_from_node() {
    check(&counted("posthog_from_node", with_wrong_clock(node("posthog.cjs"))).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn posthog_from_python() {
    check(&counted("posthog_from_python", with_wrong_clock(python("posthog_client.py"))).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_opentelemetry() {
    let counted = counted("spans_of_opentelemetry", python("spans.py")).await;
    assert_eq!(counted["eventsByType"]["ai_request"], json!(750), "{counted:#}");
    assert_eq!(counted["aiUsage"]["totalTokens"], json!(750 * 15));
    let models = counted["aiUsage"]["byModel"].as_object().unwrap();
    assert!(models.len() == 3 && models.values().all(|model| model["requests"] == json!(250)), "{models:#?}");
    // Those of every fourth span ask no model.
    assert_eq!((&counted["activeUsers"], &counted["rejected"]), (&json!(30), &json!(0)), "{counted:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_as_opentelemetry_sees_it() {
    let counted = counted("openai_as_opentelemetry_sees_it", python("openai_client.py")).await;
    assert_eq!(counted["eventsByType"]["ai_request"], json!(1_000), "{counted:#}");
    let model = &counted["aiUsage"]["byModel"]["gpt-4o-mini"];
    assert_eq!(model["tokens"], json!(15_000), "{counted:#}");
    assert!(model["cost"].as_f64().is_some_and(|dollars| dollars > 0.0), "it is priced: {model}");
    assert_eq!((&counted["activeUsers"], &counted["rejected"]), (&json!(40), &json!(0)));
}

/// What every page begins with: a clock that is wrong, and the SDK.
const PAGE: &str = r#"<!doctype html><title>page</title><script>
const Right = Date;
Date = class extends Right {
  constructor(...given) { super(...(given.length > 0 ? given : [Right.now() + SKEW])); }
  static now() { return Right.now() + SKEW; }
};
</script><script src="/client.js"></script>"#;

/// One user looks at a page, becomes known, and uses features 998 times, in a page that loads this script; the SDK is started with
/// `START`, and `TRACK` sends the `n`-th use. What is counted then.
async fn counted_of_page(name: &str, script: &str, start: &str, track: &str) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serve = Serve::start(None);
    let collector = Collector::start_for(&serve, &["--allow-origin", &origin]);
    let proxy = FaultProxy::start(seed_of_run(name), Rates::default(), None).await.unwrap();
    proxy.forward_to(&collector.endpoint);
    let page = PAGE.replace("SKEW", THREE_HOURS_MS) + start;
    let page = page.replace("ENDPOINT", &proxy.endpoint()).replace("KEY", KEY);
    let script = std::fs::read(packages().join(script)).unwrap();
    serve_page(listener, page.into_bytes(), script);
    let browser = Browser::start().await.unwrap();
    browser.open(&origin).await.unwrap();
    browser.wait_until("window.started === true").await.unwrap();
    // Segment's asks where to send to once, and does not ask again.
    proxy.set(RATES, None);
    let sent = proxy.requests();
    let (before, mut requests) = (*sent.borrow(), proxy.requests());
    for hundred in 0..10 {
        let to = if hundred == 9 { 998 } else { 100 * hundred + 100 };
        browser
            .value(&format!("(() => {{ for (let n = {}; n < {to}; n++) {track}; }})()", 100 * hundred))
            .await
            .unwrap();
        // Requests are made of what was tracked together.
        requests.wait_for(|sent| *sent > before + hundred).await.unwrap();
    }
    drop(collector);
    let collector = Collector::start_for(&serve, &["--allow-origin", &origin]);
    proxy.forward_to(&collector.endpoint);
    eprintln!("{name}: {:?}", proxy.counts());
    let counted = tokio::task::spawn_blocking(move || {
        let counted =
            wait_for("all is counted", || total(&serve), |total| total["eventsByType"]["feature_use"] == json!(998));
        assert!(serve.stop().success());
        counted
    });
    let counted = counted.await.unwrap();
    browser.stop().await.unwrap();
    assert_eq!(
        (&counted["eventsByType"]["page_view"], &counted["eventsByType"]["identify"]),
        (&json!(1), &json!(1)),
        "{counted:#}"
    );
    assert_eq!((&counted["rejected"], &counted["newSignups24h"]), (&json!(0), &json!(1)), "{counted:#}");
    assert_eq!(counted["platforms"], json!({"web": 1_000}), "{counted:#}");
    counted
}

/// Serves the page on every path but that of its script, until the test ends.
fn serve_page(listener: TcpListener, page: Vec<u8>, script: Vec<u8>) {
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let asked = lines.collect::<Vec<_>>().join("\n");
            let (kind, body) =
                if asked.starts_with("GET /client.js ") { ("text/javascript", &script) } else { ("text/html", &page) };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            // A browser may hang up early.
            let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_in_a_browser() {
    let start = r#"<script>
const analytics = AnalyticsNext.AnalyticsBrowser.load({writeKey: "KEY", cdnURL: "ENDPOINT"});
analytics.page();
analytics.identify("user-1", {email: "user-1@example.com"});
analytics.ready(() => { window.started = true; });
</script>"#;
    let script = "@segment/analytics-next/dist/umd/index.js";
    let counted =
        counted_of_page("segment_in_a_browser", script, start, "analytics.track('feature ' + n % 7, {n})").await;
    assert_eq!(counted["sessions"]["count"], json!(0), "{counted:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn posthog_in_a_browser() {
    // It takes a headless browser for a robot, and itself for a flood, unless told otherwise.
    let start = r#"<script>
posthog.init("KEY", {
  api_host: "ENDPOINT", opt_out_useragent_filter: true, request_queue_config: {flush_interval_ms: 250},
  rate_limiting: {events_per_second: 10000, events_burst_limit: 10000},
  loaded: posthog => { posthog.identify("user-1", {email: "user-1@example.com"}); window.started = true; },
});
</script>"#;
    let script = "posthog-js/dist/array.full.js";
    let counted =
        counted_of_page("posthog_in_a_browser", script, start, "posthog.capture('feature ' + n % 7, {n})").await;
    assert_eq!((&counted["sessions"]["count"], &counted["activeUsers"]), (&json!(1), &json!(1)), "{counted:#}");
}
