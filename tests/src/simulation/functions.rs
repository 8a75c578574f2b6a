//! The function service: processes that start cold, stay warm, die, are killed, or are presumed dead and go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use headcount_consumer::deps::{Deps, Feed, Settings};
use headcount_consumer::handler::{HandleError, consume};
use headcount_consumer::outcome::Outcome;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::faulty::{Crashed, Faulty};
use headcount_store::memory::MemoryStore;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

use super::chance;
use super::scenario::Cause;
use super::stream::{NAME, Record, shard_id};
use super::tally::Kind;
use super::world::World;

/// One process of the function, for as long as it lives.
struct Process {
    number: u64,
    store: Faulty<MemoryStore>,
    deps: Deps<Faulty<MemoryStore>>,
}

/// What the mapping learns of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All records are processed.
    All,
    /// Go on from the record with this sequence number.
    From(u64),
    /// It failed, or nobody knows.
    Failed(&'static str),
}

/// All processes, and who runs.
#[derive(Default)]
pub(super) struct Fleet {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Process>,
    started: u64,
    invocations: u64,
    /// Invocations that run, by shard.
    running: BTreeMap<usize, u64>,
    /// Those that were presumed dead, to be waited for in the end.
    left: Vec<JoinHandle<()>>,
}

impl Fleet {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for those that were presumed dead.
    pub(super) async fn all_are_dead(&self) {
        loop {
            let Some(left) = self.state().left.pop() else { return };
            // One that was killed is as dead as one that ended.
            let _ = left.await;
        }
    }

    /// Forgets all that processes remember.
    pub(super) fn restart(&self) {
        self.state().idle.clear();
    }
}

/// Hands records of a shard to the function.
pub(super) async fn invoke(world: &Arc<World>, feed: Feed, shard: usize, records: &[Record]) -> Answer {
    let number = world.fleet.number();
    let mut random = chance(world.scenario.seed, "invocation", number);
    let process = world.fleet.process(world, feed, &mut random);
    let (first, last) = (records.first().map_or(0, |one| one.sequence), records.last().map_or(0, |one| one.sequence));
    world.tell(format_args!(
        "invocation {number} in process {}: records {first} to {last} of shard {shard}, {feed:?}",
        process.number
    ));
    world.began_batch();
    if world.fleet.begin(shard) > 1 {
        world.count(Kind::Overlap, 1);
    }
    let limit = Duration::from_secs(random.u64(20..300));
    let poisoned = feed == Feed::Mapping && !world.weather.is_calm() && world.is_poisoned(shard, records);
    let runs = run(Arc::clone(world), process, event(shard, records), (number, shard), (limit, poisoned));
    let mut running = tokio::spawn(runs);
    let calm = world.weather.is_calm();
    // Some invocations are killed before their time is up. Of others the service loses sight, and they go on all the same.
    let strikes =
        |cause: Cause, random: &mut fastrand::Rng| !calm && world.scenario.has(cause) && random.u8(0..12) == 0;
    let is_killed = strikes(Cause::Kill, &mut random);
    let is_lost = strikes(Cause::Presumed, &mut random);
    let patience = if is_killed || is_lost { limit.mul_f64(random.f64() * random.f64() * 0.1) } else { limit };
    match timeout(patience, &mut running).await {
        Ok(Ok(Some(Ok(outcome)))) => {
            if !calm && world.scenario.has(Cause::AnswerLost) && random.u8(0..20) == 0 {
                world.count(Kind::AnswerLost, 1);
                return Answer::Failed("its answer was lost");
            }
            match outcome.failed_from {
                None => Answer::All,
                Some(sequence) => Answer::From(sequence.as_str().parse().unwrap_or_default()),
            }
        }
        Ok(Ok(Some(Err(_)))) => Answer::Failed("it answered with an error"),
        Ok(Ok(None)) => Answer::Failed("its process died"),
        Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(Err(_)) => Answer::Failed("it was cut off"),
        Err(_) if is_killed => {
            world.count(Kind::Killed, 1);
            running.abort();
            world.fleet.end(shard);
            Answer::Failed("it took too long and was killed")
        }
        Err(_) => {
            world.count(Kind::PresumedDead, 1);
            world.fleet.leave(running);
            Answer::Failed("it is presumed dead")
        }
    }
}

