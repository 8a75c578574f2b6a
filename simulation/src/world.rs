//! A world: what is in it, and the order in which it lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use headcount_core::limits::MAX_EARLINESS_MS;
use headcount_core::origin::Source;
use headcount_testkit::faulty::Faulty;
use headcount_testkit::faulty::plan::{FaultKind, FaultPlan};
use headcount_testkit::memory::MemoryStore;
use headcount_testkit::objects::FaultyObjects;
use headcount_testkit::objects::plan as objects;
use object_store::memory::InMemory;
use parking_lot::{Mutex, MutexGuard};

use crate::ages::Night;
use crate::check::entries::Cache;
use crate::check::looks::Looked;
use crate::faults::{BucketFaults, FaultyStore, Surroundings, TableFaults, Weather};
use crate::functions::{Fleet, Work};
use crate::history::History;
use crate::params::Params;
use crate::redrive::Kept;
use crate::scenario::{Cause, Scenario};
use crate::stream::{Record, Stream};
use crate::tally::{Kind, Tally};
use crate::time::{HOUR_MS, MINUTE_MS, Time};
use crate::truth::{Content, Delivered, TimeRules, Truth};
use crate::{Report, ages, aggregators, chance, check, imports, mapping, producers, redrive, restore, trouble};

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) params: Params,
    pub(crate) rules: TimeRules,
    pub(crate) time: Time,
    pub(crate) weather: Arc<Weather>,
    pub(crate) bucket: FaultyObjects,
    /// The same bucket, without faults.
    pub(crate) quiet_bucket: FaultyObjects,
    pub(crate) stream: Stream,
    pub(crate) fleet: Fleet,
    history: Arc<History>,
    tables: Mutex<Vec<Table>>,
    state: Mutex<State>,
}

/// The table, or one that took its place when it was restored.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) number: u64,
    pub(crate) store: MemoryStore,
    pub(crate) faulty: FaultyStore,
}

/// What became of an entry that is not in the log any more as it was appended.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// As it was appended.
    pub(crate) bytes: Bytes,
    /// Whether it expired, and is not damaged.
    pub(crate) is_expired: bool,
    /// The number of the table at that time.
    pub(crate) table: u64,
}

