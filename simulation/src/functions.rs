//! The function service: processes that start cold, stay warm, die, are killed, or are presumed dead and go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use headcount_consumer::batch::{self, Batch};
use headcount_consumer::deps::{Deps, Settings};
use headcount_consumer::handler::{HandleError, consume};
use headcount_consumer::outcome::Outcome;
use headcount_core::origin::Source;
use headcount_follow::ItemOptions;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_testkit::process::{Crashed, Process};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

use crate::chance;
use crate::faults::FaultyStore;
use crate::scenario::Cause;
use crate::stream::Record;
use crate::tally::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::world::World;

/// One process of the function, for as long as it lives.
pub(crate) struct Sandbox {
    number: u64,
    /// Which table it was started for: a restored one is another.
    table: u64,
    pub(crate) process: Process,
    pub(crate) deps: Deps<FaultyStore>,
    /// When it handled records last, milliseconds since the epoch.
    rested_ms: Mutex<i64>,
}

/// Who asks for an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An event source mapping, the first or the second.
    Mapping(u32),
    /// A person, in a process of its own.
    Person,
}

/// What an invocation is about.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) source: Source,
    pub(crate) origin: Source,
    pub(crate) records: Vec<Record>,
    /// Whether events may be however old.
    pub(crate) is_history: bool,
}

/// What the caller learns of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All records are processed.
    All,
    /// Go on from the record with this sequence number.
    From(u64),
    /// It failed, or nobody knows.
    Failed(&'static str),
}

/// All processes, and who runs.
pub(crate) struct Fleet {
    state: Mutex<State>,
    /// How many may be at work.
    at_work: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    idle: Vec<Arc<Sandbox>>,
    /// Processes that nobody needs for most of a day, each with the source that it handled last and when it is needed again.
    asleep: Vec<(i64, Source, Arc<Sandbox>)>,
    /// The one process of a world that has only one.
    only: Option<Arc<Sandbox>>,
    started: u64,
    invocations: u64,
    /// Invocations that run, by source.
    running: BTreeMap<Source, u64>,
    /// Those that were presumed dead, to be waited for in the end.
    left: Vec<JoinHandle<()>>,
}

