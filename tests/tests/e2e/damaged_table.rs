//! The table's file is damaged while `headcount serve` is down: it is moved aside, and the table follows from the log again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::command::{Serve, expect, headcount, run, wait_for};
use crate::sample::{days, event, lines, noon};

const EVENTS: usize = 400;

/// Figures as people see them, without the times at which they were made.
fn figures(serve: &Serve) -> Value {
    let [first, second] = days().map(|date| date.to_string());
    serve.metrics(&first, &second)
}

fn is_counted(figures: &Value) -> bool {
    figures["total"]["eventsByType"]["page_view"] == json!(EVENTS)
}

/// Bytes that are changed.
const SPOILED: usize = 64;

fn spoil(path: &Path, at: impl Fn(&[u8]) -> usize, change: impl Fn(u8) -> u8) {
    let mut bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let at = at(&bytes);
    bytes[at..at + SPOILED].iter_mut().for_each(|byte| *byte = change(*byte));
    fs::write(path, bytes).expect("the file can be written");
}

/// The middle of what a write-ahead log has of its newest generation: frames of an earlier one are of no use any more.
fn middle_frame(wal: &[u8]) -> usize {
    let page = u32::from_be_bytes([wal[8], wal[9], wal[10], wal[11]]) as usize;
    let frames = wal[32..].chunks_exact(24 + page).take_while(|frame| frame[8..16] == wal[16..24]).count();
    assert!(frames > 4, "{frames} frames");
    32 + frames / 2 * (24 + page) + 100
}

/// An item behind the middle of the file.
fn middle_item(file: &[u8]) -> usize {
    let middle = file.len() / 2;
    let found = file[middle..].windows(9).position(|bytes| bytes == b"page_view");
    middle + found.expect("items lie behind the middle")
}

fn check(is_moved: bool, damage: impl Fn(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::start(Some(folder.path()));
    let dates = days();
    let view = |n: usize| {
        let date = dates[n % 2];
        event(&format!("e-{n}"), &format!("user-{}", n % 50), noon(date) + n as i64, "page_view", &json!({}))
    };
    serve.send(0, &lines(&(0..EVENTS).map(view).collect::<Vec<_>>()));
    let before = wait_for("all is counted", || figures(&serve), is_counted);
    serve.kill();
    damage(folder.path());

    let serve = Serve::start(Some(folder.path()));
    assert_eq!(figures(&serve), before);
    for date in days().map(|date| date.to_string()) {
        expect(0, &[&["verify", "--date", &date][..], &serve.places()].concat(), b"");
    }
    let names = fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
    assert_eq!(names.iter().any(|name| name.contains("damaged")), is_moved, "{names:?}");
    assert!(names.iter().all(|name| !name.contains("restoring")), "{names:?}");
    assert!(serve.stop().success());
}

#[test]
fn a_damaged_write_ahead_log_is_noticed_and_the_table_restored() {
    // What is zero already is something else then.
    let zero = |byte: u8| u8::from(byte == 0);
    check(true, |folder| spoil(&folder.join("table.sqlite-wal"), middle_frame, zero));
}

#[test]
fn a_damaged_file_is_noticed_and_the_table_restored() {
    check(true, |folder| {
        // A clean stop leaves everything in the main file.
        let serve = Serve::start(Some(folder));
        assert!(serve.stop().success());
        spoil(&folder.join("table.sqlite"), middle_item, |byte| byte ^ 0xff);
    });
}

#[test]
fn a_lost_table_is_restored_and_one_ahead_of_the_log_refused() {
    check(false, |folder| {
        for suffix in ["", "-wal", "-shm"] {
            drop(fs::remove_file(folder.join(format!("table.sqlite{suffix}"))));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::start(Some(folder.path()));
    serve.send(0, &lines(&[event("e", "user", noon(days()[0]), "page_view", &json!({}))]));
    wait_for("it is counted", || figures(&serve), |figures| figures["total"]["eventsByType"]["page_view"] == 1);
    assert!(serve.stop().success());
    for part in ["log", "head"] {
        drop(fs::remove_dir_all(folder.path().join("log").join(part)));
    }
    let mut command = headcount(&["serve", "--kinesis-port", "0", "--dynamodb-port", "0", "--port", "0"]);
    command.args(["--collector-port", "0", "--data-dir"]).arg(folder.path());
    let output = run(command, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("has counted entry"), "{said}");
}

/// What a start says.
#[test]
fn the_log_says_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("table.sqlite"), "no database".repeat(1_000)).expect("a file");
    let mut command: Command = headcount(&["serve", "--kinesis-port", "0", "--dynamodb-port", "0", "--port", "0"]);
    command.args(["--collector-port", "0", "--data-dir"]).arg(folder.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("serve can be started");
    let mut first = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut first).expect("it prints its endpoints");
    child.kill().expect("it is our child");
    let output = child.wait_with_output().expect("its output");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is damaged and was moved aside") && said.contains("table.damaged-"), "{said}");
}
