//! Incidents: one trouble at a time under a steady load, with the functions on the schedules of the template, and what it
//! may cost in time. What must be right in the end is the same as in any other world.
//!
//! ```no_run
//! use headcount_simulation::incident::{Incident, run};
//! let course = run(Incident::Outage, 7);
//! assert!(course.broken.is_empty(), "{course:#?}");
//! ```

mod lag;
mod load;
mod service;
mod supply;

use std::fmt::Display;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::start_of;
use headcount_core::keys::Follower;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, MAX_EARLINESS_MS};
use headcount_core::metrics::DailyMetrics;
use headcount_testkit::memory::MemoryStore;

use self::lag::{Lags, Watch};
use self::load::Load;
use self::service::Service;
use self::supply::{ITEM_UNITS, Plan, Supply, Taken, Writes};
use crate::params::Params;
use crate::scenario::{Cause, Scenario};
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::truth::TimeRules;
use crate::world::{World, joined};
use crate::{chance, check, on_virtual_time};

/// Shards of the stream.
const SHARDS: usize = 4;

/// Full capacity: so many times the write units that event items need.
const FULL: f64 = 4.0;

/// The age that no record reaches before the consumer has it.
const MAX_UNREAD_MS: i64 = MINUTE_MS;

/// How far the figures may be behind the log while the table answers.
const MAX_FIGURES_LAG_MS: i64 = 2 * MINUTE_MS;

/// How long the load goes on before and after an incident.
const USUAL_MS: i64 = 10 * MINUTE_MS;

/// The longest that catching up may take.
const MAX_RECOVERY_MS: i64 = 6 * HOUR_MS;

/// Items are caught up when they are as far as in usual times: the last entries are still under way.
const CAUGHT_UP_MS: i64 = MINUTE_MS;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The table answers nothing for ten minutes, and the consumer is started cold twice meanwhile.
    Outage,
    /// For two hours the table takes half of the write units that event items need.
    HalfCapacity,
}

impl Incident {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Outage, Self::HalfCapacity];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::HalfCapacity => "half-capacity",
        }
    }

    /// The incident of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|incident| incident.name() == name)
    }

    /// How long it lasts.
    fn lasts_ms(self) -> i64 {
        match self {
            Self::Outage => 10 * MINUTE_MS,
            Self::HalfCapacity => 2 * HOUR_MS,
        }
    }

    /// Events of each record; a record a second arrives at every shard. Hours of load are scaled down, and so is the table.
    fn events_per_record(self) -> u32 {
        match self {
            Self::Outage => 5,
            Self::HalfCapacity => 2,
        }
    }
}

/// How an incident went.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// What was measured, each with what it is.
    pub measured: Vec<(&'static str, String)>,
    /// What is not as it must be; empty where all is well.
    pub broken: Vec<String>,
}

impl Course {
    fn note(&mut self, what: &'static str, value: impl Display) {
        self.measured.push((what, value.to_string()));
    }

    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    fn demand_below(&mut self, what: &str, lag_ms: i64, limit_ms: i64) {
        self.demand(lag_ms <= limit_ms, || format!("{what}: {}, not at most {}", seconds(lag_ms), seconds(limit_ms)));
    }
}

/// Lives through an incident.
pub fn run(incident: Incident, seed: u64) -> Course {
    let lived = on_virtual_time(async || Box::pin(live(incident, seed)).await);
    lived.unwrap_or_else(|panic| Course { measured: Vec::new(), broken: vec![panic] })
}

fn seconds(ms: i64) -> String {
    format!("{:.0} s", ms as f64 / 1_000.0)
}

fn minutes(ms: i64) -> String {
    format!("{:.1} min", ms as f64 / MINUTE_MS as f64)
}

/// A deployment under load.
struct Deployment {
    world: Arc<World>,
    supply: Arc<Supply>,
    load: Arc<Load>,
    service: Arc<Service>,
    watch: Watch,
    /// Write units that the load's event items need each second.
    needed_units: f64,
}

