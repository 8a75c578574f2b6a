//! A world: what it is like, what is in it, and the order in which it lives.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{days_after, days_before, end_of, start_of};
use headcount_core::deployment::{Deployment, WriteShardPlan};
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::origin::Origin;
use headcount_store::defects::Defect;
use headcount_store::faulty::Faulty;
use headcount_store::faulty::plan::FaultKind;
use headcount_store::memory::{MemoryStore, PartialPart};

use super::faults::{Faults, FaultyStore, SLOW, Weather};
use super::functions::Fleet;
use super::history::History;
use super::redrive::Kept;
use super::scenario::{Cause, Scenario};
use super::stream::{Record, Stream, source};
use super::tally::{Kind, Tally};
use super::time::{HOUR_MS, MINUTE_MS, Time};
use super::truth::{Content, TimeRules, Truth};
use super::{Report, aggregators, chance, check, damage, mapping, producers, redrive};

/// More sends than this no world has.
pub(super) const MAX_SENDS: u32 = 45;

/// What the world is like, drawn from its seed.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) began_ms: i64,
    pub(super) span_ms: i64,
    /// Midnights of the reporting zone that it goes over.
    pub(super) midnights_ms: Vec<i64>,
    pub(super) sends: u32,
    pub(super) users: u8,
    pub(super) shards: usize,
    pub(super) batch_size: usize,
    pub(super) window_ms: i64,
    pub(super) bisects: bool,
    /// After how many retries the mapping gives up.
    pub(super) max_retries: Option<u32>,
    /// At which age of its records the mapping gives up.
    pub(super) max_age_ms: Option<i64>,
    pub(super) retention_ms: i64,
    /// How often faults happen, from 0 to 1.
    pub(super) roughness: f64,
    /// Whether there is a record at which the function dies.
    pub(super) has_poison: bool,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) params: Params,
    pub(super) rules: TimeRules,
    pub(super) time: Time,
    pub(super) weather: Arc<Weather>,
    pub(super) store: MemoryStore,
    pub(super) consumers: FaultyStore,
    pub(super) aggregators: FaultyStore,
    /// The store as an aggregator sees it whose writes take very long.
    pub(super) slow_aggregator: FaultyStore,
    pub(super) stream: Stream,
    pub(super) fleet: Fleet,
    history: Arc<History>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    truth: Truth,
    tally: Tally,
    mismatches: Vec<String>,
    kept: Vec<Kept>,
    poison: Option<(usize, u64)>,
    /// Days whose counters were damaged, so that their duplicates are only a lower bound.
    lost_duplicates: BTreeSet<NaiveDate>,
    /// Days of each record.
    days_of: std::collections::BTreeMap<(usize, u64), BTreeSet<NaiveDate>>,
    aggregators_begun: u64,
    last_aggregator_ended: u64,
}

