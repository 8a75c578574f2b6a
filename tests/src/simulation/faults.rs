//! What becomes of each request to the store: drawn from the seed and the request's number, by what the world is like
//! at that moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headcount_core::partial::{Partial, PartialRecord};
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::{Decision, Fault, FaultPlan, Operation, Request};
use headcount_store::faulty::seeded::{Rates, SeededFaults};
use headcount_store::memory::MemoryStore;

use super::chance;
use super::history::History;
use super::scenario::{Cause, Scenario};
use super::time::Time;

/// The aggregator whose writes take very long, calm or not.
pub(super) const SLOW: &str = "slow aggregator";

/// The store as one kind of process sees it.
pub(super) type FaultyStore = Faulty<MemoryStore>;

/// The faults of one kind of process: consumers, or aggregators.
pub(super) struct Faults {
    name: &'static str,
    seed: u64,
    seeded: SeededFaults,
    /// The longest that a request takes which takes long.
    longest: Duration,
    delays: bool,
    weather: Arc<Weather>,
    store: MemoryStore,
    time: Time,
    history: Arc<History>,
}

/// What the world is like at a moment.
#[derive(Debug, Default)]
pub(super) struct Weather {
    is_calm: AtomicBool,
    /// Until when the table answers nobody, milliseconds since the epoch.
    outage_until_ms: Mutex<i64>,
}

impl Weather {
    /// No more faults from now on.
    pub(super) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    pub(super) fn go_out_until(&self, until_ms: i64) {
        *self.outage_until_ms.lock().unwrap_or_else(PoisonError::into_inner) = until_ms;
    }

    fn is_out(&self, now_ms: i64) -> bool {
        now_ms < *self.outage_until_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// `roughness` from 0 to 1 scales how often each fault happens.
    pub(super) fn new(
        name: &'static str,
        scenario: &Scenario,
        roughness: f64,
        (weather, store, time, history): (Arc<Weather>, MemoryStore, Time, Arc<History>),
    ) -> Self {
        let rate = |cause, rate: f64| if scenario.has(cause) { rate * roughness } else { 0.0 };
        let rates = Rates {
            throttle: rate(Cause::Throttle, 0.08),
            unknown_before: rate(Cause::Unknown, 0.04),
            unknown_after: rate(Cause::Unknown, 0.06),
            crash_before: rate(Cause::Crash, 0.012),
            crash_after: rate(Cause::Crash, 0.018),
            partial: rate(Cause::Items, 0.12),
            item: 0.4,
            delay: if scenario.has(Cause::Delay) { 0.7 } else { 0.0 },
            longest_delay: Duration::from_millis(400),
        };
        let mut random = chance(scenario.seed, name, 0);
        Self {
            name,
            seed: scenario.seed,
            seeded: SeededFaults::new(random.u64(..), rates),
            longest: Duration::from_secs(random.u64(20..600)),
            delays: scenario.has(Cause::Delay),
            weather,
            store,
            time,
            history,
        }
    }

    fn draw(&self, request: &Request<'_>) -> Decision {
        if self.name == SLOW
            && matches!(request.operation, Operation::PutDaily | Operation::PutSketches | Operation::PutTotal)
        {
            let share = chance(self.seed, self.name, request.number).f64();
            return Decision { before: self.longest.mul_f64(share), ..Decision::default() };
        }
        if self.weather.is_calm() {
            return Decision::default();
        }
        if self.weather.is_out(self.time.now_ms()) {
            return Decision::fault(Fault::Throttle);
        }
        let mut decision = self.seeded.decide(request);
        if self.delays {
            let mut random = chance(self.seed, self.name, request.number);
            // Few requests take very long, and then they may well outlive whoever sent them.
            if random.f64() < 0.02 {
                decision.before = self.longest.mul_f64(random.f64());
            }
            decision.in_flight = random.f64() < 0.5;
        }
        decision
    }
}

impl FaultPlan for Faults {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.draw(request);
        let place = request.keys.first().map(|key| format!("{} {}", key.pk, key.sk)).unwrap_or_default();
        let fate = decision.fault.as_ref().map(|fault| format!(": {fault:?}")).unwrap_or_default();
        let (number, operation, keys) = (request.number, request.operation, request.keys.len());
        let delay = decision.before.as_millis();
        self.history.tell(
            self.time.now_ms(),
            format_args!("{} request {number} {operation:?} of {keys} from {place}, {delay} ms{fate}", self.name),
        );
        decision
    }

    fn took_effect(&self, operation: Operation, number: u64, conditions_failed: u64) {
        let refused = if conditions_failed > 0 { ", condition failed" } else { "" };
        let (now_ms, name) = (self.time.now_ms(), self.name);
        self.history.tell(now_ms, format_args!("{name} request {number} {operation:?} took effect{refused}"));
        if operation == Operation::WritePartial && conditions_failed == 0 && self.history.is_kept() {
            for line in self.store.all_partials().iter().map(state) {
                self.history.remark(&line);
            }
        }
    }
}

/// What a partial says, for whoever reads the history.
fn state(record: &PartialRecord) -> String {
    let counters = Partial::decode(record).map_or_else(
        |damage| damage.to_string(),
        |partial| format!("{} events, {} duplicates", partial.counters.events, partial.counters.duplicates),
    );
    let fence = record.last_sequence.as_ref().map_or("none", |sequence| sequence.as_str());
    let dirty = if record.dirty { ", dirty" } else { "" };
    format!("{} {}: version {}, fence {fence}, {counters}{dirty}", record.date, record.source, record.version)
}
