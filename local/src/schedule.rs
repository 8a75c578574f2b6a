//! A job at its times: every hour, or whatever the interval is, on the clock's own boundaries.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use headcount_runtime::clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::LocalError;

/// The interval unless said otherwise.
pub const INTERVAL: Duration = Duration::from_hours(1);

/// The longest interval.
pub const MAX_INTERVAL: Duration = Duration::from_hours(24);

/// The clock is looked at this often at least: a machine that slept, or whose clock was set, does not miss its time.
const LOOK: Duration = Duration::from_secs(20);

/// How long a stopping schedule waits for the run under way before it cuts it off.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// When a job runs.
#[derive(Clone, Debug)]
pub struct ScheduleOptions {
    /// What it is called in messages.
    pub what: &'static str,
    /// It runs whenever the time since the epoch is a multiple of this: one hour means on the hour.
    pub interval: Duration,
    /// The first run comes this soon after the start; `None` waits for its time.
    pub first_after: Option<Duration>,
    /// The clock it goes by.
    pub clock: Clock,
}

impl ScheduleOptions {
    /// Hourly by the machine's clock.
    pub fn hourly(what: &'static str) -> Self {
        Self { what, interval: INTERVAL, first_after: None, clock: Clock::system() }
    }

    fn check(&self) -> Result<(), LocalError> {
        if self.interval < Duration::from_millis(1) || self.interval > MAX_INTERVAL {
            let rule = format!("1 ms to {MAX_INTERVAL:?}, not {:?}", self.interval);
            return Err(LocalError::Option { field: "interval", rule });
        }
        Ok(())
    }

    /// The first boundary after `now_ms`.
    fn next_ms(&self, now_ms: i64) -> i64 {
        let interval = self.interval.as_millis() as i64;
        (now_ms.div_euclid(interval) + 1) * interval
    }
}

/// How the runs went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Runs that have ended.
    pub ended: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Why the last run failed, if it did.
    pub problem: Option<String>,
    /// The last request that a run was begun after.
    answered: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    /// How often a run was asked for.
    requests: u64,
    stop: bool,
}

/// A job that runs at its times, never twice at once. Dropped, it is cut off.
#[derive(Debug)]
pub struct Schedule {
    what: &'static str,
    ask: watch::Sender<Ask>,
    runs: watch::Receiver<Runs>,
    work: JoinHandle<()>,
}

impl Schedule {
    /// Begins to run `job`. A run that fails is logged, and tried again at the next time.
    ///
    /// # Errors
    /// When an option is out of its bounds.
    pub fn start<J, R, E>(options: ScheduleOptions, job: J) -> Result<Self, LocalError>
    where
        J: FnMut() -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        options.check()?;
        let what = options.what;
        let (ask, asked) = watch::channel(Ask::default());
        let (seen, runs) = watch::channel(Runs::default());
        let work = tokio::spawn(keep_running(options, job, asked, seen));
        Ok(Self { what, ask, runs, work })
    }

    /// How the runs went; changes can be waited for.
    pub fn runs(&self) -> watch::Receiver<Runs> {
        self.runs.clone()
    }

    /// Runs the job now, after the run under way if there is one, and waits for its end.
    ///
    /// # Errors
    /// When that run fails, or the schedule stops.
    pub async fn run_now(&self) -> Result<(), LocalError> {
        let mut request = 0;
        self.ask.send_modify(|ask| {
            ask.requests += 1;
            request = ask.requests;
        });
        let mut runs = self.runs.clone();
        match runs.wait_for(|runs| runs.answered >= request).await {
            Err(_) => Err(LocalError::Stopped { what: self.what }),
            Ok(runs) => match &runs.problem {
                Some(detail) => Err(LocalError::Failed { what: self.what, detail: detail.clone() }),
                None => Ok(()),
            },
        }
    }

    /// Finishes the run under way, if there is one, and stops.
    pub async fn stop(mut self) {
        self.ask.send_modify(|ask| ask.stop = true);
        match timeout(STOP_GRACE, &mut self.work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(what = self.what, %error, "a schedule failed"),
            Err(_) => tracing::warn!(what = self.what, "a run took too long to stop and was cut off"),
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn keep_running<J, R, E>(
    options: ScheduleOptions,
    mut job: J,
    mut ask: watch::Receiver<Ask>,
    runs: watch::Sender<Runs>,
) where
    J: FnMut() -> R,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let now_ms = || options.clock.now_ms();
    let mut due_ms = match options.first_after {
        Some(after) => now_ms().saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
        None => options.next_ms(now_ms()),
    };
    loop {
        let asked = *ask.borrow_and_update();
        if asked.stop {
            return;
        }
        let now = now_ms();
        if now >= due_ms || asked.requests > runs.borrow().answered {
            let problem = run(options.what, job()).await;
            runs.send_modify(|runs| {
                runs.ended += 1;
                runs.failed += u64::from(problem.is_some());
                runs.problem = problem;
                runs.answered = asked.requests;
            });
            // Times that passed during the run are not made up for.
            due_ms = options.next_ms(now_ms());
            continue;
        }
        let wait = Duration::from_millis(due_ms.abs_diff(now)).min(LOOK);
        tokio::select! {
            biased;
            asked = ask.changed() => if asked.is_err() { return },
            () = sleep(wait) => {}
        }
        if options.first_after.is_none() || runs.borrow().ended > 0 {
            // Where the clock was set back, its next boundary comes first.
            due_ms = due_ms.min(options.next_ms(now_ms()));
        }
    }
}

/// One run, on a task of its own so that a panic is a failure like others; why it failed.
async fn run<E: Display + Send + 'static>(
    what: &'static str,
    job: impl Future<Output = Result<(), E>> + Send + 'static,
) -> Option<String> {
    let mut task = Run(tokio::spawn(job));
    let problem = match (&mut task.0).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(error) if error.is_panic() => "it panicked".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::error!(what, problem, "a scheduled run failed, it is tried again at its next time");
    Some(problem)
}

/// Ends its task when it is dropped.
struct Run<T>(JoinHandle<T>);

impl<T> Drop for Run<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