impl World {
    pub(super) fn new(scenario: &Scenario, keeps_history: bool) -> Arc<Self> {
        let mut random = chance(scenario.seed, "world", 0);
        let zones = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Kolkata, Tz::Pacific__Auckland];
        let zone = zones[random.usize(..zones.len())];
        // The clocks of Berlin change on the second day.
        let first = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap_or_default();
        let params = Params::draw(first, zone, &mut random);
        let lateness_ms = random.i64(2..9) * HOUR_MS;
        let store = MemoryStore::with_page_items(random.usize(2..12));
        store.replace_deployment(deployment(first, zone, &mut random));
        let (time, weather) = (Time::beginning_at(params.began_ms), Arc::new(Weather::default()));
        let history = Arc::new(History::new(keeps_history));
        let faulty = |name| {
            let around = (Arc::clone(&weather), store.clone(), time, Arc::clone(&history));
            Faulty::new(store.clone(), Faults::new(name, scenario, params.roughness, around))
        };
        let (consumers, aggregators) = (faulty("consumer"), faulty("aggregator"));
        let slow_aggregator = faulty(SLOW);
        let stream = Stream::new(params.shards, &mut random);
        let rules = TimeRules { zone, lateness_ms, earliness_ms: MAX_EARLINESS_MS };
        Arc::new(Self {
            scenario: scenario.clone(),
            params,
            rules,
            time,
            weather,
            store,
            consumers,
            aggregators,
            slow_aggregator,
            stream,
            fleet: Fleet::default(),
            history,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, line: std::fmt::Arguments<'_>) {
        self.history.tell(self.time.now_ms(), line);
    }

    pub(super) fn count(&self, kind: Kind, times: u64) {
        self.state().tally.count(kind, times);
    }

    pub(super) fn began_batch(&self) {
        self.state().tally.batches += 1;
    }

    pub(super) fn mismatch(&self, what: String) {
        self.tell(format_args!("MISMATCH: {what}"));
        self.state().mismatches.push(what);
    }

    /// The stream took a record; the days that it touches.
    pub(super) fn took(&self, shard: usize, sequence: u64, arrived_ms: i64, content: &Content) -> BTreeSet<NaiveDate> {
        let origin = |index| Origin { source: source(shard), sequence: sequence.into(), index };
        let mut state = self.state();
        state.tally.records += 1;
        if self.params.has_poison
            && state.poison.is_none()
            && self.scenario.has(Cause::Poison)
            && state.tally.records > 5
        {
            state.poison = Some((shard, sequence));
        }
        let days = state.truth.take(content, origin, arrived_ms, &self.rules);
        state.days_of.insert((shard, sequence), days.clone());
        days
    }

    pub(super) fn is_poisoned(&self, shard: usize, records: &[Record]) -> bool {
        let poison = self.state().poison;
        records.iter().any(|record| poison == Some((shard, record.sequence)))
    }

    pub(super) fn give_up(&self, kept: Kept) {
        let mut state = self.state();
        for record in &kept.records {
            let days = state.days_of.get(&(kept.shard, record.sequence)).cloned().unwrap_or_default();
            state.truth.given_up.extend(days);
        }
        state.kept.push(kept);
    }

    pub(super) fn has_given_up(&self) -> bool {
        !self.state().kept.is_empty()
    }

    pub(super) fn some_kept(&self, random: &mut fastrand::Rng) -> Option<Kept> {
        let state = self.state();
        random.choice(&state.kept).cloned()
    }

    pub(super) fn all_kept(&self) -> Vec<Kept> {
        self.state().kept.clone()
    }

    pub(super) fn damaged(&self, date: NaiveDate, part: PartialPart) {
        if part == PartialPart::Counters {
            self.state().lost_duplicates.insert(date);
        }
    }

    pub(super) fn begin_aggregator(&self) -> u64 {
        let mut state = self.state();
        state.aggregators_begun += 1;
        state.aggregators_begun
    }

    /// Whether one that began later has ended before.
    pub(super) fn end_aggregator(&self, number: u64) -> bool {
        let mut state = self.state();
        let is_overtaken = state.last_aggregator_ended > number;
        state.last_aggregator_ended = state.last_aggregator_ended.max(number);
        is_overtaken
    }

    pub(super) fn days(&self) -> BTreeSet<NaiveDate> {
        self.state().truth.days()
    }

    /// Looks at the truth; days whose duplicates are only a lower bound come with it.
    pub(super) fn with_truth<T>(&self, look: impl FnOnce(&Truth, &BTreeSet<NaiveDate>) -> T) -> T {
        let state = self.state();
        let loose = state.truth.given_up.union(&state.lost_duplicates).copied().collect();
        look(&state.truth, &loose)
    }

    pub(super) fn report(&self) -> Report {
        let mut tally = self.state().tally.clone();
        for store in [&self.consumers, &self.aggregators, &self.slow_aggregator] {
            tally.requests += store.requests().values().sum::<u64>();
            for (fault, times) in store.faults() {
                if let Some(kind) = kind_of(fault) {
                    tally.count(kind, times);
                }
            }
        }
        let state = self.state();
        tally.events = state.truth.events.len() as u64;
        let mismatches = state.mismatches.clone();
        Report { mismatches, tally, digest: self.history.digest(), history: self.history.lines() }
    }
}

fn kind_of(fault: FaultKind) -> Option<Kind> {
    Some(match fault {
        FaultKind::Delay => Kind::Delayed,
        FaultKind::Throttle => Kind::Throttled,
        FaultKind::UnknownBefore => Kind::UnknownBefore,
        FaultKind::UnknownAfter => Kind::UnknownAfter,
        FaultKind::CrashBefore => Kind::CrashBefore,
        FaultKind::CrashAfter => Kind::CrashAfter,
        FaultKind::ItemUnprocessed => Kind::ItemUnprocessed,
        FaultKind::ItemUnknownBefore => Kind::ItemUnknownBefore,
        FaultKind::ItemUnknownAfter => Kind::ItemUnknownAfter,
        FaultKind::LateEffect => Kind::LateEffect,
        FaultKind::ConditionFailed => Kind::ConditionFailed,
        // What the table refuses as invalid depends on the event; the wire's rules refuse it before.
        FaultKind::Invalid => return None,
    })
}

impl Params {
    fn draw(first: NaiveDate, zone: Tz, random: &mut fastrand::Rng) -> Self {
        let began_ms = start_of(zone, first) + random.i64(14..22) * HOUR_MS;
        let span_ms = random.i64(16..34) * HOUR_MS;
        let midnights_ms = (0..3).map(|day| end_of(zone, days_after(first, day)));
        let midnights_ms = midnights_ms.filter(|midnight| (began_ms..began_ms + span_ms).contains(midnight)).collect();
        // What was given up makes some figures only a bound: in half of the worlds nothing is.
        let gives_up = random.bool();
        let max_retries = (gives_up && random.bool()).then(|| random.u32(0..4));
        let max_age_ms = (gives_up && random.u8(0..3) > 0).then(|| random.i64(3..60) * MINUTE_MS);
        Self {
            began_ms,
            span_ms,
            midnights_ms,
            sends: random.u32(10..MAX_SENDS),
            users: random.u8(3..20),
            shards: random.usize(1..4),
            batch_size: random.usize(1..16),
            window_ms: random.i64(0..5) * MINUTE_MS,
            bisects: random.u8(0..5) > 0,
            max_retries,
            max_age_ms,
            retention_ms: 24 * HOUR_MS,
            roughness: [0.2, 0.6, 1.0, 2.0][random.usize(0..4)],
            has_poison: (max_retries.is_some() || max_age_ms.is_some()) && random.bool(),
        }
    }
}

fn deployment(first: NaiveDate, zone: Tz, random: &mut fastrand::Rng) -> Deployment {
    let mut deployment = Deployment::new(zone, "simulated");
    let plan = match random.u8(0..4) {
        0 => WriteShardPlan::from_changes([(days_before(first, 30), random.u32(2..5))]),
        // A change in the middle of the world's days: each day keeps its own number.
        1 => WriteShardPlan::from_changes([(days_after(first, 1), random.u32(2..5))]),
        _ => Ok(WriteShardPlan::default()),
    };
    deployment.write_shards = plan.unwrap_or_default();
    deployment
}

/// Lives through the world, from its first record to the closing of its days.
pub(super) async fn live(world: &Arc<World>) {
    let readers: Vec<_> = (0..world.params.shards).map(|shard| mapping::read(world, shard)).collect();
    let sends = producers::produce(world);
    let resharding = tokio::spawn(mapping::reshard(Arc::clone(world)));
    let aggregating = tokio::spawn(aggregators::now_and_then(Arc::clone(world)));
    let others = [
        tokio::spawn(damage::damage(Arc::clone(world))),
        tokio::spawn(damage::take_away(Arc::clone(world))),
        tokio::spawn(redrive::now_and_then(Arc::clone(world))),
        tokio::spawn(change_write_shards(Arc::clone(world))),
    ];
    for send in sends {
        joined(send.await);
    }
    let mut readers = readers;
    readers.extend(joined(resharding.await));
    let end_ms = world.params.began_ms + world.params.span_ms;
    world.time.until(end_ms).await;
    // One more, which begins in the storm, and may end after everybody else.
    let late = tokio::spawn({
        let world = Arc::clone(world);
        async move { aggregators::one(&world, world.slow_aggregator.process(), world.scenario.seed).await }
    });
    let mut random = chance(world.scenario.seed, "end", 0);
    world.time.until(world.time.now_ms() + random.i64(0..5 * MINUTE_MS)).await;
    for other in others {
        joined(other.await);
    }
    world.tell(format_args!("all becomes calm"));
    world.weather.calm_down();
    world.stream.close();
    for reader in readers {
        joined(reader.await);
    }
    world.fleet.restart();
    redrive::everything(world).await;
    world.fleet.all_are_dead().await;
    aggregators::finish(world).await;
    for run in joined(aggregating.await).into_iter().chain([late]) {
        joined(run.await);
    }
    // What is on its way when its sender is gone arrives within the longest delay.
    world.time.until(world.time.now_ms() + HOUR_MS).await;
    check::open(world).await;
    let closed_ms = end_ms + 2 * DAY_MS + world.rules.lateness_ms + world.params.retention_ms + DAY_MS;
    world.time.until(closed_ms).await;
    aggregators::close(world).await;
    check::closed(world);
}

/// What nobody may do: the days that go on get other write shards.
async fn change_write_shards(world: Arc<World>) {
    if !Defect::WriteShardsChanged.is_on() {
        return;
    }
    let mut random = chance(world.scenario.seed, "write shards", 0);
    world.time.until(world.params.began_ms + random.i64(HOUR_MS..world.params.span_ms)).await;
    let first = world.rules.day(world.params.began_ms);
    let mut deployment = Deployment::new(world.rules.zone, "simulated");
    deployment.write_shards =
        WriteShardPlan::from_changes([(days_before(first, 30), random.u32(5..8))]).unwrap_or_default();
    world.store.replace_deployment(deployment);
}

/// What a task of the world came to; its panic is the world's.
fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
