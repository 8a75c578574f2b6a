//! `/healthz` and `/metrics` while something is wrong: what they say is true within two seconds.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::{Serve, headcount, run, signal, wait_for};
use crate::sample::{days, event, lines, noon};

/// Health may be as old as this.
const FRESH: Duration = Duration::from_secs(2);

/// Serve ends in this time whatever is the matter, as docs/operating.md says.
const LONGEST_STOP: Duration = Duration::from_secs(90);

fn events(ids: std::ops::Range<usize>) -> Vec<u8> {
    let dates = days();
    let view = |n: usize| {
        event(&format!("e-{n}"), &format!("user-{}", n % 500), noon(dates[1]) + n as i64, "page_view", &json!({}))
    };
    lines(&ids.map(view).collect::<Vec<_>>())
}

/// The value of a gauge.
fn gauge(serve: &Serve, name: &str) -> Option<u64> {
    let answer = serve.get("/metrics");
    let mut lines = answer.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name).and_then(|(_, value)| value.parse().ok())
}

#[test]
fn a_backlog_is_told_until_it_is_counted() {
    const EVENTS: usize = 60_000;
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start_with(Some(folder.path()), &["--no-event-items"]);
    let sent = run(headcount(&["send", "-", "--pack", "--kinesis-endpoint", &serve.kinesis]), &events(0..EVENTS));
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let accepted = Instant::now();
    let (mut largest, mut oldest) = (0, 0);
    loop {
        let health = serve.health();
        let number = |name: &str| health[name].as_u64().unwrap_or_else(|| panic!("{name} in {health:#}"));
        assert_eq!(number("accepted"), number("counted") + number("backlog"), "{health:#}");
        if accepted.elapsed() > FRESH {
            assert_eq!(number("accepted"), EVENTS as u64, "{health:#}");
        }
        (largest, oldest) = (largest.max(number("backlog")), oldest.max(number("millisBehind")));
        assert_eq!(number("backlog") > 0, number("millisBehind") > 0, "{health:#}");
        if number("backlog") == 0 && number("accepted") == EVENTS as u64 {
            break;
        }
    }
    assert!(largest > 10_000 && oldest > 1_000, "{largest} events, {oldest} ms");
    assert_eq!(gauge(&serve, "headcount_counted"), Some(EVENTS as u64));
    assert_eq!(gauge(&serve, "headcount_backlog"), Some(0));
    let date = days()[1].to_string();
    let counted = &serve.metrics(&date, &date)["total"]["eventsByType"]["page_view"];
    assert_eq!(*counted, json!(EVENTS), "what was told as counted is");
    assert!(serve.stop().success());
}

/// Holds the table's write lock, as a process that hangs would.
struct Stall(Child);

impl Stall {
    fn begin(table: &Path) -> Self {
        let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                      c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(table)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "held");
        Self(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn a_table_that_takes_no_writes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(Some(folder.path()));
    serve.send(0, &events(0..10));
    wait_for("all is counted", || serve.health(), |health| health["counted"] == 10 && health["status"] == "ok");

    let stall = Stall::begin(&folder.path().join("table.sqlite"));
    serve.send(0, &events(10..25));
    let accepted = Instant::now();
    let health = wait_for("it is told", || serve.health(), |health| health["backlog"] == 15);
    assert!(accepted.elapsed() < FRESH, "{:?}", accepted.elapsed());
    assert_eq!(health["counted"], 10, "{health:#}");
    let failing = |health: &Value| health["status"] == "failing";
    let health = wait_for("it is failing", || serve.health(), failing);
    assert!(health["problem"].as_str().unwrap().contains("the table has not worked"), "{health:#}");
    assert_eq!((&health["backlog"], gauge(&serve, "headcount_backlog")), (&json!(15), Some(15)));
    assert!(serve.get("/healthz").starts_with("HTTP/1.1 503"));

    // A question ends with an answer or an error, and does not hang.
    let asked = Instant::now();
    let answer = serve.get("/api/metrics?last=3d");
    assert!(answer.starts_with("HTTP/1.1 ") && asked.elapsed() < Duration::from_secs(25), "{answer}");

    stall.end();
    // The next batch of each shard finds out that the table works again.
    serve.send(0, &events(25..45));
    let is_counted = |health: &Value| health["counted"] == 45 && health["backlog"] == 0;
    wait_for("all is counted", || serve.health(), is_counted);
    assert!(serve.stop().success());
}

/// Text that does not compress, the same in every run.
struct Noise(u64);

impl Noise {
    fn text(&mut self, length: usize) -> String {
        let mut letter = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + (self.0 >> 33) as u8 % 74)
        };
        (0..length).map(|_| letter()).collect()
    }
}

#[test]
fn a_full_disk_is_told_and_does_not_keep_it_from_stopping() {
    const BATCH: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    // No file may be larger than 1 MiB, and no signal kills for it: writes fail as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 1024; exec \"$@\"";
    let serve = Serve::start_through(limited, Some(folder.path()), &["--no-event-items"]);
    let mut noise = Noise(7);
    let mut accepted = 0;
    let refused = loop {
        let mut view = |n: usize| {
            let data = json!({"a": noise.text(800), "b": noise.text(800), "c": noise.text(800)});
            event(&format!("e-{n}"), "user", noon(days()[1]) + n as i64, "page_view", &data)
        };
        let batch: Vec<_> = (accepted..accepted + BATCH).map(&mut view).collect();
        let answer = crate::http::post(&serve.collector, "", &lines(&batch));
        if answer.status != 202 {
            break answer;
        }
        accepted += BATCH;
        assert!(accepted < 100 * BATCH, "the disk is never full");
    };
    assert!(matches!(refused.status, 429 | 503), "{refused:?}");
    let health = serve.health();
    assert_eq!(health["status"], "failing", "{health:#}");
    assert!(health["lastError"]["message"].is_string(), "{health:#}");

    signal(serve.id(), "TERM");
    let began = Instant::now();
    serve.ended();
    assert!(began.elapsed() < LONGEST_STOP, "{:?}", began.elapsed());

    // With room again, all that was accepted is counted, once.
    let serve = Serve::start(Some(folder.path()));
    let date = days()[1].to_string();
    let counted = |figures: &Value| figures["total"]["eventsByType"]["page_view"].as_u64();
    let figures =
        wait_for("all is counted", || serve.metrics(&date, &date), |figures| counted(figures) >= Some(accepted as u64));
    // What was refused at last may have got in half.
    assert!(counted(&figures) <= Some((accepted + BATCH) as u64), "{figures:#}");
    assert!(serve.stop().success());
}
