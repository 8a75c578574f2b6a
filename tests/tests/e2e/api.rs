//! The JSON API of a running `serve`: who may read, and that a token is nowhere to be seen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::command::{PATIENCE, Serve, headcount, signal};
use crate::function_url::Function;
use crate::sample::{days, event, lines, noon};

const TOKEN: &str = "kEy-4f0e9d3c2b1a-never-shown";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// One request over plain HTTP.
fn ask(addr: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut socket = TcpStream::connect(addr).expect("it listens");
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {addr}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    write!(socket, "{request}\r\n{body}").expect("it reads");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// `headcount serve` on all addresses, with its log at its loudest.
struct Open {
    child: Child,
    addr: String,
    log: mpsc::Receiver<String>,
}

impl Open {
    fn start(token: Option<&str>) -> Self {
        let ports = ["serve", "--bind", "0.0.0.0", "--kinesis-port", "0", "--dynamodb-port", "0", "--port", "0"];
        let mut command = headcount(&ports);
        command.env("RUST_LOG", "trace").env_remove("HEADCOUNT_READ_TOKEN");
        if let Some(token) = token {
            command.env("HEADCOUNT_READ_TOKEN", token);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("serve can be started");
        let (said, lines) = mpsc::channel();
        let (logged, log) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let both = logged.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = (said.send(line.clone()), both.send(line));
            }
        });
        thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(logged.send(line)));
        });
        let addr = loop {
            let line = lines.recv_timeout(PATIENCE).expect("serve prints its endpoints");
            if let Some(port) = line.strip_prefix("  healthz").and_then(|line| line.trim().rsplit(':').next()) {
                break format!("127.0.0.1:{}", port.trim_end_matches("/healthz"));
            }
        };
        Self { child, addr, log }
    }

    /// Everything that it printed, once it has ended.
    fn stop(mut self) -> String {
        signal(self.child.id(), "INT");
        self.child.wait().expect("it ends");
        self.log.iter().collect::<Vec<_>>().join("\n")
    }
}

/// Everything but health and signing in.
const GUARDED: [&str; 11] = [
    "/",
    "/api/metrics",
    "/api/features",
    "/api/engagement",
    "/api/ai",
    "/api/budgets",
    "/api/users/ann/events",
    "/api/rejected",
    "/api/openapi.json",
    "/anything",
    "/sign-in/other",
];

#[test]
fn a_network_listener_without_a_token_answers_nobody() {
    let open = Open::start(None);
    for path in GUARDED {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let answer = ask(&open.addr, method, path, &[], "");
            assert_eq!(answer.status, 401, "{method} {path}");
        }
        let bearer = ask(&open.addr, "GET", path, &[("Authorization", "Bearer ")], "");
        assert_eq!(bearer.status, 401, "{path}");
    }
    assert_eq!(ask(&open.addr, "GET", "/healthz", &[], "").status, 200);
    assert_eq!(ask(&open.addr, "GET", "/sign-in", &[], "").status, 200);
    assert_eq!(ask(&open.addr, "POST", "/sign-in", &[], "token=").status, 401);
    assert!(open.stop().contains("read token"), "it says what to do");
}