#[derive(Default)]
struct State {
    truth: Truth,
    tally: Tally,
    mismatches: Vec<String>,
    kept: Vec<Kept>,
    redriven: BTreeSet<Source>,
    poison: Option<(Source, u64)>,
    records: u64,
    gone: BTreeMap<(Source, u64), Gone>,
    cache: Cache,
    looked: Looked,
    /// Partials that were damaged, by date, source and version.
    damaged: BTreeSet<(NaiveDate, Source, u64)>,
    nights: Vec<Night>,
    aggregators_begun: u64,
    last_aggregator_ended: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, keeps_history: bool) -> Arc<Self> {
        let mut random = chance(scenario.seed, "world", 0);
        let zones = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Kolkata, Tz::Pacific__Auckland];
        let zone = zones[random.usize(..zones.len())];
        // The clocks of Berlin change on the second day.
        let first = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap_or_default();
        let mut params = Params::draw(first, zone, &mut random);
        let mut long = chance(scenario.seed, "long", 0);
        if long.u8(0..4) == 0 {
            params = params.lengthened(first, zone, &mut long);
        }
        let lateness_ms = random.i64(2..9) * HOUR_MS;
        let rules = TimeRules { zone, lateness_ms, earliness_ms: MAX_EARLINESS_MS };
        let world = Self::build(scenario, params, rules, keeps_history, &mut random);
        world.replace_table(MemoryStore::with_page_items(random.usize(2..12)));
        Arc::new(world)
    }

    /// A world without a table.
    pub(crate) fn build(
        scenario: &Scenario,
        params: Params,
        rules: TimeRules,
        keeps_history: bool,
        random: &mut fastrand::Rng,
    ) -> Self {
        let (time, weather) = (Time::beginning_at(params.began_ms), Arc::new(Weather::default()));
        let history = Arc::new(History::new(keeps_history));
        let around = Surroundings { weather: Arc::clone(&weather), time, history: Arc::clone(&history) };
        let faults = BucketFaults::new(scenario, params.bucket_roughness, around);
        let now = move || DateTime::from_timestamp_millis(time.now_ms()).unwrap_or_default();
        let bucket = FaultyObjects::with_clock(InMemory::new(), faults, now);
        let quiet_bucket = bucket.without_faults();
        let stream = Stream::new(params.shards, random);
        Self {
            scenario: scenario.clone(),
            rules,
            time,
            weather,
            bucket,
            quiet_bucket,
            stream,
            fleet: Fleet::new(params.sandboxes),
            params,
            history,
            tables: Mutex::default(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn tables(&self) -> MutexGuard<'_, Vec<Table>> {
        self.tables.lock()
    }

    /// The table that is in use.
    pub(crate) fn table(&self) -> Table {
        self.tables().last().cloned().expect("there is a table from the beginning on")
    }

    /// From now on another table is in use.
    pub(crate) fn replace_table(&self, store: MemoryStore) {
        let around =
            Surroundings { weather: Arc::clone(&self.weather), time: self.time, history: Arc::clone(&self.history) };
        let number = 1 + self.tables().len() as u64;
        let faults = TableFaults::new(number, &self.scenario, self.params.table_roughness, around);
        self.use_table(store, faults);
    }

    /// From now on this table is in use, with faults of its own.
    pub(crate) fn use_table(&self, store: MemoryStore, faults: impl FaultPlan + 'static) {
        let mut tables = self.tables();
        let number = 1 + tables.len() as u64;
        let faulty = Faulty::new(store.clone(), faults);
        tables.push(Table { number, store, faulty });
    }

    pub(crate) fn tell(&self, line: std::fmt::Arguments<'_>) {
        self.history.tell(self.time.now_ms(), line);
    }

    pub(crate) fn count(&self, kind: Kind, times: u64) {
        self.state().tally.count(kind, times);
    }

    pub(crate) fn count_entries(&self, entries: u64) {
        self.state().tally.entries += entries;
    }

    pub(crate) fn began_batch(&self) {
        self.state().tally.batches += 1;
    }

    pub(crate) fn mismatch(&self, what: String) {
        self.tell(format_args!("MISMATCH: {what}"));
        self.state().mismatches.push(what);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.state().mismatches.is_empty()
    }

    /// A source took a record.
    pub(crate) fn took(&self, source: &Source, record: &Record, content: &Content) {
        let mut state = self.state();
        state.tally.records += 1;
        state.records += 1;
        let is_poison = self.params.has_poison && self.scenario.has(Cause::Poison) && state.records > 5;
        if is_poison && state.poison.is_none() && source.is_shard() {
            state.poison = Some((source.clone(), record.sequence));
        }
        state.truth.take(source, record, content, &self.rules);
        let delivered = &state.truth.sources[source][&record.sequence];
        let days: BTreeSet<NaiveDate> = delivered.occurrences.iter().map(|one| one.day).collect();
        let rejected = delivered.rejected.len() as u64;
        state.tally.count(Kind::TwoDays, u64::from(days.len() > 1));
        state.tally.count(Kind::Invalid, rejected);
    }

    pub(crate) fn is_poisoned(&self, work: &Work) -> bool {
        let Some((source, sequence)) = self.state().poison.clone() else { return false };
        work.source == source && work.records.iter().any(|record| record.sequence == sequence)
    }

    pub(crate) fn give_up(&self, kept: Kept) {
        let mut state = self.state();
        let records = kept.records.iter().map(|record| (kept.origin.clone(), record.sequence));
        state.truth.given_up.extend(records);
        state.kept.push(kept);
    }

    pub(crate) fn some_kept(&self, random: &mut fastrand::Rng) -> Option<(usize, Kept)> {
        let state = self.state();
        let number = random.usize(0..state.kept.len().max(1));
        Some((number, state.kept.get(number)?.clone()))
    }

    pub(crate) fn all_kept(&self) -> Vec<Kept> {
        self.state().kept.clone()
    }

    /// The days that a kept batch has something of.
    pub(crate) fn days_of(&self, kept: &Kept) -> BTreeSet<NaiveDate> {
        let state = self.state();
        let records = &state.truth.sources[&kept.origin];
        kept.records.iter().filter_map(|record| records.get(&record.sequence)).flat_map(Delivered::days).collect()
    }

    /// A kept batch becomes a source; whether it was one before.
    pub(crate) fn is_redriven_again(&self, source: &Source, kept: &Kept) -> bool {
        let mut state = self.state();
        state.truth.redrive(source, &kept.origin, &kept.records);
        !state.redriven.insert(source.clone())
    }

    /// An entry is not in the log any more as it was appended.
    pub(crate) fn lost_entry(&self, source: &Source, entry: u64, gone: Gone) {
        self.state().gone.entry((source.clone(), entry)).or_insert(gone);
    }

    pub(crate) fn gone(&self) -> BTreeMap<(Source, u64), Gone> {
        self.state().gone.clone()
    }

    /// A partial of this version is damaged.
    pub(crate) fn damaged_partial(&self, date: NaiveDate, source: &Source, version: u64) {
        self.state().damaged.insert((date, source.clone(), version));
    }

    pub(crate) fn damaged_partials(&self) -> BTreeSet<(NaiveDate, Source, u64)> {
        self.state().damaged.clone()
    }

    pub(crate) fn had_a_good_night(&self, night: Night) {
        self.state().nights.push(night);
    }

    pub(crate) fn nights(&self) -> Vec<Night> {
        self.state().nights.clone()
    }

    pub(crate) fn begin_aggregator(&self) -> u64 {
        let mut state = self.state();
        state.aggregators_begun += 1;
        state.aggregators_begun
    }

    /// Whether one that began later has ended before.
    pub(crate) fn end_aggregator(&self, number: u64) -> bool {
        let mut state = self.state();
        let is_overtaken = state.last_aggregator_ended > number;
        state.last_aggregator_ended = state.last_aggregator_ended.max(number);
        is_overtaken
    }

    pub(crate) fn with_truth<T>(&self, look: impl FnOnce(&Truth) -> T) -> T {
        look(&self.state().truth)
    }

    pub(crate) fn with_cache<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        work(&mut self.state().cache)
    }

    pub(crate) fn with_looked<T>(&self, work: impl FnOnce(&mut Looked) -> T) -> T {
        work(&mut self.state().looked)
    }

    pub(crate) fn report(&self) -> Report {
        let mut tally = self.state().tally.clone();
        for Table { faulty, .. } in &*self.tables() {
            tally.requests += faulty.requests().values().sum::<u64>();
            for (fault, times) in faulty.faults() {
                if let Some(kind) = table_kind(fault) {
                    tally.count(kind, times);
                }
            }
        }
        tally.requests += self.bucket.requests().values().sum::<u64>();
        for (fault, times) in self.bucket.faults() {
            if let Some(kind) = bucket_kind(fault) {
                tally.count(kind, times);
            }
        }
        let [outage, silence] = self.weather.unanswered();
        tally.count(Kind::OutageRequests, outage);
        tally.count(Kind::SilenceRequests, silence);
        let state = self.state();
        tally.events = state.truth.events.len() as u64;
        let mismatches = state.mismatches.clone();
        Report { mismatches, tally, digest: self.history.digest(), history: self.history.lines() }
    }
}

