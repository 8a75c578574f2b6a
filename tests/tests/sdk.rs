//! The libraries of `sdk/` against a real `headcount serve`: their own tests, what their READMEs print, the rules of events, events
//! through a proxy that drops answers and a server that is killed, and their example applications.

#[path = "sdk/cases.rs"]
mod cases;
#[path = "e2e/command.rs"]
#[expect(dead_code, reason = "shared with the tests end to end")]
mod command;
#[path = "e2e/http.rs"]
#[expect(dead_code, reason = "shared with the tests end to end")]
mod http;
#[path = "sdk/node.rs"]
mod node;
#[path = "sdk/python.rs"]
mod python;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use chrono::{TimeDelta, Utc};
use headcount_tests::fault_proxy::FaultProxy;
use headcount_tests::fault_proxy::plan::{Rates, seed_of_run};
use serde_json::{Value, json};

use command::{PATIENCE, Serve, expect, run, signal, wait_for};

const WRITE_KEY: &str = "wk_0123456789abcdef";
const READ_TOKEN: &str = "a-read-token-for-this-test";

/// Requests after which the server is killed while a library sends.
const KILLED_AT: [u64; 2] = [100, 350];

/// Events that `load` sends.
const LOAD: u64 = 1_200;

/// A library, installed as its users have it.
trait Library {
    /// A program of `tests/sdk`.
    fn program(&self, name: &str) -> Command;
}

/// The project's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}

/// A running server that asks for a write key and a read token.
struct World {
    folder: tempfile::TempDir,
    serve: Serve,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("keys"), WRITE_KEY).expect("written");
        std::fs::write(folder.path().join("token"), READ_TOKEN).expect("written");
        let serve = Self::serve(folder.path());
        Self { folder, serve }
    }

    fn serve(folder: &Path) -> Serve {
        let [keys, token] = ["keys", "token"].map(|name| folder.join(name).to_str().expect("text").to_owned());
        Serve::start_with(Some(&folder.join("data")), &["--write-keys", &keys, "--read-token-file", &token])
    }

    /// Kills the server and starts another one with the same data.
    fn killed(self) -> Self {
        let Self { folder, serve } = self;
        serve.kill();
        Self { serve: Self::serve(folder.path()), folder }
    }

    /// Tells a program where the server is.
    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HEADCOUNT_COLLECTOR_URL", &self.serve.collector)
            .env("HEADCOUNT_API_URL", self.api())
            .env("HEADCOUNT_WRITE_KEY", WRITE_KEY)
            .env("HEADCOUNT_READ_TOKEN", READ_TOKEN)
    }

    fn api(&self) -> &str {
        self.serve.http.trim_end_matches("/healthz")
    }

    /// What the JSON API answers.
    fn figures(&self, path: &str) -> Value {
        let (status, answer) = ask(self.api(), READ_TOKEN, "GET", &format!("/api/{path}"), "");
        assert_eq!(status, 200, "{answer:#}");
        answer
    }

    /// The figures of yesterday and today together, proven: a test may run across midnight.
    fn proven(&self) -> Value {
        wait_for("all is counted", || self.serve.health(), |health| health["backlog"] == 0);
        let today = Utc::now().date_naive();
        let (from, to) = ((today - TimeDelta::days(1)).to_string(), today.to_string());
        self.serve.metrics(&from, &to);
        expect(0, &[&["prove"][..], &self.serve.places()].concat(), b"");
        let total = self.serve.metrics(&from, &to)["total"].clone();
        expect(0, &[&["verify", "--date", &to][..], &self.serve.places()].concat(), b"");
        total
    }
}