impl Deployment {
    fn new(incident: Incident, seed: u64) -> Self {
        let scenario = Scenario { seed, sends: None, without: Cause::all().collect() };
        let mut random = chance(seed, incident.name(), 0);
        let first = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap_or_default();
        let zone = Tz::UTC;
        let mut params = Params::draw(first, zone, &mut random);
        // The incident goes over midnight.
        params.began_ms = start_of(zone, first) + DAY_MS - USUAL_MS - incident.lasts_ms() * 3 / 4;
        params.shards = SHARDS;
        params.event_items = true;
        params.has_poison = false;
        params.proves = false;
        params.proof_memory = 8 << 20;
        let rules = TimeRules { zone, lateness_ms: DEFAULT_LATENESS_MS, earliness_ms: MAX_EARLINESS_MS };
        let world = Arc::new(World::build(&scenario, params, rules, false, &mut random));
        let needed_units = SHARDS as f64 * f64::from(incident.events_per_record()) * ITEM_UNITS;
        let supply = Arc::new(Supply::new(world.time, FULL * needed_units, random.fork()));
        let store = MemoryStore::new();
        world.use_table(store.clone(), Plan { supply: Arc::clone(&supply), store });
        let service = Service::new(&world);
        let watch = Watch::new(&world, &service);
        Self { world, supply, load: Arc::default(), service, watch, needed_units }
    }

    fn now_ms(&self) -> i64 {
        self.world.time.now_ms()
    }

    async fn go_on(&mut self, for_ms: i64) {
        self.watch.until(self.now_ms() + for_ms).await;
    }

    /// Waits until a follower is through with all entries that there are now; how long that took.
    async fn followed(&mut self, follower: Follower, tails: &[u64], since_ms: i64) -> Option<i64> {
        while !self.watch.has_followed(follower, tails) {
            if self.now_ms() - since_ms > MAX_RECOVERY_MS {
                return None;
            }
            self.watch.second().await;
        }
        Some(self.now_ms() - since_ms)
    }
}

async fn live(incident: Incident, seed: u64) -> Course {
    let mut deployment = Deployment::new(incident, seed);
    let mut course = Course::default();
    let producers = deployment.load.begin(&deployment.world, incident.events_per_record());
    let functions = deployment.service.begin();
    course.note("events a second", SHARDS as u32 * incident.events_per_record());
    deployment.go_on(USUAL_MS).await;
    let usual = deployment.watch.take_peaks();
    note_lags(&mut course, "before", usual);
    match incident {
        Incident::Outage => outage(&mut deployment, &mut course).await,
        Incident::HalfCapacity => half_capacity(&mut deployment, &mut course).await,
    }
    deployment.go_on(USUAL_MS).await;
    let after = deployment.watch.take_peaks();
    course.demand_below("age of the oldest unread record afterwards", after.unread, MAX_UNREAD_MS);

    deployment.load.end();
    for producer in producers {
        joined(producer.await);
    }
    deployment.world.stream.close();
    // The roll-up of the next hour tells the final figures.
    deployment.go_on(HOUR_MS + USUAL_MS).await;
    deployment.service.end();
    for function in functions {
        joined(function.await);
    }
    end(&deployment, &mut course).await;
    course
}

async fn outage(deployment: &mut Deployment, course: &mut Course) {
    let lasts_ms = Incident::Outage.lasts_ms();
    deployment.supply.take_writes();
    let (appended, started) = (deployment.watch.events(), deployment.service.started());
    let end_ms = deployment.now_ms() + lasts_ms;
    deployment.supply.goes_away_until(end_ms);
    // In the middle of invocations, wherever they are.
    for _ in 0..2 {
        deployment.go_on(lasts_ms / 3).await;
        deployment.service.throw_away();
    }
    deployment.watch.until(end_ms).await;
    let during = deployment.watch.take_peaks();
    let appended = deployment.watch.events() - appended;
    let Writes { unanswered, .. } = deployment.supply.take_writes();
    course.note("outage", minutes(lasts_ms));
    course.note("requests to the table without an answer", unanswered);
    course.note("cold starts of the consumer during the outage", deployment.service.started() - started);
    course.note("events appended during the outage", appended);
    note_lags(course, "during the outage", during);
    course.demand_below("age of the oldest unread record during the outage", during.unread, MAX_UNREAD_MS);
    course.demand_below("age of the oldest record that is not in the log", during.unlogged, MAX_UNREAD_MS);
    course.demand(unanswered > 0 && deployment.service.started() >= started + 2, || "nothing struck".to_owned());

    let tails = deployment.watch.tails();
    let figures = deployment.followed(Follower::Figures, &tails, end_ms).await;
    let items = deployment.followed(Follower::Items, &tails, end_ms).await;
    for (what, took) in [("figures have everything after", figures), ("event items are complete after", items)] {
        course.note(what, took.map_or("never".to_owned(), seconds));
        course.demand(took.is_some(), || format!("{what}: never"));
    }
    deployment.watch.take_peaks();
}

