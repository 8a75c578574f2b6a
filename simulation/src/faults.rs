//! What becomes of each request to table and bucket: drawn from the seed and the request's number, by what the world is
//! like at that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{Decision, Fault, FaultPlan, Operation, Request};
use headcount_testkit::faulty::seeded::{Rates, SeededFaults};
use headcount_testkit::memory::MemoryStore;
use headcount_testkit::objects::plan as objects;

use crate::chance;
use crate::history::History;
use crate::scenario::{Cause, Scenario};
use crate::time::{MINUTE_MS, Time};

/// The table as one process sees it.
pub(crate) type FaultyStore = Faulty<MemoryStore>;

/// What the world is like at a moment.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    is_calm: AtomicBool,
    /// Until when the table does not answer, milliseconds since the epoch.
    outage_until_ms: AtomicI64,
    /// Until when the bucket does not.
    silence_until_ms: AtomicI64,
    /// Requests during these times.
    unanswered: [AtomicU64; 2],
    /// Requests to the bucket that did not go well.
    bucket_faults: AtomicU64,
}

impl Weather {
    /// No more faults from now on.
    pub(crate) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    pub(crate) fn table_is_out_until(&self, until_ms: i64) {
        self.outage_until_ms.store(until_ms, Ordering::SeqCst);
    }

    pub(crate) fn bucket_is_out_until(&self, until_ms: i64) {
        self.silence_until_ms.store(until_ms, Ordering::SeqCst);
    }

    /// Requests during outages of the table and of the bucket.
    pub(crate) fn unanswered(&self) -> [u64; 2] {
        [0, 1].map(|index| self.unanswered[index].load(Ordering::SeqCst))
    }

    /// How often the bucket did anything but answer at once and truly.
    pub(crate) fn bucket_faults(&self) -> u64 {
        self.bucket_faults.load(Ordering::SeqCst)
    }

    fn is_out(&self, index: usize, until_ms: &AtomicI64, now_ms: i64) -> bool {
        let is_out = now_ms < until_ms.load(Ordering::SeqCst);
        self.unanswered[index].fetch_add(u64::from(is_out), Ordering::SeqCst);
        is_out
    }
}

/// What the plans have in common.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) weather: Arc<Weather>,
    pub(crate) time: Time,
    pub(crate) history: Arc<History>,
}

/// The faults of the table.
pub(crate) struct TableFaults {
    seed: u64,
    name: String,
    seeded: SeededFaults,
    /// The longest that a request takes which takes long.
    longest: Duration,
    is_late: bool,
    around: Surroundings,
}

impl TableFaults {
    /// `roughness` scales how often each fault happens.
    pub(crate) fn new(number: u64, scenario: &Scenario, roughness: f64, around: Surroundings) -> Self {
        let rate = |cause, rate: f64| if scenario.has(cause) { rate * roughness } else { 0.0 };
        let rates = Rates {
            throttle: rate(Cause::Throttle, 0.08),
            unknown_before: rate(Cause::Unknown, 0.04),
            unknown_after: rate(Cause::Unknown, 0.06),
            crash_before: rate(Cause::Crash, 0.008),
            crash_after: rate(Cause::Crash, 0.012),
            partial: rate(Cause::Items, 0.3),
            item: 0.4,
            delay: if scenario.has(Cause::Late) { 0.7 } else { 0.0 },
            longest_delay: Duration::from_millis(400),
        };
        let name = format!("table {number}");
        let mut random = chance(scenario.seed, &name, 0);
        Self {
            seed: scenario.seed,
            name,
            seeded: SeededFaults::new(random.u64(..), rates),
            longest: Duration::from_secs(random.u64(20..900)),
            is_late: scenario.has(Cause::Late) && roughness > 0.0,
            around,
        }
    }

    fn draw(&self, request: &Request<'_>) -> Decision {
        let Surroundings { weather, time, .. } = &self.around;
        if weather.is_calm() {
            return Decision::default();
        }
        let mut random = chance(self.seed, &self.name, request.number);
        if weather.is_out(0, &weather.outage_until_ms, time.now_ms()) {
            return Decision {
                after: Duration::from_millis(random.u64(0..6_000)),
                ..Decision::fault(Fault::UnknownBefore)
            };
        }
        let mut decision = self.seeded.decide(request);
        if self.is_late {
            // Few requests take very long, and then they may well outlive their sender.
            if random.f64() < 0.02 {
                decision.before = self.longest.mul_f64(random.f64());
            }
            decision.in_flight = random.bool();
        }
        decision
    }
}

