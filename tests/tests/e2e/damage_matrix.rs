//! Each file of a data directory is flipped, zeroed or truncated while `headcount serve` is down, stopped cleanly or killed. Each cell is
//! repaired, or refused by the name of the file; none is silent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::{Serve, headcount, run, wait_for};
use crate::http::post;
use crate::sample::{days, event, lines, noon};

const EVENTS: usize = 300;

/// By then figures that can be right are.
const SETTLED: Duration = Duration::from_secs(20);

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Zero,
    Truncate,
}

const DAMAGES: [Damage; 3] = [Damage::Flip, Damage::Zero, Damage::Truncate];

impl Damage {
    /// Does it to the middle of the file; false where that changes nothing.
    fn apply(self, path: &Path) -> bool {
        let before = fs::read(path).unwrap();
        let mut bytes = before.clone();
        let middle = bytes.len() / 2;
        let end = bytes.len().min(middle + 64);
        match self {
            Self::Flip => bytes.get_mut(middle).into_iter().for_each(|byte| *byte ^= 0x04),
            Self::Zero => bytes[middle..end].fill(0),
            Self::Truncate => bytes.truncate(middle),
        }
        fs::write(path, &bytes).unwrap();
        bytes != before
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

fn figures(serve: &Serve) -> Value {
    let [first, second] = days().map(|date| date.to_string());
    serve.metrics(&first, &second)["total"].clone()
}

fn counted(total: &Value) -> bool {
    total["eventsByType"]["page_view"] == json!(EVENTS)
}

/// A data directory with everything counted, proven, and stopped or killed; and its figures.
fn world(folder: &Path, is_killed: bool) -> Value {
    let serve = Serve::start(Some(folder));
    let dates = days();
    let view = |n: usize| {
        let date = dates[n % 2];
        event(&format!("e-{n}"), &format!("user-{}", n % 50), noon(date) + n as i64, "page_view", &json!({}))
    };
    let all: Vec<_> = (0..EVENTS).map(view).collect();
    serve.send(0, &lines(&all[..EVENTS / 2]));
    assert_eq!(post(&serve.collector, "", &lines(&all[EVENTS / 2..])).status, 202);
    wait_for("all is counted", || figures(&serve), counted);
    for date in dates.map(|date| date.to_string()) {
        let proven = run(headcount(&[&["prove", "--date", &date][..], &serve.places()].concat()), b"");
        assert!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
    }
    let before = figures(&serve);
    if is_killed {
        serve.kill();
    } else {
        assert!(serve.stop().success());
    }
    before
}

/// What a start says that does not come up; `None` where it does.
fn refusal(folder: &Path) -> Option<String> {
    let ports = ["serve", "--kinesis-port", "0", "--dynamodb-port", "0", "--port", "0", "--collector-port", "0"];
    let mut command = headcount(&ports);
    command.arg("--data-dir").arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    let stdout = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut first).unwrap();
    let is_up = !first.is_empty();
    if is_up {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    (!is_up).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a command to its end; what it said, and whether it went well.
fn asked(arguments: &[&str], said: &mut String) -> (bool, String) {
    let output = run(headcount(arguments), b"");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    *said += &stdout;
    *said += &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), stdout)
}

/// Whether the figures are right, or something says by name that they are not.
fn is_repaired_or_named(folder: &Path, file: &Path, before: &Value) -> Result<(), String> {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    if let Some(said) = refusal(folder) {
        return if said.contains(&name) { Ok(()) } else { Err(format!("refused without its name: {said}")) };
    }
    let serve = Serve::start(Some(folder));
    let dates = days().map(|date| date.to_string());
    let mut said = String::new();
    let mut passed = true;
    let is_right = |total: &Value| total == before;
    let started = Instant::now();
    let right = loop {
        passed &= asked(&[&["rollup"][..], &serve.places()].concat(), &mut said).0;
        let range =
            ["metrics", "--from", &dates[0], "--to", &dates[1], "--json", "--dynamodb-endpoint", &serve.dynamodb];
        let figures: Value = serde_json::from_str(&asked(&range, &mut String::new()).1).unwrap_or_default();
        if is_right(&figures["total"]) || !passed || started.elapsed() > SETTLED {
            break is_right(&figures["total"]);
        }
    };
    for date in &dates {
        passed &= asked(&[&["verify", "--date", date][..], &serve.places()].concat(), &mut said).0;
    }
    let outcome = if said.contains("in flight") {
        Err(format!("nothing is in flight: {said}"))
    } else if right || !passed {
        Ok(())
    } else {
        Err(format!("the figures differ, and nothing says so: {said}"))
    };
    // One that cannot go on says so when it stops, too.
    let _ = serve.stop();
    outcome
}

fn check(is_killed: bool) {
    let original = tempfile::tempdir().unwrap();
    let before = world(original.path(), is_killed);
    let mut paths = Vec::new();
    files(original.path(), &mut paths);
    paths.sort();
    // Entries and heads of several shards are alike: one each.
    let mut kinds = std::collections::BTreeSet::new();
    let kind = |path: &Path| {
        let within = path.strip_prefix(original.path()).unwrap();
        let parts: Vec<_> = within.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let last = parts.last().unwrap();
        (parts[0].clone(), parts.get(1).cloned(), Path::new(last).extension().map(ToOwned::to_owned))
    };
    let mut silent = Vec::new();
    for path in paths.iter().filter(|path| kinds.insert(kind(path))) {
        let within = path.strip_prefix(original.path()).unwrap();
        for damage in DAMAGES {
            let spoilt = tempfile::tempdir().unwrap();
            copy(original.path(), spoilt.path());
            if !damage.apply(&spoilt.path().join(within)) {
                continue;
            }
            if let Err(problem) = is_repaired_or_named(spoilt.path(), within, &before) {
                silent.push(format!("{damage:?} of {}: {problem}", within.display()));
            }
        }
    }
    assert!(silent.is_empty(), "{} cells\n{}", silent.len(), silent.join("\n"));
}

#[test]
fn nothing_is_silent_after_a_clean_stop() {
    check(false);
}

#[test]
fn nothing_is_silent_after_a_kill() {
    check(true);
}
