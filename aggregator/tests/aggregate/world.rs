//! A small world to aggregate: a store in memory, a clock, and a stand-in for the consumer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::FutureExt as _;
use headcount_aggregator::roll_up::{DayRollUp, Outcome};
use headcount_aggregator::{AggregateError, Compute, Deps, RollUp, Settings, Verification, roll_up, verify};
use headcount_core::calendar::{day_of, start_of};
use headcount_core::deployment::Deployment;
use headcount_core::event::{Event, EventType};
use headcount_core::metrics::{DailyMetrics, Figures};
use headcount_core::origin::{Origin, Source};
use headcount_core::partial::Partial;
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_store::clock::Clock;
use headcount_store::memory::MemoryStore;
use headcount_store::retry::Jitter;
use headcount_store::rows::{Claim, EventRow, FirstDay, Put, RejectedRow};
use headcount_store::traits::{
    AggregatorStore, DeploymentStore, EventStore, PartialStore, RejectedStore, Stamp, UserStore,
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

pub(crate) const HOUR_MS: i64 = 60 * 60 * 1_000;
pub(crate) const FAR: i64 = 4_000_000_000;

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn source(n: u32) -> Source {
    Source::new("events", &format!("shardId-{n:012}"))
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) deployment: Deployment,
    pub(crate) settings: Settings,
    now_ms: Arc<AtomicI64>,
}

impl World {
    /// It is noon, UTC, of `today`.
    pub(crate) fn new(today: &str) -> Self {
        Self::with(Deployment::new(Tz::UTC, "test"), today)
    }

    pub(crate) fn with(deployment: Deployment, today: &str) -> Self {
        // Few items a page, so that every listing has several.
        let store = MemoryStore::with_page_items(3);
        store.create_deployment(&deployment).now_or_never().unwrap().unwrap();
        let settings = Settings { compute: Compute::InPlace, ..Settings::default() };
        let world = Self { store, deployment, settings, now_ms: Arc::default() };
        world.turn_to(today);
        world
    }

    /// Turns the clock to noon of `today`.
    pub(crate) fn turn_to(&self, today: &str) {
        let noon = start_of(self.deployment.zone, date(today)) + 12 * HOUR_MS;
        self.now_ms.store(noon, Ordering::SeqCst);
    }

    /// `hour` o'clock of the day, counted from its beginning.
    pub(crate) fn at(&self, day: &str, hour: i64) -> i64 {
        start_of(self.deployment.zone, date(day)) + hour * HOUR_MS
    }

    pub(crate) fn deps(&self) -> Deps<MemoryStore> {
        self.deps_over(self.store.clone(), 1)
    }

    pub(crate) fn deps_over<S: AggregatorStore>(&self, store: S, seed: u64) -> Deps<S> {
        let now_ms = self.now_ms.clone();
        let clock = Clock::from_fn(move || now_ms.load(Ordering::SeqCst));
        Deps { store, clock, jitter: Jitter::from_seed(seed), settings: self.settings }
    }

    pub(crate) async fn roll_up(&self) -> RollUp {
        roll_up(&self.deps(), None, soon()).await.unwrap()
    }

    pub(crate) async fn roll_up_named(&self, dates: &[&str]) -> RollUp {
        let dates: Vec<_> = dates.iter().map(|text| date(text)).collect();
        roll_up(&self.deps(), Some(&dates), soon()).await.unwrap()
    }

    pub(crate) async fn verify(&self, day: &str) -> Result<Verification, AggregateError> {
        verify(&self.deps(), date(day), soon()).await
    }

    /// The stored figures of a day.
    pub(crate) fn figures(&self, day: &str) -> Figures {
        let rows = self.store.all_dailies();
        let row = rows.iter().find(|row| row.date == date(day)).unwrap_or_else(|| panic!("no DAILY of {day}"));
        DailyMetrics::from_object(&row.data).unwrap().figures
    }