async fn half_capacity(deployment: &mut Deployment, course: &mut Course) {
    let lasts_ms = Incident::HalfCapacity.lasts_ms();
    deployment.supply.take_writes();
    deployment.supply.set_units_per_second(deployment.needed_units / 2.0);
    deployment.go_on(lasts_ms).await;
    let Writes { figures, items, .. } = deployment.supply.take_writes();
    let during = deployment.watch.take_peaks();
    course.note("shortage", minutes(lasts_ms));
    course.note("write units a second that items need", deployment.needed_units);
    course.note("write units a second that the table takes", deployment.needed_units / 2.0);
    note_taken(course, ["writes of figures", "writes of figures: throttled", "units of figures"], figures);
    note_taken(course, ["writes of items", "writes of items: throttled", "units of items"], items);
    note_lags(course, "during the shortage", during);
    course.demand_below("age of the oldest unread record during the shortage", during.unread, MAX_UNREAD_MS);
    course.demand_below("age of the oldest record that is not in the log", during.unlogged, MAX_UNREAD_MS);
    course.demand_below("figures behind the log during the shortage", during.figures, MAX_FIGURES_LAG_MS);
    course.demand(figures.throttled > 0 && items.throttled > 0, || "nothing was throttled".to_owned());

    let end_ms = deployment.now_ms();
    deployment.supply.set_units_per_second(FULL * deployment.needed_units);
    let mut lags = during;
    while lags.items > CAUGHT_UP_MS && deployment.now_ms() - end_ms < MAX_RECOVERY_MS {
        lags = deployment.watch.second().await;
    }
    let took_ms = deployment.now_ms() - end_ms;
    let recovery = deployment.watch.take_peaks();
    course.note("items caught up after", minutes(took_ms));
    note_lags(course, "while they caught up", recovery);
    course.demand(took_ms < MAX_RECOVERY_MS, || "items never caught up".to_owned());
    course.demand_below("age of the oldest unread record while items caught up", recovery.unread, MAX_UNREAD_MS);
    course.demand_below("figures behind the log while items caught up", recovery.figures, MAX_FIGURES_LAG_MS);
}

fn note_taken(course: &mut Course, [asked, throttled, units]: [&'static str; 3], taken: Taken) {
    course.note(asked, taken.asked);
    course.note(throttled, format!("{} %", taken.throttled_percent()));
    course.note(units, format!("{:.0}", taken.units));
}

fn note_lags(course: &mut Course, when: &'static str, lags: Lags) {
    course.note("largest lags", when);
    course.note("  oldest unread record", seconds(lags.unread));
    course.note("  oldest record that is not in the log", seconds(lags.unlogged));
    course.note("  figures behind the log", seconds(lags.figures));
    course.note("  figures behind the stream", seconds(lags.uncounted));
    course.note("  items behind the log", minutes(lags.items));
}

/// What log and table must hold in the end: each event once.
async fn end(deployment: &Deployment, course: &mut Course) {
    let (world, sent) = (&deployment.world, deployment.load.events());
    world.weather.calm_down();
    let store = world.table().store;
    let figures = |row: headcount_store::rows::DailyRow| DailyMetrics::from_object(&row.data).ok();
    let counted = store.all_dailies().into_iter().filter_map(figures);
    let counted: u64 = counted.flat_map(|day| day.figures.events_by_type.into_values()).sum();
    let (appended, items) = (deployment.watch.events(), store.all_events().len() as u64);
    course.note("events sent", sent);
    for (what, count) in [("events in the log", appended), ("events in the figures", counted), ("event items", items)] {
        course.note(what, count);
        course.demand(count == sent, || format!("{what}: {count}, not {sent}"));
    }
    check::everything(world).await;
    course.broken.extend(world.report().mismatches);
}
