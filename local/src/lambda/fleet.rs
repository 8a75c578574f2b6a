//! The processes of one function: as many as are needed at once, kept warm, within a bound.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::Bytes;
use headcount_runtime::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout_at};

use super::process::{Process, Running};
use crate::clients::{REGION, TEST_KEY};

/// How long a process may take to ask for its first invocation, unless told otherwise (the service's own bound).
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most processes of one function, unless told otherwise.
pub const MAX_PROCESSES: usize = 16;

/// The memory that a function is told it has, in megabytes. Nothing holds it to that.
pub const MEMORY_MB: u32 = 1_024;

/// What a function logs unless `RUST_LOG` is among its variables.
pub const LOG: &str = "warn";

/// How long a process that is asked to end may take before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Why an invocation has no answer. No message holds an event's data, unless the function itself puts it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no process.
    #[error("the function's program cannot be started: {detail}; is it there, and was it built for this machine?")]
    Start {
        /// Which one, and why.
        detail: String,
    },
    /// The process did not come to its first invocation.
    #[error("the function did not start: {detail}")]
    Init {
        /// What it said, or how it ended.
        detail: String,
    },
    /// The function reported an error.
    #[error("{error_type}: {message}")]
    Function {
        /// Its type.
        error_type: String,
        /// Its message.
        message: String,
    },
    /// The answer is longer than the service would take.
    #[error("the function's answer is longer than {} bytes", super::api::MAX_RESPONSE_BYTES)]
    ResponseTooLarge,
    /// The process ended in the middle.
    #[error("the function's process died: {detail}")]
    Died {
        /// How it ended.
        detail: String,
    },
    /// The deadline came first; the process was killed.
    #[error("the function timed out after {after:?}, and its process was killed")]
    TimedOut {
        /// How long it had.
        after: Duration,
    },
    /// All processes were busy until the deadline.
    #[error("no process of the function was free in time: at most {most} run at once")]
    Busy {
        /// How many may run at once.
        most: usize,
    },
    /// The fleet takes no more invocations.
    #[error("the function is being stopped")]
    Stopped,
}

impl InvokeError {
    /// Whether the process that failed so goes on to its next invocation.
    fn keeps_process(&self) -> bool {
        match self {
            Self::Function { .. } | Self::ResponseTooLarge => true,
            Self::Start { .. }
            | Self::Init { .. }
            | Self::Died { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::Stopped => false,
        }
    }
}

/// Which program a function is, and how it is run.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The function's name.
    pub name: String,
    /// Its program, built on a Lambda runtime.
    pub program: PathBuf,
    /// The program's arguments; the service gives none.
    pub arguments: Vec<String>,
    /// Its own variables, which go before those that every function gets. Nothing of our own environment is handed on.
    pub environment: Vec<(String, String)>,
    /// Whether what it writes is passed on to our standard error.
    pub passes_output: bool,
    /// How long a process may take to ask for its first invocation.
    pub init_timeout: Duration,
    /// The most processes that run at once.
    pub most: usize,
}

impl FleetOptions {
    /// A function of this name and program, as the service runs it.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            passes_output: true,
            init_timeout: INIT_TIMEOUT,
            most: MAX_PROCESSES,
        }
    }

    /// All variables of a process whose Runtime API is at `api`.
    pub(super) fn variables(&self, api: SocketAddr) -> Vec<(String, String)> {
        let day = chrono::DateTime::from_timestamp_millis(Clock::system().now_ms()).unwrap_or_default();
        let stream = format!("{}/[$LATEST]{:032x}", day.format("%Y/%m/%d"), fastrand::u128(..));
        let service = [
            ("RUST_LOG", LOG.to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", TEST_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", TEST_KEY.to_owned()),
            ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
            ("_HANDLER", "bootstrap".to_owned()),
        ];
        let service = service.map(|(name, value)| (name.to_owned(), value));
        // Of two of one name the later counts.
        service.into_iter().chain(self.environment.iter().cloned()).collect()
    }
}

/// A running process of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionProcess {
    /// The system's id of it.
    pub id: u32,
    /// Whether it is at an invocation.
    pub is_busy: bool,
}

/// The processes of one function. Dropped, it kills them.
#[derive(Debug)]
pub struct Fleet {
    options: FleetOptions,
    /// Processes that wait for an invocation.
    warm: Mutex<Vec<Process>>,
    /// The right to keep a process busy; closed when no more invocations are taken.
    permits: Semaphore,
    running: Running,
}

impl Fleet {
    /// A fleet without any process yet: the first invocation starts one.
    pub fn new(options: FleetOptions) -> Self {
        let permits = Semaphore::new(options.most.max(1));
        Self { options, warm: Mutex::new(Vec::new()), permits, running: Running::default() }
    }

    /// Hands an event (JSON) to a free process, a new one where none is, and waits for the answer until `deadline`.
    /// Dropped before its end, it kills the process that it was given.
    ///
    /// # Errors
    /// [`InvokeError`]. Whether the function did its work is then unknown.
    pub async fn invoke(&self, payload: impl Into<Bytes>, deadline: Instant) -> Result<Bytes, InvokeError> {
        let busy = |_| InvokeError::Busy { most: self.options.most };
        let permit = timeout_at(deadline, self.permits.acquire()).await.map_err(busy)?;
        let _permit = permit.map_err(|_| InvokeError::Stopped)?;
        let mut process = match self.free() {
            Some(process) => process,
            None => Process::start(&self.options, &self.running, deadline).await?,
        };
        let answer = process.invoke(payload.into(), deadline).await;
        if answer.as_ref().err().is_none_or(InvokeError::keeps_process) {
            self.keep(process).await;
        }
        answer
    }

    /// The processes that run, in the order of their ids.
    pub fn processes(&self) -> Vec<FunctionProcess> {
        self.running.processes()
    }

    /// Takes no more invocations, ends the processes that wait for one, and each busy one after its invocation.
    pub async fn stop(&self) {
        self.permits.close();
        let warm = std::mem::take(&mut *self.warm.lock());
        let mut stopping = JoinSet::new();
        for process in warm {
            stopping.spawn(process.stop(STOP_GRACE));
        }
        stopping.join_all().await;
    }

    /// A process that waits, the one that was busy last; those that have died meanwhile are forgotten.
    fn free(&self) -> Option<Process> {
        let mut warm = self.warm.lock();
        warm.retain_mut(Process::is_alive);
        warm.pop()
    }

    async fn keep(&self, process: Process) {
        let surplus = {
            let mut warm = self.warm.lock();
            if self.permits.is_closed() {
                Some(process)
            } else {
                warm.push(process);
                None
            }
        };
        if let Some(process) = surplus {
            process.stop(STOP_GRACE).await;
        }
    }
}
