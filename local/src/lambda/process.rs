//! One process of a function: started, asked, killed.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use axum::body::Bytes;
use headcount_runtime::clock::Clock;
use parking_lot::{Mutex, MutexGuard};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout, timeout_at};

use super::api::{Api, Invocation, Phase};
use super::fleet::{FleetOptions, FunctionProcess, InvokeError};
use super::output::{Tail, read_output};

/// How long the last words of a process that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The processes that run, by their ids, and whether each is at an invocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<BTreeMap<u32, bool>>>);

impl Running {
    pub(super) fn processes(&self) -> Vec<FunctionProcess> {
        self.lock().iter().map(|(id, is_busy)| FunctionProcess { id: *id, is_busy: *is_busy }).collect()
    }

    fn enter(&self, id: u32) -> Entry {
        self.lock().insert(id, false);
        Entry { running: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, bool>> {
        self.0.lock()
    }
}

/// A process's place among those that run, left when it is dropped.
#[derive(Debug)]
struct Entry {
    running: Running,
    id: u32,
}

impl Entry {
    fn set_busy(&self, is_busy: bool) {
        self.running.lock().insert(self.id, is_busy);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}

/// A process that waits for invocations. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    api: Api,
    tail: Tail,
    /// What reads its output.
    output: [JoinHandle<()>; 2],
    entry: Entry,
}

impl Process {
    /// Starts a process, and waits until it asks for its first invocation.
    pub(super) async fn start(
        options: &FleetOptions,
        running: &Running,
        deadline: Instant,
    ) -> Result<Self, InvokeError> {
        let api = Api::start(&options.name).await?;
        let mut command = Command::new(&options.program);
        command
            .args(&options.arguments)
            .env_clear()
            .envs(options.variables(api.addr()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let cannot = |detail: String| InvokeError::Start { detail: format!("{}: {detail}", options.program.display()) };
        let mut child = command.spawn().map_err(|error| cannot(error.to_string()))?;
        let (Some(id), Some(out), Some(err)) = (child.id(), child.stdout.take(), child.stderr.take()) else {
            return Err(cannot("it ended at once".to_owned()));
        };
        let tail = Tail::default();
        let passed = options.passes_output;
        let output = [
            tokio::spawn(read_output(out, tail.clone(), passed)),
            tokio::spawn(read_output(err, tail.clone(), passed)),
        ];
        let mut process = Self { child, api, tail, output, entry: running.enter(id) };
        process.begin(options.init_timeout, deadline).await?;
        Ok(process)
    }

    /// The first phase: until the process asks for an invocation, for `limit` at the longest.
    async fn begin(&mut self, limit: Duration, deadline: Instant) -> Result<(), InvokeError> {
        let mut phase = self.api.phase();
        let began = Instant::now();
        let until = deadline.min(began + limit);
        let shown = async { phase.wait_for(|phase| *phase != Phase::Starting).await.map(|shown| shown.clone()) };
        let detail = tokio::select! {
            biased;
            shown = shown => match shown {
                Ok(Phase::Ready) => return Ok(()),
                Ok(Phase::Failed(said)) => said,
                Ok(Phase::Starting) | Err(_) => "its Runtime API has ended".to_owned(),
            },
            ended = self.child.wait() => {
                let how = how(ended);
                format!("{how}: {}", self.last_words().await)
            }
            () = sleep_until(until) => format!("it did not ask for an invocation within {:?}", until - began),
        };
        self.kill_now().await;
        Err(InvokeError::Init { detail })
    }

    /// Hands an event to the process and waits for its answer, until `deadline`: then it is killed.
    pub(super) async fn invoke(&mut self, payload: Bytes, deadline: Instant) -> Result<Bytes, InvokeError> {
        let began = Instant::now();
        let left = deadline.saturating_duration_since(began);
        let deadline_ms = Clock::system().now_ms().saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        let (answer, answered) = oneshot::channel();
        self.api.hand_over(Invocation { id: request_id(), deadline_ms, payload, answer });
        self.entry.set_busy(true);
        let answer = tokio::select! {
            biased;
            answered = answered => answered.unwrap_or_else(|_| {
                Err(InvokeError::Died { detail: "its Runtime API has ended".to_owned() })
            }),
            ended = self.child.wait() => {
                let how = how(ended);
                Err(InvokeError::Died { detail: format!("{how} {}", self.last_words().await).trim_end().to_owned() })
            }
            () = sleep_until(deadline) => {
                // Only when it is gone may its batch be given to another.
                self.kill_now().await;
                Err(InvokeError::TimedOut { after: left })
            }
        };
        self.entry.set_busy(false);
        answer
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and kills it where it does not within `grace`.
    pub(super) async fn stop(mut self, grace: Duration) {
        if !self.ask_to_end() || timeout(grace, self.child.wait()).await.is_err() {
            self.kill_now().await;
        }
    }

    #[cfg(unix)]
    fn ask_to_end(&self) -> bool {
        use rustix::process::{Pid, Signal, kill_process};
        // An id is there until the end has been waited for, so that no other process can have it.
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        id.is_some_and(|id| kill_process(id, Signal::TERM).is_ok())
    }

    #[cfg(not(unix))]
    fn ask_to_end(&self) -> bool {
        false
    }

    async fn kill_now(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a function's process could not be killed");
        }
    }

    /// What it wrote last, all of it: its end may be seen before its words.
    async fn last_words(&mut self) -> String {
        let deadline = Instant::now() + LAST_WORDS;
        for output in &mut self.output {
            // A grandchild may hold the pipe open.
            let _ = timeout_at(deadline, output).await;
        }
        self.tail.text()
    }
}

fn how(ended: std::io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| format!("it was lost sight of ({error})"), |status| format!("it ended ({status})"))
}

/// A new invocation's id, which looks as the service's do.
fn request_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}