/// What one process does with one invocation; nothing where it died.
async fn run(
    world: Arc<World>,
    process: Process,
    event: KinesisEvent,
    (number, shard): (u64, usize),
    (limit, poisoned): (Duration, bool),
) -> Option<Result<Outcome, HandleError>> {
    let mut random = chance(world.scenario.seed, "run", number);
    if poisoned {
        world.count(Kind::Poisoned, 1);
        if random.bool() {
            world.fleet.end(shard);
            return None;
        }
    }
    let handled = process.store.until_crash(consume(&process.deps, event, Instant::now() + limit)).await;
    world.fleet.end(shard);
    world.tell(format_args!("invocation {number} ended: {}", ending(&handled)));
    match handled {
        Ok(_) if poisoned => None,
        Ok(handled) => {
            if random.u8(0..8) > 0 {
                world.fleet.rest(process);
            }
            Some(handled)
        }
        Err(Crashed) => None,
    }
}

fn ending(handled: &Result<Result<Outcome, HandleError>, Crashed>) -> String {
    match handled {
        Ok(Ok(outcome)) => format!(
            "{} inserted, {} redelivered, {} duplicates, {} rejected, failed from {:?}",
            outcome.inserted,
            outcome.redelivered,
            outcome.duplicates,
            outcome.rejected,
            outcome.failed_from.as_ref().map(|sequence| sequence.as_str().to_owned())
        ),
        Ok(Err(error)) => error.to_string(),
        Err(Crashed) => "its process died".to_owned(),
    }
}

impl Fleet {
    fn number(&self) -> u64 {
        let mut state = self.state();
        state.invocations += 1;
        state.invocations
    }

    fn begin(&self, shard: usize) -> u64 {
        let mut state = self.state();
        let running = state.running.entry(shard).or_default();
        *running += 1;
        *running
    }

    fn end(&self, shard: usize) {
        if let Some(running) = self.state().running.get_mut(&shard) {
            *running = running.saturating_sub(1);
        }
    }

    fn rest(&self, process: Process) {
        self.state().idle.push(process);
    }

    fn leave<T: Send + 'static>(&self, running: JoinHandle<T>) {
        let left = tokio::spawn(async move {
            let _ = running.await;
        });
        self.state().left.push(left);
    }

    /// A warm process, or a new one.
    fn process(&self, world: &World, feed: Feed, random: &mut fastrand::Rng) -> Process {
        let mut state = self.state();
        if feed == Feed::Mapping && !state.idle.is_empty() {
            world.count(Kind::WarmStart, 1);
            let index = random.usize(..state.idle.len());
            return state.idle.swap_remove(index);
        }
        world.count(Kind::ColdStart, 1);
        state.started += 1;
        let store = world.consumers.process();
        // No two machines' clocks are alike.
        let (time, skew_ms) = (world.time, random.i64(-2_000..2_000));
        let clock = Clock::from_fn(move || time.now_ms() + skew_ms);
        let rules = Rules::new(Vec::new(), Some(world.rules.lateness_ms), world.rules.earliness_ms, IpPolicy::Keep);
        let settings = Settings {
            rules: rules.expect("the world's rules are sound"),
            zone: None,
            project: "simulated".to_owned(),
            feed,
        };
        let deps = Deps::new(store.clone(), clock, Jitter::from_seed(random.u64(..)), settings);
        Process { number: state.started, store, deps }
    }
}

fn event(shard: usize, records: &[Record]) -> KinesisEvent {
    let mut event = KinesisEvent::default();
    for record in records {
        let mut delivered = KinesisEventRecord::default();
        delivered.event_id = Some(format!("{}:{}", shard_id(shard), record.sequence));
        delivered.event_source_arn = Some(format!("arn:aws:kinesis:us-east-1:000000000000:stream/{NAME}"));
        delivered.kinesis.sequence_number = record.sequence.to_string();
        delivered.kinesis.data.0 = record.data.to_vec();
        delivered.kinesis.approximate_arrival_timestamp.0 =
            chrono::DateTime::from_timestamp_millis(record.arrived_ms).unwrap_or_default();
        event.records.push(delivered);
    }
    event
}