impl Fleet {
    pub(crate) fn new(sandboxes: usize) -> Self {
        Self { state: Mutex::default(), at_work: Arc::new(Semaphore::new(sandboxes)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Waits for those that were presumed dead.
    pub(crate) async fn all_are_dead(&self) {
        loop {
            let Some(left) = self.state().left.pop() else { return };
            // One that was killed is as dead as one that ended.
            let _ = left.await;
        }
    }

    /// Ends the idle processes; those at work end with their invocation.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.idle.clear();
        state.asleep.clear();
        state.only = None;
    }

    fn end(&self, source: &Source) {
        if let Some(running) = self.state().running.get_mut(source) {
            *running = running.saturating_sub(1);
        }
    }
}

/// Hands records to the function.
pub(crate) async fn invoke(world: &Arc<World>, caller: Caller, work: Work) -> Answer {
    let permit = match caller {
        Caller::Mapping(_) => Some(Arc::clone(&world.fleet.at_work).acquire_owned().await),
        Caller::Person => None,
    };
    let permit = permit.and_then(Result::ok);
    let number = {
        let mut state = world.fleet.state();
        state.invocations += 1;
        state.invocations
    };
    let mut random = chance(world.scenario.seed, "invocation", number);
    let sandbox = sandbox(world, caller, &work, &mut random);
    announce(world, number, caller, &sandbox, &work);
    let calm = world.weather.is_calm();
    let is_poisoned = matches!(caller, Caller::Mapping(_)) && !calm && world.is_poisoned(&work);
    let limit = Duration::from_secs(8) + Duration::from_mins(5).mul_f64(random.f64() * random.f64());
    let run = Run { number, caller, sandbox: Arc::clone(&sandbox), source: work.source.clone(), limit, is_poisoned };
    let faults = world.weather.bucket_faults();
    let mut running = tokio::spawn(run.go(Arc::clone(world), work.clone(), permit));
    // Some invocations are killed before their time is up. Of others the service loses sight, and they go on all the same.
    let strikes =
        |cause: Cause, random: &mut fastrand::Rng| !calm && world.scenario.has(cause) && random.u8(0..12) == 0;
    let is_killed = strikes(Cause::Kill, &mut random);
    let is_lost = strikes(Cause::Presumed, &mut random);
    let patience = if is_killed || is_lost { limit.mul_f64(random.f64() * random.f64() * 0.1) } else { limit };
    let answer = timeout(patience, &mut running).await;
    let bucket_was_well = faults == world.weather.bucket_faults();
    match answer {
        Ok(Ok(Some(Ok(outcome)))) => {
            if bucket_was_well && outcome.failed_from.is_some() {
                world.mismatch(format!("invocation {number} did not append though the bucket was well"));
            }
            if !calm && world.scenario.has(Cause::AnswerLost) && random.u8(0..20) == 0 {
                world.count(Kind::AnswerLost, 1);
                return Answer::Failed("its answer was lost");
            }
            match outcome.failed_from {
                None => Answer::All,
                Some(sequence) => Answer::From(sequence.as_str().parse().unwrap_or_default()),
            }
        }
        Ok(Ok(Some(Err(error)))) => {
            if bucket_was_well || !error.is_for_now() {
                world.mismatch(format!("invocation {number} fails: {error}"));
            }
            Answer::Failed("it answered with an error")
        }
        Ok(Ok(None)) => Answer::Failed("its process died"),
        Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(Err(_)) => Answer::Failed("it was cut off"),
        Err(_) if is_lost => {
            world.count(Kind::PresumedDead, 1);
            leave(world, running);
            Answer::Failed("it is presumed dead")
        }
        Err(_) => {
            if !is_killed && bucket_was_well {
                world.mismatch(format!("invocation {number} did not answer in its time though the bucket was well"));
            }
            world.count(Kind::Killed, 1);
            running.abort();
            world.fleet.end(&work.source);
            // In a process that serves others as well, an invocation may end without it.
            if !world.params.is_one_process || random.bool() {
                let _ = sandbox.process.die::<()>().now_or_never();
            }
            Answer::Failed("it took too long and was killed")
        }
    }
}

/// What a failed invocation means in a world where nothing needs a person.
trait ForNow {
    fn is_for_now(&self) -> bool;
}

impl ForNow for HandleError {
    fn is_for_now(&self) -> bool {
        match self {
            Self::Log(error) => headcount_runtime::retry::Retryable::is_retryable(error),
            Self::Batch(_) | Self::Deployment(_) | Self::RecreatedStream { .. } => false,
        }
    }
}

fn announce(world: &World, number: u64, caller: Caller, sandbox: &Sandbox, work: &Work) {
    let (first, last) = (work.records.first(), work.records.last());
    let range = [first, last].map(|record| record.map_or(0, |record| record.sequence));
    world.tell(format_args!(
        "invocation {number} in process {}: records {} to {} of {} by {caller:?}",
        sandbox.number, range[0], range[1], work.source
    ));
    world.began_batch();
    let mut state = world.fleet.state();
    let running = state.running.entry(work.source.clone()).or_default();
    *running += 1;
    let (is_overlapping, others) = (*running > 1, state.running.values().filter(|running| **running > 0).count());
    drop(state);
    if is_overlapping {
        world.count(Kind::Overlap, 1);
    }
    if world.params.is_one_process && others > 1 {
        world.count(Kind::Together, 1);
    }
}

fn leave<T: Send + 'static>(world: &World, running: JoinHandle<T>) {
    let left = tokio::spawn(async move {
        if let Err(error) = running.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    });
    world.fleet.state().left.push(left);
}

struct Run {
    number: u64,
    caller: Caller,
    sandbox: Arc<Sandbox>,
    source: Source,
    limit: Duration,
    is_poisoned: bool,
}

impl Run {
    /// What one process does with one invocation; nothing where it died.
    async fn go(
        self,
        world: Arc<World>,
        work: Work,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Result<Outcome, HandleError>> {
        let Self { number, caller, sandbox, source, limit, is_poisoned } = self;
        let mut random = chance(world.scenario.seed, "run", number);
        if is_poisoned {
            world.count(Kind::Poisoned, 1);
            if random.bool() {
                world.fleet.end(&source);
                return None;
            }
        }
        let batch = work.batch();
        let handled = sandbox.process.until_crash(consume(&sandbox.deps, &batch, Instant::now() + limit)).await;
        drop(permit);
        world.fleet.end(&source);
        world.tell(format_args!("invocation {number} ended: {}", ending(&handled)));
        match handled {
            Ok(_) if is_poisoned => {
                let _ = sandbox.process.die::<()>().now_or_never();
                None
            }
            Ok(handled) => {
                if let Ok(outcome) = &handled {
                    world.count(Kind::Duplicates, outcome.duplicates);
                }
                // A person's process ends with its command.
                if random.u8(0..8) > 0 && caller != Caller::Person {
                    rest(&world, sandbox, source, &mut random);
                }
                Some(handled)
            }
            Err(Crashed) => None,
        }
    }
}

impl Work {
    pub(crate) fn batch(&self) -> Batch {
        let records = self.records.iter().map(|record| batch::Record {
            sequence: record.sequence.into(),
            arrived_ms: record.arrived_ms,
            data: record.data.to_vec(),
        });
        Batch::new(self.source.clone(), self.origin.clone(), records.collect())
    }
}

fn ending(handled: &Result<Result<Outcome, HandleError>, Crashed>) -> String {
    match handled {
        Ok(Ok(outcome)) => format!(
            "{} entries, {} events, {} redelivered, {} duplicates, {} rejected, failed from {:?}",
            outcome.entries,
            outcome.events,
            outcome.redelivered,
            outcome.duplicates,
            outcome.rejections(),
            outcome.failed_from.as_ref().map(|sequence| sequence.as_str().to_owned())
        ),
        Ok(Err(error)) => error.to_string(),
        Err(Crashed) => "its process died".to_owned(),
    }
}

/// Puts a process aside until it is needed again, unless its table is gone.
fn rest(world: &World, sandbox: Arc<Sandbox>, source: Source, random: &mut fastrand::Rng) {
    let now_ms = world.time.now_ms();
    *sandbox.rested_ms.lock() = now_ms;
    if sandbox.table != world.table().number || world.params.is_one_process {
        return;
    }
    let mut state = world.fleet.state();
    if random.u8(0..8) == 0 {
        state.asleep.push((now_ms + random.i64(8..16) * HOUR_MS, source, sandbox));
    } else {
        state.idle.push(sandbox);
    }
}

/// A warm process, or a new one.
fn sandbox(world: &World, caller: Caller, work: &Work, random: &mut fastrand::Rng) -> Arc<Sandbox> {
    let now_ms = world.time.now_ms();
    let mut state = world.fleet.state();
    state.only.take_if(|only| only.process.is_dead());
    let is_needed = |(at_ms, source, _): &(i64, Source, _)| *at_ms <= now_ms && *source == work.source;
    if matches!(caller, Caller::Mapping(_)) {
        let warm = if world.params.is_one_process {
            state.only.clone()
        } else if let Some(index) = state.asleep.iter().position(is_needed) {
            world.count(Kind::StaleStart, 1);
            Some(state.asleep.swap_remove(index).2)
        } else if state.idle.is_empty() {
            None
        } else {
            let index = random.usize(..state.idle.len());
            Some(state.idle.swap_remove(index))
        };
        if let Some(warm) = warm {
            drop(state);
            world.count(Kind::WarmStart, 1);
            let rested_ms = *warm.rested_ms.lock();
            if now_ms - rested_ms > 10 * MINUTE_MS && warm.deps.tails.get(&work.source, now_ms).is_some() {
                world.count(Kind::StaleStart, 1);
            }
            return warm;
        }
    }
    state.started += 1;
    let number = state.started;
    drop(state);
    world.count(Kind::ColdStart, 1);
    let process = Process::default();
    let new = Arc::new(start(world, number, process, work.is_history, random));
    if world.params.is_one_process && matches!(caller, Caller::Mapping(_)) {
        world.fleet.state().only = Some(Arc::clone(&new));
    }
    new
}

pub(crate) fn start(
    world: &World,
    number: u64,
    process: Process,
    is_history: bool,
    random: &mut fastrand::Rng,
) -> Sandbox {
    let table = world.table();
    // No two machines' clocks are alike.
    let (time, skew_ms) = (world.time, random.i64(-2_000..2_000));
    let clock = Clock::from_fn(move || time.now_ms() + skew_ms);
    let settings = Settings {
        rules: world.rules.rules(is_history),
        zone: Some(world.rules.zone),
        project: "simulated".to_owned(),
        log_retention_days: world.params.log_retention_days,
        stream_generation: None,
        items: ItemOptions { event_items: world.params.event_items, user_index: true },
    };
    let log = Log::new(Arc::new(world.bucket.in_process(&process)), Jitter::from_seed(random.u64(..)));
    let store = table.faulty.in_process(&process);
    let deps = Deps::new(log, store, clock, Jitter::from_seed(random.u64(..)), settings);
    Sandbox { number, table: table.number, process, deps, rested_ms: Mutex::new(time.now_ms()) }
}