impl FaultPlan for TableFaults {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.draw(request);
        let place = request.keys.first().map(|key| format!("{} {}", key.pk, key.sk)).unwrap_or_default();
        let fate = decision.fault.as_ref().map(|fault| format!(": {fault:?}")).unwrap_or_default();
        let (number, operation, keys) = (request.number, request.operation, request.keys.len());
        let (delay, name) = (decision.before.as_millis(), &self.name);
        self.around
            .tell(format_args!("{name} request {number} {operation:?} of {keys} from {place}, {delay} ms{fate}"));
        decision
    }

    fn took_effect(&self, operation: Operation, number: u64, conditions_failed: u64) {
        let refused = if conditions_failed > 0 { ", condition failed" } else { "" };
        self.around.tell(format_args!("{} request {number} {operation:?} took effect{refused}", self.name));
    }
}

impl Surroundings {
    fn tell(&self, line: std::fmt::Arguments<'_>) {
        self.history.tell(self.time.now_ms(), line);
    }
}

/// The faults of the bucket.
pub(crate) struct BucketFaults {
    seed: u64,
    longest: Duration,
    /// How often of a thousand requests each fault happens.
    rates: [(objects::Fault, f64); 6],
    slow: f64,
    /// How often all puts of one object fail for a while.
    stubborn: f64,
    around: Surroundings,
}

impl BucketFaults {
    pub(crate) fn new(scenario: &Scenario, roughness: f64, around: Surroundings) -> Self {
        let rate = |cause, rate: f64| if scenario.has(cause) { rate * roughness } else { 0.0 };
        let rates = [
            (objects::Fault::UnknownBefore, rate(Cause::PutUnknown, 0.03)),
            (objects::Fault::UnknownAfter, rate(Cause::PutUnknown, 0.05)),
            (objects::Fault::UnknownLate, rate(Cause::PutLate, 0.05)),
            (objects::Fault::Conflict, rate(Cause::Conflict, 0.06)),
            (objects::Fault::CrashBefore, rate(Cause::Crash, 0.008)),
            (objects::Fault::CrashAfter, rate(Cause::Crash, 0.012)),
        ];
        let mut random = chance(scenario.seed, "bucket", 0);
        let longest = Duration::from_secs(random.u64(5..900));
        Self {
            seed: scenario.seed,
            longest,
            rates,
            slow: rate(Cause::PutLate, 0.04),
            stubborn: rate(Cause::Stubborn, 0.08),
            around,
        }
    }

    fn drawn(&self, mut drawn: f64) -> Option<objects::Fault> {
        for (fault, rate) in self.rates {
            if drawn < rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }

    /// What all puts of one object come to for a while: a server of the bucket is ill.
    fn stubborn(&self, request: &objects::Request<'_>) -> Option<objects::Fault> {
        let while_number = self.around.time.now_ms() / (5 * MINUTE_MS);
        let mut random = chance(self.seed, &format!("stubborn {}", request.path), while_number.unsigned_abs());
        let is_put = request.operation == objects::Operation::Create;
        (is_put && random.f64() < self.stubborn).then(|| {
            let faults = [objects::Fault::Conflict, objects::Fault::UnknownBefore, objects::Fault::UnknownLate];
            faults[random.usize(..faults.len())]
        })
    }

    fn draw(&self, request: &objects::Request<'_>) -> objects::Decision {
        let mut decision = objects::Decision::default();
        let Surroundings { weather, time, .. } = &self.around;
        if weather.is_calm() {
            return decision;
        }
        let mut random = chance(self.seed, "bucket", 1 + request.number);
        if weather.is_out(1, &weather.silence_until_ms, time.now_ms()) {
            decision.fault = Some(objects::Fault::UnknownBefore);
            decision.after = Duration::from_millis(random.u64(0..6_000));
            return decision;
        }
        decision.before = Duration::from_millis(random.u64(0..60));
        decision.after = Duration::from_millis(random.u64(0..20));
        decision.fault = self.stubborn(request).or_else(|| self.drawn(random.f64()));
        let is_write = matches!(request.operation, objects::Operation::Create | objects::Operation::Put);
        if decision.fault == Some(objects::Fault::UnknownLate) && !is_write {
            decision.fault = Some(objects::Fault::UnknownBefore);
        }
        let is_late = decision.fault == Some(objects::Fault::UnknownLate);
        if is_late || random.f64() < self.slow {
            // Squared: most are seconds late, some many minutes.
            decision.before = self.longest.mul_f64(random.f64() * random.f64());
        }
        decision.in_flight = is_write;
        decision
    }
}

impl objects::ObjectFaults for BucketFaults {
    fn decide(&self, request: &objects::Request<'_>) -> objects::Decision {
        let decision = self.draw(request);
        let went_well = decision.fault.is_none() && decision.before < Duration::from_millis(100);
        self.around.weather.bucket_faults.fetch_add(u64::from(!went_well), Ordering::SeqCst);
        let fate = decision.fault.as_ref().map(|fault| format!(": {fault:?}")).unwrap_or_default();
        let objects::Request { operation, number, path } = request;
        let delay = decision.before.as_millis();
        self.around.tell(format_args!("bucket request {number} {operation:?} of {path}, {delay} ms{fate}"));
        decision
    }
}
