//! The table of an incident: away for a while, or short of write units, by the rules that DynamoDB documents.

use std::sync::Arc;
use std::time::Duration;

use headcount_core::keys::{self, ItemKey};
use headcount_runtime::aws::OPERATION_TIMEOUT;
use headcount_testkit::faulty::plan::{Decision, Fault, FaultPlan, ItemFault, Operation, Request};
use headcount_testkit::memory::MemoryStore;
use parking_lot::{Mutex, MutexGuard};

use crate::time::Time;

/// Write units of an event's item of up to 1 KB: one for the item, one for its copy in the index by user
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
pub(super) const ITEM_UNITS: f64 = 2.0;

/// Write units of a day's merged user sketch and session sample.
const SKETCHES_UNITS: f64 = 64.0;

/// Bytes of a partial's item besides its three blobs: keys and numbers.
const PARTIAL_OVERHEAD_BYTES: usize = 300;

/// Milliseconds that a request takes.
const LATENCY_MS: std::ops::Range<u64> = 2..12;

/// What the table of an incident can take at the moment.
#[derive(Debug)]
pub(super) struct Supply {
    time: Time,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    outage_until_ms: i64,
    /// Write units that come in each second.
    units_per_second: f64,
    /// Units that may be spent now. A write is taken while there are any, whatever it costs, so this may be below zero.
    units: f64,
    filled_ms: i64,
    writes: Writes,
}

/// Writes since the last reset. A batch counts once for each of its items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Writes {
    /// Of the follower of figures: profiles, partials and checkpoints.
    pub(super) figures: Taken,
    /// Event items.
    pub(super) items: Taken,
    /// Requests of any kind that got no answer.
    pub(super) unanswered: u64,
}

/// Writes that were asked for and taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) asked: u64,
    pub(super) throttled: u64,
    pub(super) units: f64,
}

impl Taken {
    /// Percent of the writes that were throttled.
    pub(super) fn throttled_percent(&self) -> u64 {
        100 * self.throttled / self.asked.max(1)
    }
}

impl Supply {
    pub(super) fn new(time: Time, units_per_second: f64, random: fastrand::Rng) -> Self {
        let state = State {
            random,
            outage_until_ms: 0,
            units_per_second,
            units: units_per_second,
            filled_ms: time.now_ms(),
            writes: Writes::default(),
        };
        Self { time, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// From now until that moment the table answers nothing.
    pub(super) fn goes_away_until(&self, until_ms: i64) {
        self.state().outage_until_ms = until_ms;
    }

    /// From now on so many write units come in each second.
    pub(super) fn set_units_per_second(&self, units: f64) {
        let mut state = self.state();
        state.fill(self.time.now_ms());
        state.units_per_second = units;
    }

    /// The writes since this was asked last.
    pub(super) fn take_writes(&self) -> Writes {
        std::mem::take(&mut self.state().writes)
    }
}

impl State {
    /// Unspent units last for a second. DynamoDB may let them last for five minutes, but does not promise it
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html>).
    fn fill(&mut self, now_ms: i64) {
        let since_ms = now_ms.saturating_sub(self.filled_ms) as f64;
        self.units = (self.units + self.units_per_second * since_ms / 1_000.0).min(self.units_per_second);
        self.filled_ms = now_ms;
    }

    /// Whether a write is taken. All writes are alike: the table knows no priorities.
    fn spend(&mut self, operation: Operation, units: f64) -> bool {
        let is_taken = self.units > 0.0;
        let taken = match operation {
            Operation::PutEvents => Some(&mut self.writes.items),
            Operation::WritePartial | Operation::PutFirstDay | Operation::WriteCheckpoint => {
                Some(&mut self.writes.figures)
            }
            _ => None,
        };
        if let Some(taken) = taken {
            taken.asked += 1;
            taken.throttled += u64::from(!is_taken);
            taken.units += if is_taken { units } else { 0.0 };
        }
        if is_taken {
            self.units -= units;
        }
        is_taken
    }
}

/// The plan of the table's faults.
pub(super) struct Plan {
    pub(super) supply: Arc<Supply>,
    /// The table itself: what a write costs depends on the size of what it replaces.
    pub(super) store: MemoryStore,
}

impl Plan {
    fn units(&self, operation: Operation, key: &ItemKey) -> Option<f64> {
        Some(match operation {
            Operation::PutEvents | Operation::PutFirstDay => ITEM_UNITS,
            Operation::WritePartial => self.partial_units(key),
            Operation::PutSketches => SKETCHES_UNITS,
            Operation::PutRejected
            | Operation::WriteCheckpoint
            | Operation::MarkFinished
            | Operation::PutDaily
            | Operation::PutTotal
            | Operation::CreateMeta
            | Operation::ReplaceMeta => 1.0,
            // Reads have units of their own.
            _ => return None,
        })
    }

    /// One unit for each started KB of what is there.
    fn partial_units(&self, key: &ItemKey) -> f64 {
        let partials = self.store.all_partials();
        let there = partials.iter().find(|partial| keys::partial(partial.date, &partial.source) == *key);
        let bytes = there.map_or(0, headcount_core::partial::PartialRecord::bytes) + PARTIAL_OVERHEAD_BYTES;
        bytes.div_ceil(1 << 10) as f64
    }
}

impl FaultPlan for Plan {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let now_ms = self.supply.time.now_ms();
        let units: Vec<Option<f64>> = request.keys.iter().map(|key| self.units(request.operation, key)).collect();
        let mut state = self.supply.state();
        if now_ms < state.outage_until_ms {
            state.writes.unanswered += 1;
            // Half of the connections are refused, the others hang until the client gives up.
            let hangs = state.random.bool();
            let after = if hangs { OPERATION_TIMEOUT } else { Duration::from_millis(state.random.u64(LATENCY_MS)) };
            return Decision { after, ..Decision::fault(Fault::UnknownBefore) };
        }
        let before = Duration::from_millis(state.random.u64(LATENCY_MS));
        state.fill(now_ms);
        let taken: Vec<bool> =
            units.iter().map(|units| units.is_none_or(|units| state.spend(request.operation, units))).collect();
        let fault = if taken.iter().all(|taken| *taken) {
            None
        } else if taken.iter().any(|taken| *taken) {
            let fate = |taken: &bool| if *taken { ItemFault::Fine } else { ItemFault::Unprocessed };
            Some(Fault::Items(taken.iter().map(fate).collect()))
        } else {
            Some(Fault::Throttle)
        };
        Decision { before, fault, after: Duration::ZERO, in_flight: true }
    }
}
