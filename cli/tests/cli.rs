//! The command `headcount` as a shell meets it: exit codes, one-line errors, files and pipes.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

#[path = "cli/certificate.rs"]
mod certificate;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/cost.rs"]
mod cost;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/send.rs"]
mod send;
#[path = "cli/table.rs"]
mod table;
#[path = "cli/usage.rs"]
mod usage;

/// The command, with nothing of this machine's AWS environment.
fn headcount(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    let foreign = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("AWS_"));
    for name in foreign {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env_remove("HEADCOUNT_LOG").env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", scratch("no-config")).env("AWS_SHARED_CREDENTIALS_FILE", scratch("no-credentials"));
    command.args(args);
    command
}

/// Runs it with this standard input.
fn run_with(input: &str, args: &[&str]) -> Output {
    let mut command = headcount(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input ends before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn run(args: &[&str]) -> Output {
    run_with("", args)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ended with code 1 and one line that says this.
fn assert_one_line(output: &Output, wanted: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("error: ") && text.lines().count() == 1, "{text}");
    for part in wanted {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// An endpoint at which nothing listens.
fn nothing_there() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A file for this test alone.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}
