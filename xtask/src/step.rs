//! Steps one after the other: each announced, timed, and remembered for the summary.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;

use crate::tally::Tally;

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
    tests: Tally,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    passed: bool,
    took: Duration,
}

impl Steps {
    /// Runs a command whose exit code says whether the step passed.
    pub(crate) fn run(&mut self, name: &'static str, command: &mut Command) {
        self.timed(name, |_| {
            let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
            Ok(status.success().then_some(()))
        });
    }

    /// Runs a command that runs tests, and counts them.
    pub(crate) fn run_tests(&mut self, name: &'static str, command: &mut Command) {
        self.timed(name, |steps| {
            let (status, tally) = watch(command)?;
            steps.tests.add(tally);
            Ok(status.success().then_some(()))
        });
    }

    /// Makes something that later steps need.
    pub(crate) fn make<T>(&mut self, name: &'static str, make: impl FnOnce() -> Result<T>) -> Option<T> {
        self.timed(name, |_| make().map(Some))
    }

    fn timed<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<Option<T>>) -> Option<T> {
        println!("\n== {name}");
        let started = Instant::now();
        let made = work(self).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            None
        });
        let step = Step { name, passed: made.is_some(), took: started.elapsed() };
        println!("== {}", step.line());
        self.done.push(step);
        made
    }

    /// Whether no step failed.
    pub(crate) fn passed(&self) -> bool {
        self.done.iter().all(|step| step.passed) && self.tests.failed == 0
    }

    /// Each step with its outcome and duration, and a last line that says it all.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for step in &self.done {
            let _ = writeln!(text, "{}", step.line());
        }
        let failed = self.done.iter().filter(|step| !step.passed).count();
        let took: Duration = self.done.iter().map(|step| step.took).sum();
        let outcome = if self.passed() { "passed" } else { "FAILED" };
        let (steps, tests) = (self.done.len(), &self.tests);
        let _ = write!(text, "{outcome}: {} steps passed, {failed} failed; ", steps - failed);
        let _ = write!(text, "{} tests passed, {} failed; {:.1} s", tests.passed, tests.failed, took.as_secs_f64());
        text
    }
}

impl Step {
    fn line(&self) -> String {
        let outcome = if self.passed { "passed" } else { "FAILED" };
        format!("{:<24}{outcome} {:>8.1} s", self.name, self.took.as_secs_f64())
    }
}

/// Lets the command's output through, line by line, and counts the tests that it tells of.
fn watch(command: &mut Command) -> Result<(ExitStatus, Tally)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let tally = Mutex::new(Tally::default());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| pass_on(out, std::io::stdout(), &tally));
        scope.spawn(|| pass_on(err, std::io::stderr(), &tally));
    });
    let status = child.wait().context("lost sight of the tests")?;
    Ok((status, tally.into_inner()))
}

fn pass_on(from: Option<impl Read>, mut to: impl std::io::Write, tally: &Mutex<Tally>) {
    let Some(from) = from else { return };
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        // Where nobody listens any more, the tests still run to their end.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(counted) = Tally::of_line(&String::from_utf8_lossy(&line)) {
            tally.lock().add(counted);
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn steps_go_on_after_a_failure_and_the_summary_says_so() {
        let mut steps = Steps::default();
        steps.run("good", &mut shell("exit 0"));
        assert!(steps.passed());
        steps.run("bad", &mut shell("exit 3"));
        assert_eq!(steps.make("made", || Ok(7)), Some(7));
        assert_eq!(steps.make::<()>("not made", || anyhow::bail!("no room")), None);
        steps.run("missing", &mut Command::new("no-such-command-anywhere"));
        steps.run_tests("tests", &mut shell("echo 'test result: ok. 4 passed; 0 failed; 0 ignored' >&2"));
        assert!(!steps.passed());
        let summary = steps.summary();
        assert_eq!(summary.lines().count(), 7, "{summary}");
        let last = summary.lines().last().unwrap();
        assert!(last.starts_with("FAILED: 3 steps passed, 3 failed; 4 tests passed, 0 failed; "), "{last}");
    }

    #[test]
    fn a_failed_test_fails_the_run_whatever_the_exit_code() {
        let mut steps = Steps::default();
        steps
            .run_tests("tests", &mut shell("echo '     Summary [   1.6s] 5 tests run: 4 passed, 1 failed, 0 skipped'"));
        assert!(!steps.passed());
    }
}