    /// What the consumer does with one record that holds these events: stores them, remembers their users, folds them.
    pub(crate) fn deliver(&self, source: &Source, sequence: u64, events: &[Event<'static>]) {
        let mut days: BTreeMap<NaiveDate, Vec<&Event<'static>>> = BTreeMap::new();
        for event in self.store_events(source, sequence, events) {
            days.entry(day_of(self.deployment.zone, event.timestamp_ms).unwrap()).or_default().push(event);
        }
        for (day, events) in days {
            self.change_partial(day, source, |partial| {
                for event in &events {
                    partial.fold(event, self.deployment.zone);
                }
                partial.advance(&sequence.into());
            });
        }
    }

    /// A redelivery behind the fence: stores the events and marks their sources.
    pub(crate) fn deliver_behind(&self, source: &Source, sequence: u64, events: &[Event<'static>]) {
        for event in self.store_events(source, sequence, events) {
            let day = day_of(self.deployment.zone, event.timestamp_ms).unwrap();
            self.change_partial(day, source, |partial| partial.dirty = true);
        }
    }

    /// Only stores the events: they are in flight until somebody folds them.
    pub(crate) fn store_events<'a>(
        &self,
        source: &Source,
        sequence: u64,
        events: &'a [Event<'static>],
    ) -> Vec<&'a Event<'static>> {
        let mut ours = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let day = day_of(self.deployment.zone, event.timestamp_ms).unwrap();
            let shards = self.deployment.write_shards.on(day);
            let row = EventRow {
                event: event.clone(),
                origin: Origin { source: source.clone(), sequence: sequence.into(), index: index as u32 },
                date: day,
                shards,
                created_ms: 1,
                expires_s: FAR,
            };
            let claims = self.store.claim(&[row]).now_or_never().unwrap().unwrap();
            assert_eq!(claims, [Claim::Inserted], "a test delivers each event once");
            let first_day = FirstDay {
                user_id: event.user_id.clone().into_owned(),
                date: day,
                shards,
                seen_ms: event.timestamp_ms,
            };
            self.store.put_first_day(&first_day).now_or_never().unwrap().unwrap();
            ours.push(event);
        }
        ours
    }

    /// `count` events of one record that broke a rule.
    pub(crate) fn reject(&self, source: &Source, sequence: u64, day: &str, count: u64) {
        let rejection = Rejection {
            problems: vec![Problem::new("userId", "must not be empty")],
            payload: Payload::Withheld,
            count,
        };
        let row = RejectedRow {
            rejection,
            origin: Origin { source: source.clone(), sequence: sequence.into(), index: 0 },
            arrival_date: date(day),
            arrived_ms: self.at(day, 1),
            shards: self.deployment.write_shards.on(date(day)),
            expires_s: FAR,
        };
        assert_eq!(self.store.put_rejected(&[row]).now_or_never().unwrap().unwrap(), [true]);
        self.change_partial(date(day), source, |partial| {
            partial.counters.add_rejected(count);
            partial.advance(&sequence.into());
        });
    }

    /// One conditional write of a source's partial.
    pub(crate) fn change_partial(&self, day: NaiveDate, source: &Source, change: impl FnOnce(&mut Partial)) {
        let shards = self.deployment.write_shards.on(day);
        let found = self.store.read_partial(day, shards, source).now_or_never().unwrap().unwrap();
        let mut partial = match &found {
            Some(record) => Partial::decode(record).unwrap(),
            None => Partial::new(day, source.clone(), self.deployment.precision).unwrap(),
        };
        let expected = partial.version;
        change(&mut partial);
        partial.version += 1;
        let stamp = Stamp { now_ms: 1, expires_s: FAR };
        let record = partial.encode();
        let put = self.store.write_partial(&record, shards, expected, stamp);
        assert_eq!(put.now_or_never().unwrap().unwrap(), Put::Written);
    }

    /// The stored counters of a source, and whether it waits to be recounted.
    pub(crate) fn source_of(&self, day: &str, source: &Source) -> Partial {
        let records = self.store.all_partials();
        let record = records.iter().find(|record| record.date == date(day) && record.source == *source).unwrap();
        Partial::decode(record).unwrap()
    }
}

/// A user looks at a page; each user has one session a day.
pub(crate) fn page_view(id: &str, user: &str, at_ms: i64) -> Event<'static> {
    event(EventType::PageView, id, user, at_ms, json!({}))
}

pub(crate) fn feature_use(id: &str, feature: &str, at_ms: i64) -> Event<'static> {
    event(EventType::FeatureUse, id, "ann", at_ms, json!({"feature": feature}))
}

fn event(event_type: EventType, id: &str, user: &str, at_ms: i64, event_data: Value) -> Event<'static> {
    Event {
        id: id.to_owned().into(),
        user_id: user.to_owned().into(),
        session_id: format!("session of {user}").into(),
        event_type,
        timestamp_ms: at_ms,
        counted_ms: at_ms,
        event_data: event_data.into(),
        metadata: json!({"platform": "web"}).into(),
    }
}

/// What a roll-up did about a day.
#[track_caller]
pub(crate) fn day<'a>(rolled_up: &'a RollUp, day: &str) -> &'a DayRollUp {
    let found = rolled_up.days.iter().find(|found| found.date == date(day));
    found.unwrap_or_else(|| panic!("nothing about {day} in {rolled_up:?}"))
}

/// The dates of a roll-up with this outcome.
pub(crate) fn dates_with(rolled_up: &RollUp, outcome: &Outcome) -> Vec<String> {
    rolled_up.days.iter().filter(|day| day.outcome == *outcome).map(|day| day.date.to_string()).collect()
}