#[test]
fn the_token_opens_everything_and_is_nowhere_to_be_seen() {
    let open = Open::start(Some(TOKEN));
    let bearer = format!("Bearer {TOKEN}");
    for path in GUARDED {
        assert_eq!(ask(&open.addr, "GET", path, &[], "").status, 401, "{path}");
        let inside = ask(&open.addr, "GET", &format!("{path}?token={TOKEN}"), &[], "");
        assert_eq!(inside.status, 401, "an address is no place for a token");
        assert!(!inside.body.contains(TOKEN));
        let wrong = ask(&open.addr, "GET", path, &[("Authorization", "Bearer another-token-of-some-length")], "");
        assert_eq!(wrong.status, 401, "{path}");
        let right = ask(&open.addr, "GET", path, &[("Authorization", &bearer)], "");
        assert_ne!(right.status, 401, "{path}");
        for header in [
            "content-security-policy: default-src 'self'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "frame-ancestors 'none'",
        ] {
            assert!(right.head.contains(header), "{path}: {header} in {}", right.head);
        }
    }
    let named = ask(&open.addr, "GET", &format!("/api/metrics?token={TOKEN}"), &[("Authorization", &bearer)], "");
    assert_eq!(named.status, 400);
    assert!(named.body.contains("\"parameter\":\"token\"") && !named.body.contains(TOKEN), "{}", named.body);

    assert_eq!(ask(&open.addr, "POST", "/sign-in", &[], "token=another-token-of-some-length").status, 401);
    let signed = ask(&open.addr, "POST", "/sign-in", &[], &format!("token={TOKEN}"));
    assert_eq!(signed.status, 303, "{}", signed.body);
    let cookie = signed.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie").to_owned();
    for part in ["httponly", "samesite=strict", "path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!signed.head.contains(&TOKEN.to_ascii_lowercase()));
    let session = cookie.split(';').next().expect("a value");
    assert_eq!(ask(&open.addr, "GET", "/api/metrics", &[("Cookie", session)], "").status, 200);
    let person = ask(&open.addr, "GET", "/", &[("Accept", "text/html")], "");
    assert!(person.status == 401 && person.body.contains("<form"), "{}", person.body);

    let printed = open.stop();
    assert!(printed.contains("wrong read token"), "the log is on");
    for secret in [TOKEN, session.split_once('=').expect("a name").1] {
        assert!(!printed.contains(secret), "a secret is in the log");
    }
}

#[test]
fn on_loopback_answers_are_tagged_and_other_hosts_refused() {
    let serve = Serve::start(None);
    let addr = serve.http.trim_start_matches("http://").split('/').next().expect("an address").to_owned();
    let first = ask(&addr, "GET", "/api/metrics?last=3d&compare=true", &[], "");
    assert_eq!(first.status, 200, "{}", first.body);
    let metrics: Value = serde_json::from_str(&first.body).expect("JSON");
    assert_eq!(metrics["days"].as_array().map(Vec::len), Some(3));
    assert!(metrics["previous"]["change"].is_object());
    let tag = first.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    let again = ask(&addr, "GET", "/api/metrics?last=3d&compare=true", &[("If-None-Match", &tag)], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let csv = ask(&addr, "GET", "/api/engagement?format=csv", &[], "");
    assert!(csv.head.contains("text/csv") && csv.body.starts_with("date,state,"), "{}", csv.body);
    let csv = ask(&addr, "GET", "/api/engagement", &[("Accept", "text/csv")], "");
    assert!(csv.head.contains("text/csv"), "{}", csv.head);

    let wrong = ask(&addr, "GET", "/api/metrics?from=yesterday", &[], "");
    assert!(wrong.status == 400 && wrong.head.contains("application/problem+json"), "{}", wrong.head);
    let problem: Value = serde_json::from_str(&wrong.body).expect("JSON");
    assert_eq!((&problem["parameter"], &problem["status"]), (&"from".into(), &400.into()));
    assert!(problem["rule"].as_str().is_some_and(|rule| rule.contains("YYYY-MM-DD")));
    let method = ask(&addr, "DELETE", "/api/metrics", &[], "");
    assert!(method.status == 405 && method.head.contains("allow: get"), "{}", method.head);
    assert_eq!(ask(&addr, "GET", "/api/nothing", &[], "").status, 404);
    for host in ["evil.example", "evil.example:8600", "localhost.evil.example"] {
        assert_eq!(ask(&addr, "GET", "/api/metrics", &[("Host", host)], "").status, 403, "{host}");
    }
    assert!(serve.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lambda_binary_answers_a_function_url() {
    let serve = Serve::start(None);
    serve.send(0, lines(&[event("e-1", "user-1", noon(days()[1]), "page_view", &json!({}))]).as_slice());
    let variables =
        [("EVENTS_TABLE", "headcount"), ("READ_TOKEN", TOKEN), ("AWS_ENDPOINT_URL_DYNAMODB", &serve.dynamodb)];
    let dashboard = Function::start("headcount-dashboard", &variables);
    let reader = json!({"authorization": format!("Bearer {TOKEN}"), "accept": "application/json"});

    let refused = dashboard.ask("GET", "/api/metrics", json!({"accept": "*/*"}), "").await;
    assert_eq!(refused["statusCode"], 401, "{refused:#}");
    let counted = async {
        loop {
            let answer = dashboard.ask("GET", "/api/metrics", reader.clone(), "").await;
            assert_eq!(answer["statusCode"], 200, "{answer:#}");
            let metrics: Value = serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
            if metrics["total"]["eventsByType"]["page_view"] == 1 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("the event is counted");
    let page = dashboard.ask("GET", "/", reader, "").await;
    assert!(page["body"].as_str().is_some_and(|text| text.contains("Active users")), "{page:#}");
    dashboard.stop().await;
    assert!(tokio::task::spawn_blocking(|| serve.stop().success()).await.unwrap());
}