/// Runs a program to its end, which must be a good one; what it printed.
fn succeed(mut command: Command, input: &[u8]) -> String {
    let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
    command.env_remove("NODE_OPTIONS");
    let output = run(command, input);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// The blocks of code of a page's section, one after the other.
fn code(page: &Path, section: &str) -> String {
    let text = std::fs::read_to_string(page).expect("a page");
    let mut blocks = String::new();
    let (mut is_section, mut is_code) = (false, false);
    for line in text.lines() {
        match line {
            _ if line.starts_with("```") => is_code = !is_code,
            _ if line.starts_with("## ") && !is_code => is_section = line == format!("## {section}"),
            _ if is_code && is_section => blocks = blocks + line + "\n",
            _ => {}
        }
    }
    assert!(!blocks.is_empty(), "{} has no code under {section}", page.display());
    blocks
}

/// What the README prints does what it says, on days of which the truth is known.
fn the_readme_tells_the_truth(mut printed: Command) {
    let world = World::start();
    let mut history = String::new();
    // Of the last seven days of January 2024: user n uses the editor on n + 1 of them, and the first one searches as well.
    for user in 0..7 {
        for day in 0..=user {
            let at = format!("2024-01-{:02}T12:00:00Z", 25 + day);
            for feature in if user == 0 { &["editor", "search"][..] } else { &["editor"] } {
                let event = json!({
                    "eventId": format!("{user}-{day}-{feature}"), "userId": format!("user-{user}"), "sessionId": "s",
                    "eventType": "feature_use", "timestamp": at, "eventData": {"feature": feature},
                    "metadata": {"userAgent": "x", "ipAddress": "203.0.113.9", "platform": "web"},
                });
                history += &format!("{event}\n");
            }
        }
    }
    let file = world.folder.path().join("history.ndjson");
    std::fs::write(&file, history).expect("written");
    expect(0, &[&["import", file.to_str().expect("text")][..], &world.serve.places()].concat(), b"");
    world.tell(&mut printed);
    let said = succeed(printed, b"");
    let lines: Vec<_> = said.lines().collect();
    // 28 users of a day in 31 days are one a day.
    let [metrics, editor, search, engagement] = lines[..] else { panic!("{said}") };
    assert_eq!((editor, search, engagement), ("editor 28", "search 1", "1 7 7"), "{said}");
    assert!(metrics.starts_with("7 1 7 ") && metrics.contains("editor") && metrics.contains("28"), "{said}");
    let total = world.proven();
    assert_eq!(total["featureUsage"], json!({"blog-post-generator": 1}), "{total:#}");
    assert_eq!(total["contentCreated"]["byType"], json!({"blog-post": 1}));
    let (pages, users) = (&total["eventsByType"]["page_view"], &total["activeUsers"]);
    assert_eq!((pages, users, &total["duplicates"]), (&json!(2), &json!(1), &json!(0)));
    assert!(world.serve.stop().success());
}

/// Events count once, whatever happens to requests, answers and the server.
async fn nothing_is_lost_or_counted_twice(library: &dyn Library) {
    let seed = seed_of_run("sdk");
    let rates = Rates { server_error: 0.05, reset_before: 0.05, reset_after: 0.15, ..Rates::default() };
    let proxy = FaultProxy::start(seed, rates, None).await.expect("it listens");
    let mut world = World::start();
    let collector = |world: &World| world.serve.collector.trim_end_matches("/v1/events").to_owned();
    proxy.forward_to(&collector(&world));
    let mut load = library.program("load");
    world.tell(&mut load).env("HEADCOUNT_COLLECTOR_URL", proxy.endpoint());
    let loading = std::thread::spawn(move || succeed(load, b""));
    let mut requests = proxy.requests();
    for at in KILLED_AT {
        let reached = requests.wait_for(|requests| *requests >= at || loading.is_finished());
        tokio::time::timeout(PATIENCE, reached).await.expect("it goes on").expect("the proxy lives");
        assert!(!loading.is_finished(), "it ended before the server was killed");
        world = world.killed();
        proxy.forward_to(&collector(&world));
    }
    assert_eq!(loading.join().expect("all was accepted"), "");
    let lost = proxy.counts()["reset after"];
    assert!(lost > 20, "{lost} answers were lost");
    let total = world.proven();
    let each = json!(LOAD / 5);
    assert_eq!(total["featureUsage"], json!({"f0": each, "f1": each, "f2": each, "f3": each, "f4": each}), "{total:#}");
    let counts = (&total["eventsByType"]["feature_use"], &total["activeUsers"], &total["rejected"]);
    assert_eq!(counts, (&json!(LOAD), &json!(50), &json!(0)));
    assert!(total["duplicates"].as_u64() > Some(0), "what was sent again was known: {total:#}");

    let mut clock = library.program("clock");
    world.tell(&mut clock);
    let said: Value = serde_json::from_str(&succeed(clock, b"")).expect("it prints JSON");
    let problem = "timestamp lies more than 7 days before the event's arrival";
    assert_eq!(said, json!([1, 1, problem]));
    let total = world.proven();
    assert_eq!(total["eventsByType"]["page_view"], 100, "{total:#}");
    assert!(world.serve.stop().success());
}

/// The library names the fields that the collector names, of a thousand events that are wrong in all kinds of ways.
fn the_rules_are_those_of_the_collector(library: &dyn Library) {
    let world = World::start();
    let mut random = fastrand::Rng::with_seed(seed_of_run("rules"));
    let events: Vec<Value> = (0..cases::COUNT).map(|_| cases::event(&mut random)).collect();
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    let said = succeed(library.program("rules"), lines.join("\n").as_bytes());
    let body = Value::from(events).to_string();
    let (status, answer) = ask(&world.serve.collector, WRITE_KEY, "POST", "/v1/events", &body);
    assert_eq!(status, 400, "{answer:#}");
    let results = answer["events"].as_array().expect("results");
    assert_eq!((results.len(), said.lines().count()), (lines.len(), lines.len()));
    let mut valid = 0;
    for ((event, result), said) in lines.iter().zip(results).zip(said.lines()) {
        let problems = result["problems"].as_array().into_iter().flatten();
        let mut expected: Vec<String> =
            problems.map(|problem| problem["field"].as_str().expect("a name").to_owned()).collect();
        let mut found: Vec<String> = serde_json::from_str(said).expect("it prints names");
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{event}\n{result:#}");
        valid += usize::from(found.is_empty());
    }
    assert!(valid > 50 && valid < lines.len() / 2, "{valid} of {} are valid", lines.len());
    assert!(world.serve.stop().success());
}

/// A running example application; it ends with the test.
struct Example {
    child: Child,
    url: String,
    _lines: Receiver<String>,
}

impl Example {
    /// Starts it and waits for the address that it prints.
    fn start(mut command: Command, world: &World) -> Self {
        world.tell(&mut command);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the example can be started");
        let out = child.stdout.take().expect("it is piped");
        let err = child.stderr.take().expect("it is piped");
        let (send, lines) = mpsc::channel();
        for out in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let send = send.clone();
            // Goes on reading to the end, so that it never waits for a full pipe.
            std::thread::spawn(move || {
                BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
            });
        }
        let url = loop {
            let line = lines.recv_timeout(PATIENCE).expect("the example prints where it listens");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().expect("an address").to_owned();
            }
        };
        Self { child, url, _lines: lines }
    }

    /// Ends it as a deployment does.
    fn stop(mut self) {
        signal(self.child.id(), "TERM");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the example application is asked counts, and it tells figures and problems.
fn the_example_counts(command: Command, prefix: &str, user: &str, session: &str) {
    let world = World::start();
    let example = Example::start(command, &world);
    for n in 0..30 {
        let body = json!({user: format!("user-{}", n % 3), session: "session-1", "topic": "ducks"}).to_string();
        let (status, answer) = ask(&example.url, "", "POST", &format!("{prefix}/drafts"), &body);
        assert_eq!((status, &answer["text"]), (200, &json!("A post about ducks")), "{answer:#}");
    }
    let body = json!({user: "", session: "s", "topic": "ducks"}).to_string();
    let (status, answer) = ask(&example.url, "", "POST", &format!("{prefix}/drafts"), &body);
    assert_eq!((status, answer), (400, json!({"problems": [format!("{user} must not be empty")]})));
    let usage = || ask(&example.url, "", "GET", &format!("{prefix}/usage"), "");
    let is_counted = |usage: &Value| usage["features"]["blog-post-generator"].as_u64() >= Some(25);
    let (_, usage) = wait_for("figures are told", usage, |(status, usage)| *status == 200 && is_counted(usage));
    assert_eq!(usage["activeUsers"], 3);
    example.stop();
    let total = world.proven();
    assert_eq!(total["featureUsage"], json!({"blog-post-generator": 30}), "{total:#}");
    assert!(world.serve.stop().success());
}

/// One request over plain HTTP: status and body.
fn ask(url: &str, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    // Version 1.0 has no chunks.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {}\r\nUser-Agent: test/1\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        http::host(url),
        body.len()
    );
    let mut socket = http::connect(url);
    socket.write_all(request.as_bytes()).expect("it reads");
    let answer = http::answer(&mut socket);
    assert_ne!(answer.status, 0, "{method} {path} has no answer");
    (answer.status, answer.body)
}

/// Copies a folder with all in it but what is built.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_built = ["node_modules", "dist", ".next", "__pycache__"].iter().any(|built| name == *built);
        if path.is_dir() && !is_built {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).expect("copied");
        }
    }
}
