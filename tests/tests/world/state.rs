//! What log and table hold in the end, next to the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_aggregator::roll_up::roll_up;
use headcount_aggregator::verify::verify;
use headcount_aggregator::{Deps, Settings};
use headcount_core::counters::Counters;
use headcount_core::event::Event;
use headcount_core::keys;
use headcount_core::origin::Source;
use headcount_core::partial::Partial;
use headcount_log::Log;
use headcount_runtime::clock::Clock;
use headcount_runtime::retry::Jitter;
use headcount_store::dynamo::DynamoStore;
use headcount_store::rows::Lookup;
use headcount_store::traits::{
    BrowseStore as _, DailyStore as _, MAX_BATCH_GETS, MetaStore as _, PartialStore as _, UserStore as _,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::model::{Known, Model, date};

const PATIENCE: Duration = Duration::from_mins(2);

/// Rejected items on one page.
const PAGE_ITEMS: usize = 500;

/// Everything, read without a proxy.
pub(crate) struct State {
    /// Every occurrence in the log.
    logged: Vec<(Source, Event<'static>)>,
    /// Occurrences that the log says were dropped as duplicates.
    dropped: u64,
    /// Rejected occurrences by source, as the log has them.
    pub(crate) rejected: BTreeMap<Source, u64>,
    /// Those of the logged events that are items of the table, by key.
    items: BTreeMap<keys::ItemKey, Event<'static>>,
    partials: Vec<Partial>,
    first_days: BTreeMap<String, NaiveDate>,
    rejected_items: u64,
    /// Each day's figures.
    days: BTreeMap<NaiveDate, Value>,
}

impl State {
    /// Follows the log to its end, rolls up, verifies each day, and reads.
    pub(crate) async fn read(log: Log, store: DynamoStore, model: &Model) -> Self {
        let deps = Deps::new(log, store, Clock::system(), Jitter::from_seed(1), Settings::default());
        let soon = || Instant::now() + PATIENCE;
        let rolled_up = Box::pin(roll_up(&deps, None, soon())).await.unwrap();
        assert_eq!(rolled_up.failed().next(), None);
        let dates: BTreeSet<_> =
            model.dates().into_iter().chain([date(model.arrived_ms), date(deps.clock.now_ms())]).collect();
        let mut state = Self {
            logged: Vec::new(),
            dropped: 0,
            rejected: BTreeMap::new(),
            items: BTreeMap::new(),
            partials: Vec::new(),
            first_days: BTreeMap::new(),
            rejected_items: 0,
            days: BTreeMap::new(),
        };
        for source in deps.log.sources(soon()).await.unwrap() {
            state.read_log(&deps.log, &source, soon()).await;
        }
        let mut repeated = 0;
        for date in &dates {
            let found = Box::pin(verify(&deps, *date, soon())).await.unwrap();
            assert!(found.passed() && found.in_flight() == 0, "{date}: {found:#?}");
            repeated += found.repeated;
        }
        assert_eq!(repeated, (state.logged.len() - state.distinct().len()) as u64, "what verify says is there twice");
        state.read_table(&deps.store, model, &dates).await;
        state
    }

    async fn read_log(&mut self, log: &Log, source: &Source, deadline: Instant) {
        for listed in log.list_after(source, 0, 100_000, deadline).await.unwrap() {
            let opened = log.read(source, listed.entry, deadline).await.unwrap().open().unwrap();
            for (_, day) in opened.content().unwrap().days {
                self.dropped += day.duplicates;
                *self.rejected.entry(source.clone()).or_default() += day.rejected;
                self.logged.extend(day.events.into_iter().map(|(_, event)| (source.clone(), event.into_owned())));
            }
        }
    }

    async fn read_table(&mut self, store: &DynamoStore, model: &Model, dates: &BTreeSet<NaiveDate>) {
        let table = store.read_meta().await.unwrap().expect("the table was used").table;
        for date in dates {
            let mut after = None;
            loop {
                let page = store.partials_page(table, *date, after.as_ref()).await.unwrap();
                self.partials.extend(page.items.iter().map(|record| Partial::decode(record).unwrap()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut before: Option<String> = None;
            loop {
                let page = store.rejections_page(*date, before.as_deref(), PAGE_ITEMS).await.unwrap();
                self.rejected_items += page.items.iter().map(|item| item.rejection.count).sum::<u64>();
                before = page.items.last().map(|item| item.key().sk);
                if before.is_none() {
                    break;
                }
            }
            if let [Lookup::Found(daily)] = store.dailies(&[*date]).await.unwrap().as_slice() {
                self.days.insert(*date, Value::Object(daily.data.clone()));
            }
        }
        let key = |event: &Event<'_>| keys::event(date(event.timestamp_ms), event.timestamp_ms, &event.id);
        let wanted: BTreeSet<_> = self.logged.iter().map(|(_, event)| key(event)).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        for some in wanted.chunks(MAX_BATCH_GETS) {
            for (key, found) in some.iter().zip(store.events(some).await.unwrap()) {
                if let Lookup::Found(event) = found {
                    self.items.insert(key.clone(), event);
                }
            }
        }
        let users: Vec<_> = model.first_days().into_keys().collect();
        for some in users.chunks(MAX_BATCH_GETS) {
            let some: Vec<_> = some.iter().map(String::as_str).collect();
            for (user, found) in some.iter().zip(store.first_days(&some).await.unwrap()) {
                if let Lookup::Found(date) = found {
                    self.first_days.insert((*user).to_owned(), date);
                }
            }
        }
    }

    /// Each event of the log once.
    fn distinct(&self) -> BTreeSet<Known> {
        self.logged.iter().map(|(_, event)| known(event)).collect()
    }

    /// Fails where anything is not as the model has it.
    pub(crate) fn equals(&self, model: &Model) {
        assert_eq!(self.distinct(), model.events, "nothing is lost");
        assert_eq!(self.logged.len() as u64 + self.dropped, model.occurrences, "no occurrence is there twice");
        assert_eq!(self.first_days, model.first_days(), "users' first days");
        let rejected = model.rejected.iter().sum::<u64>();
        assert_eq!((self.rejected_items, self.rejected.values().sum()), (rejected, rejected), "rejected");

        // The partial of each day and source is what its log says.
        let mut expected: BTreeMap<(NaiveDate, Source), Counters> = BTreeMap::new();
        for (source, event) in &self.logged {
            let counters = expected.entry((date(event.timestamp_ms), source.clone())).or_default();
            counters.add(event, Tz::UTC);
        }
        let mut duplicates = 0;
        for partial in &self.partials {
            let mut counted = partial.counters.clone();
            duplicates += std::mem::take(&mut counted.duplicates);
            counted.rejected = 0;
            let expected = expected.remove(&(partial.date, partial.source.clone())).unwrap_or_default();
            assert_eq!(counted, expected, "the counters of {} of {}", partial.source, partial.date);
        }
        assert!(expected.is_empty(), "no partial of {:?}", expected.keys());
        assert_eq!(duplicates, self.dropped, "duplicates");
        let items: BTreeSet<_> = self.items.values().map(known).collect();
        assert_eq!(items, model.events, "the items of events");

        for date in model.dates() {
            let of_day: Vec<_> = self.logged.iter().map(|(_, event)| known(event)).collect();
            let of_day: Vec<_> = of_day.iter().filter(|event| event.date() == date).collect();
            let users: BTreeSet<_> = of_day.iter().map(|event| &event.user).collect();
            let new = model.first_days().values().filter(|first| **first == date).count();
            let day = &self.days[&date];
            assert_eq!((&day["activeUsers"], &day["newSignups24h"]), (&json!(users.len()), &json!(new)), "{day:#}");
            for event_type in ["page_view", "feature_use", "error"] {
                let count = of_day.iter().filter(|event| event.event_type == event_type).count();
                assert_eq!(day["eventsByType"][event_type], json!(count), "{day:#}");
            }
        }
    }
}

fn known(event: &Event<'_>) -> Known {
    Known {
        at_ms: event.timestamp_ms,
        id: event.id.clone().into_owned(),
        user: event.user_id.clone().into_owned(),
        event_type: ["page_view", "feature_use", "error"]
            .into_iter()
            .find(|name| *name == event.event_type.as_str())
            .unwrap_or("another"),
        feature: ["search", "export"].into_iter().find(|name| event.feature().as_deref() == Some(*name)),
    }
}
