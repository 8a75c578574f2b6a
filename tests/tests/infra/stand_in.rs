//! A running stand-in for AWS, `ministack`, on a free port.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::scripts::python;

/// What it lacks, each left out there and nowhere else: alarms over an expression of metrics. `alarms` evaluates these.
pub(crate) const LACKING: [&str; 3] = ["IndexThrottles", "RejectedShare", "TableThrottles"];

/// Longest wait for its start or its end.
const PATIENCE: Duration = Duration::from_mins(1);

/// The stand-in; stopped when dropped.
pub(crate) struct StandIn {
    child: Child,
    said: Arc<(Mutex<String>, Condvar)>,
    /// Where all services answer.
    pub(crate) endpoint: String,
    _folder: TempDir,
}

impl StandIn {
    /// Starts it and waits until it listens.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a port is free").port().to_string();
        let endpoint = format!("http://127.0.0.1:{port}");
        let folder = tempfile::tempdir().expect("a folder for its files");
        let mut command = python();
        command.args(["-m", "ministack"]).env("GATEWAY_PORT", port).env("BIND_HOST", "127.0.0.1");
        // What the functions find their services by, and where their code is unpacked.
        command.env("AWS_ENDPOINT_URL", &endpoint).env("TMPDIR", folder.path());
        command.env("STATE_DIR", folder.path().join("state")).env("S3_DATA_DIR", folder.path().join("s3"));
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = output.spawn().expect("the stand-in can be started");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let said = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (listens, wait) = mpsc::channel();
        let heard = said.clone();
        // Goes on reading to the end, so that it never waits for a full pipe.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("Running on") {
                    let _ = listens.send(());
                }
                let mut said = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
                heard.1.notify_all();
            }
        });
        let stand_in = Self { child, said, endpoint, _folder: folder };
        if let Err(error) = wait.recv_timeout(PATIENCE) {
            panic!("the stand-in does not listen: {error}\n{}", stand_in.said());
        }
        stand_in
    }

    /// All it said.
    pub(crate) fn said(&self) -> String {
        self.said.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its mapping has handed so many records to the consumer and taken its answers.
    pub(crate) fn wait_for_records(&self, records: usize, patience: Duration) {
        let said = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.said.1.wait_timeout_while(said, patience, |said| processed(said) < records);
        let (said, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!outcome.timed_out(), "{} of {records} records were handled\n{said}", processed(&said));
    }
}

/// The records that its mapping says were handled.
fn processed(said: &str) -> usize {
    let numbers = said.lines().filter_map(|line| {
        let (before, _) = line.split_once(" Kinesis records from ")?;
        before.rsplit_once(" processed ")?.1.parse::<usize>().ok()
    });
    numbers.sum()
}

impl Drop for StandIn {
    /// Asks it to end, so that it ends the functions too.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let started = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if started.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            thread::yield_now();
        }
    }
}