fn table_kind(fault: FaultKind) -> Option<Kind> {
    Some(match fault {
        FaultKind::Delay => Kind::Delayed,
        FaultKind::Throttle => Kind::Throttled,
        FaultKind::UnknownBefore => Kind::UnknownBefore,
        FaultKind::UnknownAfter => Kind::UnknownAfter,
        FaultKind::CrashBefore => Kind::CrashBefore,
        FaultKind::CrashAfter => Kind::CrashAfter,
        FaultKind::ItemUnprocessed => Kind::ItemUnprocessed,
        FaultKind::ItemUnreported => Kind::ItemUnreported,
        FaultKind::LateEffect => Kind::LateEffect,
        FaultKind::ConditionFailed => Kind::ConditionFailed,
        // What the table refuses as invalid depends on the event; the wire's rules refuse it before.
        FaultKind::Invalid => return None,
    })
}

fn bucket_kind(fault: objects::FaultKind) -> Option<Kind> {
    use objects::Fault;
    Some(match fault {
        objects::FaultKind::Fault(Fault::UnknownBefore) => Kind::BucketUnknownBefore,
        objects::FaultKind::Fault(Fault::UnknownAfter) => Kind::BucketUnknownAfter,
        objects::FaultKind::Fault(Fault::UnknownLate) => Kind::PutLate,
        objects::FaultKind::Fault(Fault::Conflict) => Kind::PutConflict,
        objects::FaultKind::Fault(Fault::CrashBefore) => Kind::CrashBefore,
        objects::FaultKind::Fault(Fault::CrashAfter) => Kind::CrashAfter,
        objects::FaultKind::Delay => Kind::BucketSlow,
        objects::FaultKind::LateEffect => Kind::BucketLateEffect,
        objects::FaultKind::Exists => Kind::PutExists,
        // The world's own weather does it; no permission changes by itself.
        objects::FaultKind::Outage | objects::FaultKind::Fault(Fault::Refused) => return None,
    })
}

/// Lives through the world, from its first record to the last look at it.
pub(crate) async fn live(world: &Arc<World>) {
    let mut readers: Vec<_> = (0..world.params.shards).map(|shard| mapping::read(world, shard)).collect();
    let sends = producers::produce(world);
    let resharding = tokio::spawn(mapping::reshard(Arc::clone(world)));
    let second = tokio::spawn(mapping::second(Arc::clone(world)));
    let others = [
        tokio::spawn(trouble::table_outages(Arc::clone(world))),
        tokio::spawn(trouble::bucket_outages(Arc::clone(world))),
        tokio::spawn(trouble::damage(Arc::clone(world))),
        tokio::spawn(trouble::expire(Arc::clone(world))),
        tokio::spawn(ages::expire(Arc::clone(world))),
        tokio::spawn(ages::nights(Arc::clone(world))),
        tokio::spawn(restore::now_and_then(Arc::clone(world))),
        tokio::spawn(redrive::now_and_then(Arc::clone(world))),
        tokio::spawn(imports::now_and_then(Arc::clone(world))),
        tokio::spawn(check::looks::now_and_then(Arc::clone(world))),
    ];
    let following = tokio::spawn(aggregators::now_and_then(Arc::clone(world)));
    for send in sends {
        joined(send.await);
    }
    readers.extend(joined(resharding.await));
    readers.extend(joined(second.await));
    let end_ms = world.params.began_ms + world.params.span_ms;
    world.time.until(end_ms).await;
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
    for run in joined(following.await) {
        joined(run.await);
    }
    // What is on its way when its sender is gone arrives within the longest delay.
    world.time.until(world.time.now_ms() + HOUR_MS).await;
    aggregators::finish(world).await;
    ages::last_night(world).await;
    check::everything(world).await;
}

/// What a task of the world came to; its panic is the world's.
pub(crate) fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
