//! Runs the command `headcount` and other programs, bounded in time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use headcount_tests::binaries;
use serde_json::Value;

/// Longest wait for a program or a condition.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The binary that `cargo xtask test` built, or the one beside this test.
pub(crate) fn binary() -> PathBuf {
    let binary = binaries::folder().join("headcount");
    assert!(binary.is_file(), "{} is not there: run `cargo build -p headcount` first", binary.display());
    binary
}

/// A command without this machine's AWS settings.
pub(crate) fn headcount(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    for name in
        ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL_DYNAMODB", "HEADCOUNT_LOG"]
    {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Runs a program to its end with `input` on its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // A program that ends early closes its input; what matters is then its exit code.
    thread::spawn(move || stdin.write_all(&input));
    let id = child.id();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    match receive.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("its output can be read"),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            signal(id, "KILL");
            panic!("{command:?} did not end within {PATIENCE:?}");
        }
    }
}

/// Runs `headcount`, and panics with all it said where its exit code is not `code`.
pub(crate) fn expect(code: i32, arguments: &[&str], input: &[u8]) -> String {
    let output = run(headcount(arguments), input);
    let stdout = String::from_utf8(output.stdout).expect("output is text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "headcount {arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// Runs `headcount` with `--json` and takes its answer.
pub(crate) fn json(code: i32, arguments: &[&str], input: &[u8]) -> Value {
    let stdout = expect(code, arguments, input);
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("headcount {arguments:?}: {error}\n{stdout}"))
}

/// Asks until the answer is right; panics with the last one when patience ends.
pub(crate) fn wait_for<T: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> T, right: impl Fn(&T) -> bool) -> T {
    let started = Instant::now();
    loop {
        let answer = ask();
        if right(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: still {answer:#?}");
    }
}

/// Whether there is a process of this id.
pub(crate) fn runs(process: u32) -> bool {
    let asked = Command::new("kill").args(["-0", &process.to_string()]).output();
    asked.is_ok_and(|asked| asked.status.success())
}

pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {process} cannot be signalled");
}

/// A running `headcount serve` on free ports.
pub(crate) struct Serve {
    child: Child,
    /// The stream's endpoint.
    pub(crate) kinesis: String,
    /// The table's endpoint.
    pub(crate) dynamodb: String,
    /// Where `/healthz` answers.
    pub(crate) http: String,
    /// Where the collector takes events.
    pub(crate) collector: String,
    /// The folder of the event log.
    pub(crate) log: String,
}

impl Serve {
    /// Starts it and waits until it has printed its endpoints.
    pub(crate) fn start(data_dir: Option<&Path>) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// The same with further options.
    pub(crate) fn start_with(data_dir: Option<&Path>, options: &[&str]) -> Self {
        Self::start_command(headcount(&[]), data_dir, options)
    }

    /// The same through a script of bash, which runs `"$@"` in the end.
    pub(crate) fn start_through(script: &str, data_dir: Option<&Path>, options: &[&str]) -> Self {
        let mut command = Command::new("bash");
        let plain = headcount(&["-c", script, "bash"]);
        command.args(plain.get_args()).arg(plain.get_program());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self::start_command(command, data_dir, options)
    }

    fn start_command(mut command: Command, data_dir: Option<&Path>, options: &[&str]) -> Self {
        command.args(["serve", "--kinesis-port", "0", "--dynamodb-port", "0", "--port", "0", "--window", "0"]);
        command.args(["--collector-port", "0"]);
        command.args(options);
        if let Some(data_dir) = data_dir {
            command.arg("--data-dir").arg(data_dir);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("serve can be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (send, receive) = mpsc::channel();
        // Goes on reading to the end, so that serve never waits for a full pipe.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let mut said = String::new();
        let mut endpoints = [const { None }; 4];
        while endpoints.iter().any(Option::is_none) {
            let line = receive
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("serve did not print its endpoints: {error}\n{said}"));
            for (name, endpoint) in ["Kinesis", "DynamoDB", "healthz", "collector"].iter().zip(&mut endpoints) {
                if endpoint.is_none() && line.contains(name) {
                    *endpoint = url(&line);
                }
            }
            said.push_str(&line);
            said.push('\n');
        }
        let [kinesis, dynamodb, http, collector] = endpoints.map(Option::unwrap_or_default);
        let mut serve = Self { child, kinesis, dynamodb, http, collector, log: String::new() };
        let health = serve.health();
        health["log"].as_str().expect("serve tells where its log is").clone_into(&mut serve.log);
        serve
    }

    /// What `/healthz` says.
    pub(crate) fn health(&self) -> Value {
        let answer = self.get("/healthz");
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Log and table, for a command that needs both.
    pub(crate) fn places(&self) -> [&str; 4] {
        ["--dynamodb-endpoint", &self.dynamodb, "--log", &self.log]
    }

    /// Stops it as Ctrl-C would, and waits for its end.
    pub(crate) fn stop(self) -> ExitStatus {
        signal(self.child.id(), "INT");
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "serve did not stop");
            thread::yield_now();
        }
    }

    /// Ends it at once, with whatever it is doing (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks over plain HTTP and takes the whole answer.
    pub(crate) fn get(&self, path: &str) -> String {
        let host = self.http.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let mut socket = std::net::TcpStream::connect(host).expect("serve listens");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// `headcount send` to this stream.
    pub(crate) fn send(&self, code: i32, lines: &[u8]) -> Value {
        json(code, &["send", "-", "--json", "--kinesis-endpoint", &self.kinesis], lines)
    }

    /// Rolls up and takes the figures of a range of days, as they are stored: what is counted between the two is
    /// rolled up as well, so that no figure is of the live partials.
    pub(crate) fn metrics(&self, from: &str, to: &str) -> Value {
        let range = ["metrics", "--from", from, "--to", to, "--json", "--dynamodb-endpoint", &self.dynamodb];
        let roll_up = || {
            expect(0, &[&["rollup"][..], &self.places()].concat(), b"");
            json(0, &range, b"")
        };
        let is_stored = |day: &Value| day["state"] != "live";
        wait_for("a roll-up saw all", roll_up, |found| {
            found["days"].as_array().is_some_and(|all| all.iter().all(is_stored))
        })
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn url(line: &str) -> Option<String> {
    let from = line.find("http://")?;
    Some(line[from..].split_whitespace().next()?.trim_end_matches(['/', ',', ';', '.']).to_owned())
}
